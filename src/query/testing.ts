/**
 * Helpers for tests of queries: a namespace in memory, requests, and a session's part in running a job.
 *
 * @module
 */

import { ByteBuffer, PARTITION_COUNT, type ResultCode, SLICE_MAX_MS, toHex, utf8 } from "../base/mod.ts";
import { defaultSettings, type NamespaceSettings } from "../config/mod.ts";
import { PartitionTable } from "../partition/mod.ts";
import { createCompute } from "../platform/mod.ts";
import type { Clock } from "../port/mod.ts";
import type { RecordDevice } from "../storage/mod.ts";
import { testDigest, TestLog, TestStore } from "../storage/testing.ts";
import { Namespace, runTransaction, TransactionContext } from "../transaction/mod.ts";
import {
  decodeMessage,
  decodeOp,
  FIELD,
  FrameReader,
  INFO1,
  INFO2,
  INFO3,
  PARTICLE,
  RecordRequest,
  ReplyMessage,
  ReplyWriter,
  RequestWriter,
} from "../wire/mod.ts";
import { UdfModules } from "../udf/mod.ts";
import { type QueryJob, QueryRegistry, startQuery } from "./mod.ts";

/** Bytes before a message in a frame. */
const PROTO_HEADER_SIZE = 8;
/** Steps after which a job that does not end is a failure. */
const STEP_COUNT_MAX = 200_000;

/** One message of a reply. */
export interface TestMessage {
  /** Bits of the header. */
  info1: number;
  /** Bits of the header. */
  info3: number;
  /** Result code. */
  resultCode: number;
  /** Generation, or partition. */
  generation: number;
  /** Void-time. */
  voidTime: number;
  /** Digest in hexadecimal, "" for none. */
  digest: string;
  /** Field types in order. */
  fieldTypes: number[];
  /** Values of fields by type. */
  fields: Map<number, Uint8Array>;
  /** Values in hexadecimal by bin. */
  bins: Record<string, string>;
}

/** An operation of a request. */
export interface TestOp {
  op: number;
  name?: string;
  particleType?: number;
  value?: Uint8Array;
}

/** What a query asks for; absent parts are left out of the message. */
export interface TestQuery {
  info1?: number;
  info2?: number;
  info3?: number;
  recordTtl?: number;
  transactionTtlMs?: number;
  set?: string;
  partitions?: number[];
  digests?: string[];
  maxRecords?: number;
  recordsPerSecond?: number;
  socketTimeoutMs?: number;
  trid?: number;
  ops?: TestOp[];
  fields?: [number, Uint8Array][];
}

/** All partitions. */
export const ALL_PARTITIONS: readonly number[] = Array.from({ length: PARTITION_COUNT }, (_, index) => index);

/** Bytes of a message's body that asks for a query. */
export function encodeQuery(query: TestQuery): Uint8Array {
  const writer = new RequestWriter(new ByteBuffer(16384));
  writer.begin({
    info1: query.info1 ?? INFO1.READ,
    info2: query.info2 ?? 0,
    info3: query.info3 ?? INFO3.PARTITION_DONE,
    recordTtl: query.recordTtl ?? 0xffff_ffff,
    transactionTtlMs: query.transactionTtlMs ?? 0,
  });
  writer.textField(FIELD.NAMESPACE, "test");
  if (query.set !== undefined) writer.textField(FIELD.SET, query.set);
  if (query.trid !== undefined) writer.u64Field(FIELD.TRID, query.trid);
  if (query.socketTimeoutMs !== undefined) writer.u32Field(FIELD.SOCKET_TIMEOUT, query.socketTimeoutMs);
  if (query.recordsPerSecond !== undefined) writer.u32Field(FIELD.RECS_PER_SEC, query.recordsPerSecond);
  if (query.maxRecords !== undefined) writer.u64Field(FIELD.SAMPLE_MAX, query.maxRecords);
  if (query.partitions !== undefined && query.partitions.length > 0) {
    const pids = Uint8Array.from(query.partitions.flatMap((pid) => [pid & 0xff, pid >> 8]));
    writer.field(FIELD.PID_ARRAY, pids);
  }
  if (query.digests !== undefined && query.digests.length > 0) {
    const at = writer.beginField(FIELD.DIGEST_ARRAY);
    for (const digest of query.digests) writer.buffer.append(fromHex(digest));
    writer.endField(at);
  }
  for (const [type, payload] of query.fields ?? []) writer.field(type, payload);
  for (const { op, name, particleType, value } of query.ops ?? []) {
    const at = writer.beginOp(op, name ?? "");
    if (value !== undefined) writer.buffer.append(value);
    writer.endOp(at, particleType ?? 0);
  }
  writer.finish();
  return writer.buffer.bytes.slice(PROTO_HEADER_SIZE, writer.buffer.length);
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** A scan of everything, with changes. */
export function scanOf(changes: TestQuery = {}): TestQuery {
  return { partitions: [...ALL_PARTITIONS], ...changes };
}

/** A namespace with queries, and the part of a session that runs one at a time. */
export class TestQueries {
  /** Records. */
  readonly records: TestStore;
  /** The namespace that is asked. */
  readonly namespace: Namespace;
  /** Queries. */
  readonly jobs: QueryRegistry = new QueryRegistry();
  /** What the client has received, frame by frame. */
  readonly frames: Uint8Array[] = [];
  /** Times that a job asked for the connection to be closed. */
  closeCount = 0;
  /** Steps that jobs made. */
  stepCount = 0;
  /** Bytes that the last step added. */
  stepSizeBytes = 0;
  /** False while the client takes nothing: output stays where it is. */
  clientReads = true;
  /** Length of a slice in ms. */
  sliceMs = 1;
  readonly #out = new ByteBuffer();
  readonly #reply = new ReplyWriter(this.#out);
  #onWake: () => void = () => {};

  /** @param options what differs from the defaults */
  constructor(
    options: {
      settings?: NamespaceSettings;
      wrapDevice?: (device: RecordDevice, clock: Clock) => RecordDevice;
    } = {},
  ) {
    this.records = new TestStore(options);
    const partitions = new PartitionTable();
    partitions.assignAll();
    this.namespace = new Namespace({
      settings: this.records.store.settings,
      service: defaultSettings({ namespaces: [{ name: "test" }] }).service,
      store: this.records.store,
      partitions,
      udf: new UdfModules({
        clock: this.records.clock,
        compute: createCompute(),
        log: new TestLog(),
        settings: defaultSettings().modLua,
      }),
      clock: this.records.clock,
      log: new TestLog(),
    });
  }

  /** Starts a query. */
  start(query: TestQuery | Uint8Array): QueryJob | number {
    const body = query instanceof Uint8Array ? query : encodeQuery(query);
    const request = new RecordRequest();
    if (!request.decode(body, 0, body.length)) throw new Error("The test's request is malformed");
    const { clock } = this.records;
    return startQuery(request, {
      namespace: this.namespace,
      reply: this.#reply,
      waiter: { wake: () => this.#onWake() },
      clock,
      schedule: (run) => clock.nextTurn(() => run(clock.monotonicMs() + SLICE_MAX_MS)),
      jobs: this.jobs,
      remote: { host: "127.0.0.1", port: 40000 },
      close: () => void this.closeCount++,
    });
  }

  /** Starts a query that must not be refused. */
  startJob(query: TestQuery | Uint8Array): QueryJob {
    const job = this.start(query);
    if (typeof job === "number") throw new Error(`The query was refused with ${job}`);
    return job;
  }

  /** Lets a job run one slice; its output is taken as sent. */
  step(job: QueryJob): "done" | "more" | "suspended" {
    this.stepCount++;
    const { clock } = this.records;
    const outcome = job.step(clock, clock.monotonicMs() + this.sliceMs);
    this.stepSizeBytes = this.#out.length;
    if (!this.clientReads) return outcome;
    if (this.#out.length > 0) this.frames.push(this.#out.toBytes());
    this.#out.reset();
    return outcome;
  }

  /** Runs a job to its end; `between` is called after each slice and each other callback. */
  run(job: QueryJob, between: () => void = () => {}): TestMessage[] {
    this.frames.length = 0;
    let outcome = this.step(job);
    // A woken job takes its slice at once, as in a session: the bytes that it waited for stay no longer than the call.
    this.#onWake = () => {
      if (outcome === "suspended") outcome = this.step(job);
    };
    for (let count = 0; outcome !== "done"; count++) {
      if (count > STEP_COUNT_MAX) throw new Error(`The job did not end in ${STEP_COUNT_MAX} slices`);
      if (outcome === "more") outcome = this.step(job);
      else if (!this.records.clock.step()) throw new Error("Nothing will wake the suspended job");
      between();
    }
    this.#onWake = () => {};
    return this.messages();
  }

  /** Starts a query and runs it to its end. */
  query(query: TestQuery | Uint8Array): TestMessage[] {
    return this.run(this.startJob(query));
  }

  /** Messages received, over all frames; frames must not be empty. */
  messages(): TestMessage[] {
    const messages: TestMessage[] = [];
    const reader = new FrameReader();
    const message = new ReplyMessage();
    for (const bytes of this.frames) {
      reader.push(bytes, (frame) => {
        if (frame.start === frame.end) throw new Error("A frame without messages was sent");
        for (let at = frame.start; at < frame.end;) {
          at = decodeMessage(frame, at, message);
          messages.push(readMessage(message));
        }
      });
    }
    return messages;
  }

  /** Runs a whole single-record message; its result code. */
  write(frame: Uint8Array): ResultCode | number {
    const reply = new ReplyWriter(new ByteBuffer());
    const context = new TransactionContext({ reply, waiter: { wake: () => {} } });
    context.request.decode(frame, PROTO_HEADER_SIZE, frame.length);
    reply.beginProto();
    reply.beginMessage();
    runTransaction(context, this.namespace);
    return context.resultCode;
  }

  /** Stores a record through a transaction: bins of integers, user key `number`. */
  put(
    number: number,
    options: { set?: string; key?: boolean; bins?: Record<string, number>; ttlS?: number } = {},
  ): void {
    const writer = new RequestWriter(new ByteBuffer());
    writer.begin({ info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: options.ttlS ?? 0 });
    writer.textField(FIELD.NAMESPACE, "test");
    if (options.set !== undefined) writer.textField(FIELD.SET, options.set);
    writer.field(FIELD.DIGEST, testDigest(number));
    if (options.key === true) writer.field(FIELD.KEY, utf8(`\u0003key${number}`));
    for (const [name, value] of Object.entries(options.bins ?? { n: number })) {
      const at = writer.beginOp(2, name);
      writer.buffer.appendU32(0);
      writer.buffer.appendU32(value);
      writer.endOp(at, PARTICLE.INTEGER);
    }
    writer.finish();
    const resultCode = this.write(writer.buffer.toBytes());
    if (resultCode !== 0) throw new Error(`The record was refused with ${resultCode}`);
  }
}

function readMessage(message: ReplyMessage): TestMessage {
  const { bytes } = message;
  const fieldTypes: number[] = [];
  const fields = new Map<number, Uint8Array>();
  let digest = "";
  message.forEachField((type, start, end) => {
    fieldTypes.push(type);
    fields.set(type, bytes.slice(start, end));
    if (type === FIELD.DIGEST) digest = toHex(bytes, start, end);
  });
  const bins: Record<string, string> = {};
  const op = { op: 0, particleType: 0, name: "", valueAt: 0, end: 0 };
  for (let at = message.opsAt; at < message.end;) {
    at = decodeOp(bytes, at, op);
    bins[op.name] = toHex(bytes, op.valueAt, op.end);
  }
  const { info1, info3, resultCode, generation, voidTime } = message;
  return { info1, info3, resultCode, generation, voidTime, digest, fieldTypes, fields, bins };
}

/** Digests of the records among some messages. */
export function digestsOf(messages: readonly TestMessage[]): string[] {
  return messages.filter(({ digest }) => digest !== "").map(({ digest }) => digest);
}

/** Digests of records by number, sorted. */
export function testDigests(numbers: Iterable<number>): string[] {
  return Array.from(numbers, (number) => toHex(testDigest(number))).sort();
}
