/**
 * A restore: items of backup files are written into a cluster, records in batches. Each record is written whole, under the
 * policy that the person chose; what the cluster has and the backup lacks stays.
 *
 * @module
 */

import {
  CITRUSLEAF_EPOCH_S,
  createDigester,
  type Digester,
  equalBytes,
  utf8,
  writeU16,
} from "../../src/base/mod.ts";
import {
  type AerieClient,
  type AnyKey,
  type BatchResult,
  type BatchRow,
  type Bins,
  ResultCode,
  TypedBlob,
  type UserKey,
  type WritePolicy,
} from "../../src/client/mod.ts";
import type { Clock } from "../../src/port/mod.ts";
import { PARTICLE } from "../../src/wire/mod.ts";
import type { AsbIndex, AsbItem, AsbModule, AsbRecord } from "./asb.ts";
import { checkIndex, countRecords, createIndex, registerModule } from "./cluster_items.ts";

const BATCH_RECORDS_MAX = 128;
const BATCH_SIZE_MAX_BYTES = 1024 * 1024;

/** How records are written. */
export interface RestorePolicy {
  /** `newer`: unless the cluster has a record of the same or a higher generation; `create`: unless it has one; `replace`: always. */
  readonly mode: "newer" | "create" | "replace";
  /** Namespace to write to; undefined for the one that a record was in. */
  readonly namespace: string | undefined;
  /** Sets; empty for all. */
  readonly sets: ReadonlySet<string>;
  /** Added to each TTL, seconds. */
  readonly extraTtlS: number;
  readonly hasRecords: boolean;
  readonly hasIndexes: boolean;
  readonly hasModules: boolean;
  /** Records that fail are counted instead of ending the restore. */
  readonly ignoresErrors: boolean;
}

/** What a {@linkcode RestoreJob} is made of. */
export interface RestoreJobOptions {
  readonly client: AerieClient;
  readonly policy: RestorePolicy;
  readonly clock: Clock;
  /** Batches at the same time. */
  readonly workerCount: number;
  /** Records per second, for all nodes together; 0 for no limit. */
  readonly recordsPerSecond: number;
}

/** What a restore has done. */
export interface RestoreCounts {
  read: number;
  written: number;
  /** Expired before the restore. */
  expired: number;
  /** Left out because of their set. */
  filtered: number;
  /** The cluster has a record that is as new, or has one at all. */
  kept: number;
  failed: number;
  indexes: number;
  modules: number;
}

/** See the head of the file. */
export class RestoreJob {
  /** What has been done. */
  readonly counts: RestoreCounts = {
    read: 0,
    written: 0,
    expired: 0,
    filtered: 0,
    kept: 0,
    failed: 0,
    indexes: 0,
    modules: 0,
  };
  /** The first error of a record, when errors are ignored. */
  firstError: Error | undefined;
  readonly #client: AerieClient;
  readonly #policy: RestorePolicy;
  readonly #clock: Clock;
  readonly #workerCount: number;
  readonly #recordsPerSecond: number;
  /** Namespaces that the cluster has. */
  readonly #namespaces = new Set<string>();
  /** Monotonic time before which nothing more is sent. */
  #nextSendMs = 0;
  readonly #digester: Digester;
  readonly #indexes: AsbIndex[] = [];
  /** Modules that are registered once the namespace is known to be there. */
  readonly #modules: AsbModule[] = [];
  readonly #running = new Set<Promise<void>>();
  #rows: BatchRow[] = [];
  #rowBytes = 0;
  #error: Error | undefined;

  private constructor(options: RestoreJobOptions, digester: Digester) {
    this.#client = options.client;
    this.#policy = options.policy;
    this.#clock = options.clock;
    this.#workerCount = options.workerCount;
    this.#recordsPerSecond = options.recordsPerSecond;
    this.#digester = digester;
  }

  /** @param options where to, and how */
  static async create(options: RestoreJobOptions): Promise<RestoreJob> {
    return new RestoreJob(options, await createDigester());
  }

  /**
   * Takes an item; resolves when there is room for the next one.
   *
   * @throws the first error, unless errors of records are ignored
   */
  async take(item: AsbItem): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    switch (item.kind) {
      case "record":
        return await this.#takeRecord(item);
      case "index":
        if (this.#policy.hasIndexes) this.#indexes.push(item);
        return;
      case "module":
        if (!this.#policy.hasModules) return;
        this.#modules.push(item);
        // A module may be replaced by it: nothing is changed for a backup that has no place here.
        if (this.#isChecked) await this.#registerModules();
        return;
      case "namespace":
        return await this.check(item);
      case "first-file":
        return;
    }
  }

  /**
   * Looks whether the cluster can take an item; changes nothing.
   *
   * @throws {Error} when it can't
   */
  async check(item: AsbItem): Promise<void> {
    const { namespace, hasRecords, hasIndexes } = this.#policy;
    if (item.kind === "namespace" && (hasRecords || hasIndexes)) {
      await this.#checkNamespace(namespace ?? item.name);
    } else if (item.kind === "index" && hasIndexes) {
      checkIndex(item);
      await this.#checkNamespace(namespace ?? item.namespace);
    }
  }

  /** Writes what waits, then makes the indexes: over records that are there they are built in one go. */
  async finish(): Promise<void> {
    for (const index of this.#indexes) await this.check(index);
    await this.#registerModules();
    await this.#pace();
    this.#send();
    await this.settle();
    if (this.#error !== undefined) throw this.#error;
    for (const index of this.#indexes) {
      await createIndex(this.#client, index, this.#policy.namespace ?? index.namespace);
      this.counts.indexes++;
    }
  }

  /** Waits for what was sent, so that the counts are right. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
  }

  async #takeRecord(record: AsbRecord): Promise<void> {
    const { counts } = this;
    const { hasRecords, sets } = this.#policy;
    if (!hasRecords) return;
    counts.read++;
    if (sets.size > 0 && !sets.has(record.set)) {
      counts.filtered++;
      return;
    }
    const row = this.#rowOf(record);
    if (row === undefined) {
      counts.expired++;
      return;
    }
    await this.#checkNamespace(row.key.namespace);
    if (this.#modules.length > 0) await this.#registerModules();
    this.#rows.push(row);
    this.#rowBytes += record.bins.reduce((sum, bin) => sum + bin.bytes.length + bin.name.length + 16, 64);
    if (this.#rows.length < BATCH_RECORDS_MAX && this.#rowBytes < BATCH_SIZE_MAX_BYTES) return;
    await this.#pace();
    this.#send();
    while (this.#running.size >= this.#workerCount) await Promise.race(this.#running);
  }

  #rowOf(record: AsbRecord): BatchRow | undefined {
    const ttlS = this.#ttlOf(record.voidTime);
    if (ttlS === undefined) return undefined;
    const bins: Bins = {};
    for (const { name, type, bytes } of record.bins) {
      if (type === PARTICLE.NULL) continue;
      bins[name] = new TypedBlob(type, type === PARTICLE.GEOJSON ? geoBytes(bytes) : bytes);
    }
    const policy: WritePolicy = { ttlS, sendKey: true };
    if (this.#policy.mode === "create") policy.exists = "create-only";
    else policy.exists = "replace";
    if (this.#policy.mode === "newer") {
      policy.generation = record.generation;
      policy.generationPolicy = "greater";
    }
    return { type: "put", key: this.#keyOf(record), bins, policy };
  }

  /** Seconds to live, -1 for ever; undefined when the time is over. */
  #ttlOf(voidTime: number): number | undefined {
    if (voidTime === 0) return -1;
    const left = voidTime + CITRUSLEAF_EPOCH_S + this.#policy.extraTtlS -
      Math.floor(this.#clock.wallMs() / 1000);
    return left <= 0 ? undefined : left;
  }

  /** The user's key where it gives the record's digest, so that it is stored again; else the digest. */
  #keyOf(record: AsbRecord): AnyKey {
    const { key, digest, set } = record;
    const namespace = this.#policy.namespace ?? record.namespace;
    if (key !== undefined) {
      const userKey: UserKey = typeof key === "object" && "float" in key ? key.float : key;
      if (equalBytes(this.#digester.digest(utf8(set), keyBytes(userKey)), 0, digest, 0, digest.length)) {
        return { namespace, set, key: userKey };
      }
    }
    return { namespace, set, digest };
  }

  /** Whether modules may be registered: a namespace was found, or none is needed. */
  get #isChecked(): boolean {
    const { hasRecords, hasIndexes } = this.#policy;
    return this.#namespaces.size > 0 || !(hasRecords || hasIndexes);
  }

  async #registerModules(): Promise<void> {
    for (const module of this.#modules.splice(0)) {
      await registerModule(this.#client, module);
      this.counts.modules++;
    }
  }

  async #checkNamespace(namespace: string): Promise<void> {
    if (this.#namespaces.has(namespace)) return;
    await countRecords(this.#client, namespace);
    this.#namespaces.add(namespace);
  }

  /** Waits until the limit lets the next rows go. */
  async #pace(): Promise<void> {
    if (this.#recordsPerSecond === 0) return;
    const nowMs = this.#clock.monotonicMs();
    const atMs = Math.max(nowMs, this.#nextSendMs);
    this.#nextSendMs = atMs + this.#rows.length * 1000 / this.#recordsPerSecond;
    if (atMs > nowMs) await new Promise<void>((resolve) => void this.#clock.after(atMs - nowMs, resolve));
  }

  #send(): void {
    if (this.#rows.length === 0) return;
    const rows = this.#rows;
    this.#rows = [];
    this.#rowBytes = 0;
    const sent = this.#write(rows).catch((error: Error) => void (this.#error ??= error))
      .finally(() => this.#running.delete(sent));
    this.#running.add(sent);
  }

  async #write(rows: BatchRow[]): Promise<void> {
    const results = await this.#client.batch(rows, {
      totalTimeoutMs: 30_000,
      maxRetries: 5,
      sleepBetweenRetriesMs: 100,
    });
    for (const result of results) this.#count(result);
  }

  #count({ resultCode, error }: BatchResult): void {
    const { counts } = this;
    if (resultCode === ResultCode.OK) counts.written++;
    else if (resultCode === ResultCode.RECORD_EXISTS || resultCode === ResultCode.GENERATION) counts.kept++;
    else {
      counts.failed++;
      this.firstError ??= error ?? new Error(`a record was answered with ${resultCode}`);
      if (!this.#policy.ignoresErrors) this.#error ??= this.firstError;
    }
  }
}

/** GeoJSON goes without cells: the server computes its own. */
function geoBytes(text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(3 + text.length);
  writeU16(bytes, 1, 0);
  bytes.set(text, 3);
  return bytes;
}

/** Particle type and value of a key, as it enters the digest. */
function keyBytes(key: UserKey): Uint8Array {
  if (typeof key === "string") return typed(PARTICLE.STRING, utf8(key));
  if (key instanceof Uint8Array) return typed(PARTICLE.BLOB, key);
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  if (typeof key === "number" && !Number.isInteger(key)) {
    bytes[0] = PARTICLE.FLOAT;
    view.setFloat64(1, key);
  } else {
    bytes[0] = PARTICLE.INTEGER;
    view.setBigInt64(1, BigInt(key));
  }
  return bytes;
}

function typed(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + value.length);
  bytes[0] = type;
  bytes.set(value, 1);
  return bytes;
}
