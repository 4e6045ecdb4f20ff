/**
 * Scans and queries: all records of a namespace or set, or those that an index finds, from all nodes at once.
 * Source: wire-protocol reference, section 8.
 *
 * A scan goes in rounds. In each, every node is asked for the partitions that it owns and that aren't done. A
 * partition is done when its node's stream has ended well and has not said otherwise. What is left, because a node was
 * lost or no longer owns a partition, goes into the next round, behind the last digest that was received (in a query: the
 * last entry of the index, which is a value and a digest), so that no record is delivered twice. Records that change while the scan runs may be missed or seen, as the server has it.
 *
 * @module
 */

import {
  ByteBuffer,
  CLIENT_SCAN_QUEUE_COUNT_MAX,
  PARTITION_COUNT,
  partitionId,
  ResultCode,
  utf8Decode,
  WireError,
} from "../base/mod.ts";
import { FIELD, INFO1, INFO3, PARTICLE, type ReplyMessage, RequestWriter, TTL_NEVER } from "../wire/mod.ts";
import type { Cluster } from "./cluster.ts";
import { compressRequest } from "./compression.ts";
import type { ClientConnection } from "./connection.ts";
import { type ClientError, ConnectionError, ServerError, TimeoutError } from "./errors.ts";
import type { UserKey } from "./key.ts";
import type { ClientNode } from "./node.ts";
import { decodeParticle } from "./particle.ts";
import type { ResolvedPolicy, ScanPolicy } from "./policy.ts";
import { type ClientRecord, readRawRecord, readRecord } from "./record.ts";
import { writeBinNames } from "./record_request.ts";
import { sleep, StreamCommand, type StreamEnd } from "./stream_command.ts";
import { type Where, writeWhere } from "./where.ts";

const BVAL_SIZE_BYTES = 8;
const NO_VALUE = new Uint8Array(BVAL_SIZE_BYTES);

/** What to scan. */
export interface ScanRequest {
  /** Namespace. */
  namespace: string;
  /** Set; the whole namespace when absent. */
  set?: string;
  /** Bins to return: all when absent, `none` for the header alone. */
  bins?: readonly string[] | "none";
  /** Range of partitions, or some of them; all when absent. */
  partitions?: { first: number; count: number } | readonly number[];
  /** Digests to go on behind, by partition, for a scan that was interrupted. */
  after?: ReadonlyMap<number, Uint8Array>;
  /** Return bins as {@linkcode TypedBlob} with the bytes of the wire, whatever their type. */
  raw?: boolean;
  /** Condition that a secondary index answers; all records when absent. */
  where?: Where;
  /** Policy. */
  policy?: ScanPolicy;
}

/** A record of a scan. */
export interface ScanRecord extends ClientRecord {
  /** Namespace. */
  namespace: string;
  /** Set, empty for none. */
  set: string;
  /** The 20 bytes that identify the record. */
  digest: Uint8Array;
  /** The user's key, where it was stored with the record. */
  key: UserKey | undefined;
  /** Particle type of the key: a float without a fraction looks like an integer in `key`. 0 without a key. */
  keyType: number;
  /** When the record expires, in seconds since 2010; 0 never. */
  voidTime: number;
}

/** One node's part of a round. */
interface NodeShare {
  node: ClientNode;
  partitions: number[];
  /** Records to ask for; 0 for all. */
  recordCountMax: number;
  receivedCount: number;
  unavailable: Set<number>;
}

/** A running scan. */
export class Scan {
  readonly #cluster: Cluster;
  readonly #request: ScanRequest;
  readonly #policy: ResolvedPolicy & ScanPolicy;
  readonly #deadlineMs: number;
  /** Partitions that aren't done. */
  readonly #open: Set<number> = new Set();
  /** Digest of the last record by partition. */
  readonly #digests: Map<number, Uint8Array> = new Map();
  /** Value of the last entry of the index by partition, as the server sent it. */
  readonly #values: Map<number, Uint8Array> = new Map();
  readonly #streams: Set<StreamCommand> = new Set();
  #queue: ScanRecord[] = [];
  #receivedCount = 0;
  #finished = false;
  #aborted = false;
  #paused = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** @param policy merged; the request's own policy is not looked at */
  constructor(cluster: Cluster, request: ScanRequest, policy: ResolvedPolicy & ScanPolicy) {
    this.#cluster = cluster;
    this.#request = request;
    this.#policy = policy;
    this.#openPartitions(request.partitions ?? { first: 0, count: PARTITION_COUNT });
    for (const [partition, digest] of request.after ?? []) {
      if (this.#open.has(partition)) this.#digests.set(partition, digest);
    }
    const { totalTimeoutMs } = policy;
    this.#deadlineMs = totalTimeoutMs === 0 ? Infinity : cluster.ports.clock.monotonicMs() + totalTimeoutMs;
  }

  #openPartitions(partitions: NonNullable<ScanRequest["partitions"]>): void {
    if (!("first" in partitions)) {
      for (const partition of partitions) {
        if (!(Number.isInteger(partition) && partition >= 0 && partition < PARTITION_COUNT)) {
          throw new RangeError(`Cannot scan partition ${partition}: there are 0 to ${PARTITION_COUNT - 1}`);
        }
        this.#open.add(partition);
      }
      return;
    }
    const { first, count } = partitions;
    if (
      !(Number.isInteger(first) && Number.isInteger(count) && first >= 0 && count >= 1) ||
      first + count > PARTITION_COUNT
    ) {
      throw new RangeError(
        `Cannot scan ${count} partitions from ${first}: the range must lie in 0 to ${PARTITION_COUNT - 1}`,
      );
    }
    for (let partition = first; partition < first + count; partition++) this.#open.add(partition);
  }

  /** The records as they come. Ending the iteration early ends the scan. */
  async *records(): AsyncGenerator<ScanRecord, void, void> {
    this.#drive().then(
      () => this.#finish(undefined),
      (error) => this.#finish(error),
    );
    try {
      for (;;) {
        const records = this.#queue;
        this.#queue = [];
        this.#resume();
        yield* records;
        if (this.#queue.length > 0) continue;
        if (this.#finished) break;
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
      if (this.#error !== undefined) throw this.#error;
    } finally {
      this.#abort();
    }
  }

  #finish(error: Error | undefined): void {
    this.#finished = true;
    this.#error = error;
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #abort(): void {
    this.#aborted = true;
    for (const stream of this.#streams) stream.abort();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const stream of this.#streams) stream.resume();
  }

  async #drive(): Promise<void> {
    const { clock } = this.#cluster.ports;
    const recordCountMax = this.#policy.maxRecords ?? 0;
    let failureCount = 0;
    while (this.#open.size > 0 && !this.#aborted) {
      const before = this.#receivedCount + PARTITION_COUNT - this.#open.size;
      const failure = await this.#round(failureCount);
      if (this.#aborted || (recordCountMax > 0 && this.#receivedCount >= recordCountMax)) return;
      if (failure === undefined) continue;
      const progressed = this.#receivedCount + PARTITION_COUNT - this.#open.size > before;
      failureCount = progressed ? 1 : failureCount + 1;
      if (failureCount > this.#policy.maxRetries || this.#cluster.closed) throw failure;
      if (clock.monotonicMs() + this.#policy.sleepBetweenRetriesMs >= this.#deadlineMs) {
        throw new TimeoutError("The scan timed out", { cause: failure });
      }
      this.#cluster.disturb();
      await sleep(clock, this.#policy.sleepBetweenRetriesMs);
    }
  }

  /** Asks all nodes once; returns what went wrong, if it may be tried again. */
  async #round(sequence: number): Promise<Error | undefined> {
    const shares = this.#share(sequence);
    if (shares.length === 0) {
      return new ConnectionError("Cannot scan: no node of the cluster is reachable");
    }
    let failure: Error | undefined;
    let next = 0;
    const worker = async () => {
      while (next < shares.length && !this.#aborted) failure = await this.#ask(shares[next++]) ?? failure;
    };
    const limit = this.#policy.concurrentNodesMax || shares.length;
    await Promise.all(Array.from({ length: Math.min(limit, shares.length) }, worker));
    return failure;
  }

  /** Distributes the open partitions over their nodes, and the records that are wanted over the nodes. */
  #share(sequence: number): NodeShare[] {
    const byNode = new Map<ClientNode, NodeShare>();
    const { namespace } = this.#request;
    for (const partition of this.#open) {
      const node = this.#cluster.route({ namespace, id: partition }, this.#policy.replica, sequence);
      if (node === undefined) continue;
      const share = byNode.get(node);
      if (share !== undefined) share.partitions.push(partition);
      else {
        byNode.set(node, {
          node,
          partitions: [partition],
          recordCountMax: 0,
          receivedCount: 0,
          unavailable: new Set(),
        });
      }
    }
    const shares = [...byNode.values()];
    const wanted = this.#policy.maxRecords ?? 0;
    if (wanted === 0) return shares;
    const left = wanted - this.#receivedCount;
    shares.forEach((share, i) => {
      share.recordCountMax = Math.floor(left / shares.length) + (i < left % shares.length ? 1 : 0);
    });
    return shares.filter((share) => share.recordCountMax > 0);
  }

  async #ask(share: NodeShare): Promise<Error | undefined> {
    const { clock, compute } = this.#cluster.ports;
    const { socketTimeoutMs } = this.#policy;
    const stream = new StreamCommand({
      node: share.node,
      bytes: compressRequest(this.#encode(share), this.#policy, compute),
      times: { deadlineMs: this.#deadlineMs, silenceMs: socketTimeoutMs === 0 ? Infinity : socketTimeoutMs },
      clock,
      isEnd: (message) =>
        message.resultCode !== ResultCode.OK && (message.info3 & INFO3.PARTITION_DONE) === 0,
      onMessage: (message, connection) => this.#onMessage(message, { share, connection }),
    });
    this.#streams.add(stream);
    const end = await stream.ended;
    this.#streams.delete(stream);
    return this.#onEnd(share, end);
  }

  /** @throws {ServerError} when trying again can't help */
  #onEnd(share: NodeShare, end: StreamEnd): ClientError | undefined {
    if (end.resultCode === ResultCode.OK) {
      const exhausted = share.recordCountMax === 0 || share.receivedCount < share.recordCountMax;
      for (const partition of share.partitions) {
        if (exhausted && !share.unavailable.has(partition)) this.#open.delete(partition);
      }
      return share.unavailable.size === 0
        ? undefined
        : new ServerError(ResultCode.UNAVAILABLE, { node: share.node.name });
    }
    if (end.resultCode === undefined) return end.error;
    const error = new ServerError(end.resultCode, { node: share.node.name });
    if (end.resultCode !== ResultCode.TIMEOUT && end.resultCode !== ResultCode.UNAVAILABLE) throw error;
    return error;
  }

  #onMessage(message: ReplyMessage, from: { share: NodeShare; connection: ClientConnection }): void {
    const { share, connection } = from;
    if ((message.info3 & INFO3.PARTITION_DONE) !== 0) {
      if (message.resultCode !== ResultCode.OK) share.unavailable.add(message.generation);
      return;
    }
    const record = this.#readRecord(message);
    const partition = partitionId(record.digest);
    this.#noteValue(partition, message);
    if (!this.#open.has(partition)) {
      throw new WireError(`The server sent a record of partition ${partition}, which was not asked for`);
    }
    this.#digests.set(partition, record.digest);
    share.receivedCount++;
    this.#receivedCount++;
    this.#queue.push(record);
    if (this.#queue.length >= CLIENT_SCAN_QUEUE_COUNT_MAX) {
      this.#paused = true;
      connection.pause();
    }
    this.#notify();
  }

  /** Without a value a query can't go on behind a record; without an index there is none. */
  #noteValue(partition: number, message: ReplyMessage): void {
    if (this.#request.where === undefined) return;
    message.forEachField((type, start, end) => {
      if (type === FIELD.BVAL_ARRAY && end - start === BVAL_SIZE_BYTES) {
        this.#values.set(partition, message.bytes.slice(start, end));
      }
    });
  }

  #readRecord(message: ReplyMessage): ScanRecord {
    const bytes = message.bytes;
    let digest: Uint8Array | undefined;
    let key: UserKey | undefined;
    let keyType = 0;
    let set = "";
    message.forEachField((type, start, end) => {
      if (type === FIELD.DIGEST && end - start === 20) digest = bytes.slice(start, end);
      else if (type === FIELD.SET) set = utf8Decode(bytes.subarray(start, end));
      else if (type === FIELD.KEY && end > start) {
        key = decodeUserKey(bytes, start, end);
        if (key !== undefined) keyType = bytes[start];
      }
    });
    if (digest === undefined) throw new WireError("The server sent a record of a scan without its digest");
    const { clock } = this.#cluster.ports;
    const record = this.#request.raw ? readRawRecord(message, clock) : readRecord(message, clock);
    const { namespace } = this.#request;
    return { ...record, namespace, set, digest, key, keyType, voidTime: message.voidTime };
  }

  #encode(share: NodeShare): Uint8Array {
    const { namespace, set, bins } = this.#request;
    const policy = this.#policy;
    const writer = new RequestWriter(new ByteBuffer(256 + share.partitions.length * 4));
    const info1 = INFO1.READ | (bins === "none" ? INFO1.GET_NO_BINS : 0) |
      (policy.compress ? INFO1.COMPRESS_RESPONSE : 0);
    writer.begin({ info1, info2: 0, info3: INFO3.PARTITION_DONE, recordTtl: TTL_NEVER });
    writer.textField(FIELD.NAMESPACE, namespace);
    if (set) writer.textField(FIELD.SET, set);
    if (this.#request.where !== undefined) writeWhere(writer, this.#request.where);
    writer.u32Field(FIELD.SOCKET_TIMEOUT, Math.min(policy.socketTimeoutMs, 0xffff_ffff));
    const taskId = new Uint8Array(8);
    this.#cluster.ports.random.fill(taskId);
    writer.field(FIELD.TRID, taskId);
    this.#writePartitions(writer, share.partitions);
    if (policy.recordsPerSecond) writer.u32Field(FIELD.RECS_PER_SEC, policy.recordsPerSecond);
    if (share.recordCountMax > 0) writer.u64Field(FIELD.SAMPLE_MAX, share.recordCountMax);
    if (policy.filter !== undefined) writer.field(FIELD.FILTER_EXP, policy.filter);
    if (typeof bins === "object") writeBinNames(writer, bins);
    writer.finish();
    return writer.buffer.view();
  }

  /** Partitions that have not begun go by number, the others by the digest (and value) to go on from. */
  #writePartitions(writer: RequestWriter, partitions: readonly number[]): void {
    const fresh = partitions.filter((partition) => !this.#digests.has(partition));
    const begun = partitions.filter((partition) => this.#digests.has(partition));
    if (fresh.length > 0) {
      const at = writer.beginField(FIELD.PID_ARRAY);
      for (const partition of fresh) {
        writer.buffer.appendU8(partition);
        writer.buffer.appendU8(partition >>> 8);
      }
      writer.endField(at);
    }
    if (begun.length === 0) return;
    const at = writer.beginField(FIELD.DIGEST_ARRAY);
    for (const partition of begun) writer.buffer.append(this.#digests.get(partition)!);
    writer.endField(at);
    if (this.#request.where === undefined) return;
    const valuesAt = writer.beginField(FIELD.BVAL_ARRAY);
    for (const partition of begun) writer.buffer.append(this.#values.get(partition) ?? NO_VALUE);
    writer.endField(valuesAt);
  }
}

/** The user's key as it is stored: particle type, then value. */
function decodeUserKey(bytes: Uint8Array, start: number, end: number): UserKey | undefined {
  const type = bytes[start];
  if (
    type !== PARTICLE.INTEGER && type !== PARTICLE.FLOAT && type !== PARTICLE.STRING && type !== PARTICLE.BLOB
  ) {
    return undefined;
  }
  return decodeParticle(type, bytes, { at: start + 1, end }) as UserKey;
}
