/**
 * Clients that do all kinds of things to a few records, and write down what they were told.
 *
 * @module
 */
import { PARTITION_COUNT, ResultCode } from "../base/mod.ts";
import {
  type AerieClient,
  type BasePolicy,
  type BatchResult,
  type BatchRow,
  type Bins,
  type ClientError,
  type Key,
  NO_ANSWER,
  type ReplicaChoice,
  ServerError,
  type WritePolicy,
} from "../client/mod.ts";
import type { SimConnection } from "./connection.ts";
import type { Recorder } from "./history.ts";
import { type Action, type Entry, isRead, type Outcome, type Step } from "./record_model.ts";
import type { SeededRandom } from "./seeded_random.ts";
import {
  batchRow,
  binsOf,
  digestText,
  FILLER_BIN,
  fillerOf,
  isReadStep,
  modelBins,
  operationOf,
  WorkloadError,
  writePolicy,
  written,
} from "./workload_requests.ts";

/** Namespace of the workload's records. */
export const WORKLOAD_NAMESPACE = "test";
/** Their set. */
export const WORKLOAD_SET = "sim";
/** Index on their integer bin, where there is one. */
export const WORKLOAD_INDEX = "byn";
/** Set of the records that are truncated now and then. */
export const TRUNCATED_SET = "cut";

/** Records whose writes often carry a TTL, when nothing else is said; they come last. */
const EXPIRING_KEY_COUNT = 2;

/** What the loops of one run share. */
export interface WorkloadOptions {
  /** Records in use. */
  keyCount: number;
  /** Longest pause between two operations of a loop. */
  thinkMaxMs: number;
  /** Time that an operation may take. */
  timeoutMs: number;
  /** Records whose writes often carry a TTL. */
  expiringKeyCount?: number;
  /** Records of the set that is truncated now and then; none by default. */
  truncatedKeyCount?: number;
  /** Size of a bin that is there to make records large; none by default. */
  fillerBytes?: number;
  /** Share of the requests that are for a few of the records; none by default. */
  hotShare?: number;
  /** Replicas that requests choose among. */
  replicas?: readonly ReplicaChoice[];
}

/** Names of the records. */
export function workloadKeys(options: WorkloadOptions): string[] {
  const { keyCount, expiringKeyCount, truncatedKeyCount = 0 } = options;
  const lastingCount = keyCount - truncatedKeyCount;
  const steadyCount = lastingCount - (expiringKeyCount ?? EXPIRING_KEY_COUNT);
  return Array.from(
    { length: keyCount },
    (_, index) => `${index < steadyCount ? "k" : index < lastingCount ? "t" : "c"}${index}`,
  );
}

/** Records that many requests are for, when some are: two that stay, one that expires, one that is truncated. */
function hotKeysOf(keys: readonly string[]): string[] {
  const ofKind = (kind: string) => keys.filter((key) => key.startsWith(kind));
  return [...ofKind("k").slice(0, 2), ...ofKind("t").slice(0, 1), ...ofKind("c").slice(0, 1)];
}

/** The record of a name. */
export function workloadKey(name: string): Key {
  return {
    namespace: WORKLOAD_NAMESPACE,
    set: mayBeTruncated(name) ? TRUNCATED_SET : WORKLOAD_SET,
    key: name,
  };
}

/** Whether a record is in the set that is truncated now and then. */
export function mayBeTruncated(name: string): boolean {
  return name.startsWith("c");
}

/** What a loop does next, with these weights. */
const CHOICES = [
  "get",
  "exists",
  "put",
  "add",
  "text",
  "operate",
  "touch",
  "delete",
  "batch",
  "scan",
] as const;
const WEIGHTS = [30, 5, 18, 14, 10, 8, 4, 5, 5, 1];

/** Result codes that a correct request may get. */
const EXPECTED_CODES: ReadonlySet<number> = new Set([
  ResultCode.OK,
  ResultCode.NOT_FOUND,
  ResultCode.GENERATION,
  ResultCode.RECORD_EXISTS,
  ResultCode.OUT_OF_SPACE,
  ResultCode.TIMEOUT,
  ResultCode.UNAVAILABLE,
  ResultCode.KEY_BUSY,
  ResultCode.DEVICE_OVERLOAD,
]);

/** Requests that are compressed, and writes that store their key. */
const COMPRESS_CHANCE = 0.1;
const SEND_KEY_CHANCE = 0.2;

/** Rows of a batch, about. */
const BATCH_ROW_COUNT = 6;

/** Generation that a batch row or a write policy expects: the one that was read last, or one that is surely wrong. */
const GENERATION_CHANCE = 0.1;

/** Times to live of what is written to records that expire: -1 is for ever, -2 what was left. */
const TTLS_S = [1, 2, 3, 3, -1, -2];
/** The same where more records expire that a node which was away has for ever. */
const TTLS_MIXED_S = [1, 1, 1, 2, -1, -1, -2];

/** One client's loop. */
export class WorkloadLoop {
  /** Operations that ended with an error or in doubt. */
  troubleCount = 0;
  /** The last such error, for reports. */
  lastTrouble = "";
  /** Writes that were refused for want of memory. */
  refusalCount = 0;
  /** Operations that ended. */
  doneCount = 0;
  readonly #name: string;
  readonly #client: AerieClient;
  readonly #history: Recorder;
  readonly #random: SeededRandom;
  readonly #options: WorkloadOptions;
  readonly #keys: readonly string[];
  readonly #hotKeys: readonly string[];
  readonly #ttlsS: readonly number[];
  readonly #endsLeft: () => SimConnection[];
  readonly #generations = new Map<string, number>();
  #unique = 0;

  /**
   * @param parts name of the loop, which values that it writes carry; the client; and `endsLeft`: server's ends of the
   * connections that the client has given up
   */
  constructor(
    parts: {
      name: string;
      client: AerieClient;
      history: Recorder;
      random: SeededRandom;
      options: WorkloadOptions;
      endsLeft: () => SimConnection[];
    },
  ) {
    this.#name = parts.name;
    this.#client = parts.client;
    this.#history = parts.history;
    this.#random = parts.random;
    this.#options = parts.options;
    this.#endsLeft = parts.endsLeft;
    this.#keys = workloadKeys(parts.options);
    this.#hotKeys = hotKeysOf(this.#keys);
    this.#ttlsS = parts.options.hotShare ? TTLS_MIXED_S : TTLS_S;
  }

  /** Does one thing, whatever it is. */
  async step(): Promise<void> {
    const choice = CHOICES[this.#random.pickWeighted(WEIGHTS)];
    if (choice === "batch") await this.#batch();
    else if (choice === "scan") await this.#scan();
    else await this.#single(this.#pickKey(), choice);
  }

  #pickKey(): string {
    const { hotShare = 0 } = this.#options;
    const isHot = hotShare > 0 && this.#random.chance(hotShare);
    return this.#random.pick(isHot ? this.#hotKeys : this.#keys);
  }

  /** Reads and writes every record once; gives the errors. */
  async useAll(): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (const key of this.#keys) {
      errors.push(await this.#run(key, { type: "get" }));
      errors.push(await this.#run(key, { type: "write", steps: this.#chooseSteps("put") }));
    }
    return errors.filter((error) => error !== undefined);
  }

  async #single(key: string, choice: (typeof CHOICES)[number]): Promise<void> {
    await this.#run(key, this.#choose(key, choice));
  }

  #choose(key: string, choice: (typeof CHOICES)[number]): Action {
    switch (choice) {
      case "get":
        return this.#random.chance(0.2) ? { type: "get", bins: ["a", "s"] } : { type: "get" };
      case "exists":
        return { type: "exists" };
      case "delete":
        return { type: "delete" };
      default:
        return this.#chooseWrite(key, choice);
    }
  }

  #chooseWrite(key: string, choice: (typeof CHOICES)[number]): Action {
    const steps = this.#chooseSteps(choice);
    const action: Action & { type: "write" } = { type: "write", steps };
    const random = this.#random;
    if (choice === "put" && random.chance(0.3)) {
      action.exists = random.pick(["update-only", "replace", "replace-only", "create-only"] as const);
    }
    if (choice === "put" && random.chance(GENERATION_CHANCE)) {
      const known = this.#generations.get(key);
      // On an absent record servers differ about which refusal comes first.
      if (known !== undefined && action.exists === undefined) action.generation = known;
    }
    if (key.startsWith("t")) action.ttlS = random.pick(this.#ttlsS);
    return action;
  }

  #chooseSteps(choice: (typeof CHOICES)[number]): Step[] {
    const random = this.#random;
    const value = ++this.#unique;
    const text = `${this.#name}${value},`;
    switch (choice) {
      case "add":
        return [{ type: "add", bin: "n", by: random.between(-3, 9) }];
      case "text":
        return [{ type: random.chance(0.7) ? "append" : "prepend", bin: "s", text }];
      case "touch":
        return [{ type: "touch" }];
      case "operate": {
        const steps: Step[] = [{ type: "add", bin: "n", by: 1 }, { type: "read", bin: "n" }];
        if (random.chance(0.5)) steps.push({ type: "append", bin: "s", text }, { type: "read", bin: "s" });
        if (random.chance(0.3)) steps.unshift({ type: "put", bin: "s", value: text });
        return steps;
      }
      default: {
        const steps: Step[] = [{ type: "put", bin: "a", value: `${this.#name}${value}` }];
        if (random.chance(0.5)) steps.push({ type: "put", bin: "n", value });
        if (random.chance(0.5)) steps.push({ type: "put", bin: "s", value: text });
        return steps;
      }
    }
  }

  /** Runs one operation and writes down what became of it; gives the error, if any. */
  async #run(key: string, action: Action): Promise<unknown> {
    const entry = this.#history.call(this.#name, key, action);
    try {
      this.#note(entry, await this.#ask(workloadKey(key), action));
      return undefined;
    } catch (error) {
      this.#noteError(entry, error as ClientError);
      return error;
    }
  }

  #choosePolicy(): BasePolicy {
    const policy: BasePolicy = { totalTimeoutMs: this.#options.timeoutMs };
    if (this.#random.chance(COMPRESS_CHANCE)) policy.compress = true;
    if (this.#random.chance(SEND_KEY_CHANCE)) policy.sendKey = true;
    const { replicas } = this.#options;
    if (replicas !== undefined) policy.replica = this.#random.pick(replicas);
    return policy;
  }

  async #ask(key: Key, action: Action): Promise<Outcome> {
    const policy = this.#choosePolicy();
    switch (action.type) {
      case "get": {
        const options = action.bins === undefined ? { policy } : { bins: action.bins, policy };
        const record = await this.#client.get(key, options);
        if (record === undefined) return { code: ResultCode.NOT_FOUND };
        return { code: ResultCode.OK, generation: record.generation, bins: modelBins(record.bins) };
      }
      case "exists": {
        const meta = await this.#client.exists(key, policy);
        return meta === undefined
          ? { code: ResultCode.NOT_FOUND }
          : { code: ResultCode.OK, generation: meta.generation };
      }
      case "delete":
        return { code: await this.#client.delete(key, policy) ? ResultCode.OK : ResultCode.NOT_FOUND };
      case "write":
        return await this.#askWrite(key, action, { ...writePolicy(action), ...policy });
      default:
        throw new TypeError(`No client asks for ${action.type}`);
    }
  }

  async #askWrite(key: Key, action: Action & { type: "write" }, policy: WritePolicy): Promise<Outcome> {
    const { steps } = action;
    const client = this.#client;
    const [first] = steps;
    if (first.type === "touch") {
      const meta = await client.touch(key, policy);
      return meta === undefined
        ? { code: ResultCode.NOT_FOUND }
        : { code: ResultCode.OK, generation: meta.generation };
    }
    if (steps.length === 1 && first.type === "add") {
      return written(await client.increment(key, { [first.bin]: first.by }, policy));
    }
    if (steps.length === 1 && first.type === "append") {
      return written(await client.append(key, { [first.bin]: first.text }, policy));
    }
    if (steps.length === 1 && first.type === "prepend") {
      return written(await client.prepend(key, { [first.bin]: first.text }, policy));
    }
    if (steps.every((step) => step.type === "put")) {
      return written(await client.put(key, this.#withFiller(binsOf(steps)), policy));
    }
    const record = await client.operate(key, steps.map(operationOf), policy);
    return { code: ResultCode.OK, generation: record.generation, bins: modelBins(record.bins) };
  }

  #withFiller(bins: Bins): Bins {
    const { fillerBytes = 0 } = this.#options;
    if (fillerBytes > 0) bins[FILLER_BIN] = fillerOf(this.#unique, fillerBytes);
    return bins;
  }

  /** A batch of reads and writes; each row is an operation of its own. */
  async #batch(): Promise<void> {
    const random = this.#random;
    const rows: { row: BatchRow; entry: Entry }[] = [];
    const share = Math.min(0.5, BATCH_ROW_COUNT / this.#keys.length);
    const keys = this.#keys.filter(() => random.chance(share));
    for (const key of keys) {
      const action = this.#choose(key, random.pick(["get", "exists", "put", "operate", "delete", "get"]));
      rows.push({
        row: batchRow(workloadKey(key), action),
        entry: this.#history.call(this.#name, key, action),
      });
    }
    if (rows.length === 0) return;
    const policy = { ...this.#choosePolicy(), allowInline: random.chance(0.8), respondAllKeys: true };
    const results = await this.#client.batch(rows.map(({ row }) => row), policy);
    results.forEach((result, at) => this.#noteRow(rows[at].entry, result));
  }

  #noteRow(entry: Entry, result: BatchResult): void {
    const { resultCode, inDoubt, record, error } = result;
    if (inDoubt || (resultCode === ResultCode.TIMEOUT && !isRead(entry.action))) {
      this.#noteDoubt(entry, error);
    } else if (
      resultCode === NO_ANSWER || resultCode === ResultCode.TIMEOUT || this.#isUnreadable(resultCode)
    ) {
      this.#noteNothing(error);
    } else if (error !== undefined || record === undefined) {
      this.#note(entry, { code: resultCode });
    } else {
      const { action } = entry;
      const tellsBins = action.type === "get" || (action.type === "write" && action.steps.some(isReadStep));
      const bins = tellsBins ? modelBins(record.bins) : undefined;
      const tellsGeneration = action.type !== "delete";
      this.#note(entry, {
        code: resultCode,
        generation: tellsGeneration ? record.generation : undefined,
        bins,
      });
    }
  }

  /** A scan reads every record of its partitions at some moment while it runs, and gives none twice. */
  async #scan(): Promise<void> {
    const range = this.#chooseRange();
    const names = new Map<string, string>();
    for (const key of this.#keys) {
      if (mayBeTruncated(key)) continue;
      const { digest, partition } = this.#client.digest(workloadKey(key));
      if (partition >= range.first && partition < range.first + range.count) {
        names.set(digestText(digest), key);
      }
    }
    const entries = new Map<string, Entry>();
    for (const key of names.values()) {
      entries.set(key, this.#history.call(this.#name, key, { type: "seen", found: false }));
    }
    try {
      await this.#readScan(range, names, entries);
    } catch (error) {
      if (error instanceof WorkloadError) throw error;
      this.#noteNothing(error);
      return;
    }
    this.doneCount++;
    for (const entry of entries.values()) this.#history.answer(entry, { code: ResultCode.NOT_FOUND });
  }

  /** All partitions, or some. */
  #chooseRange(): { first: number; count: number } {
    if (this.#random.chance(0.3)) return { first: 0, count: PARTITION_COUNT };
    const { partition } = this.#client.digest(workloadKey(this.#random.pick(this.#keys)));
    const first = this.#random.below(partition + 1);
    return { first, count: this.#random.between(1, PARTITION_COUNT - first) };
  }

  /** Reads a scan to its end and takes what it found out of `entries`. */
  async #readScan(
    partitions: { first: number; count: number },
    names: ReadonlyMap<string, string>,
    entries: Map<string, Entry>,
  ): Promise<void> {
    const { timeoutMs } = this.#options;
    const policy = { totalTimeoutMs: timeoutMs * 3, socketTimeoutMs: timeoutMs };
    const scan = this.#client.scan({ namespace: WORKLOAD_NAMESPACE, set: WORKLOAD_SET, partitions, policy });
    for await (const record of scan) {
      const key = names.get(digestText(record.digest));
      if (key === undefined) {
        throw new WorkloadError(`A scan gave a record that was not asked for: ${JSON.stringify(record)}`);
      }
      const entry = entries.get(key);
      if (entry === undefined) throw new WorkloadError(`A scan gave the record ${key} twice`);
      entries.delete(key);
      const found: Entry = { ...entry, action: { type: "seen", found: true } };
      const bins = modelBins(record.bins);
      this.#history.answer(found, { code: ResultCode.OK, generation: record.generation, bins });
    }
  }

  #note(entry: Entry, outcome: Outcome): void {
    this.doneCount++;
    if (outcome.code === ResultCode.OUT_OF_SPACE) {
      this.refusalCount++;
      if (!this.#history.memoryWasShort) {
        throw new WorkloadError("A write was refused, but memory was never short");
      }
    }
    if (outcome.generation !== undefined) this.#generations.set(entry.key, outcome.generation);
    this.#history.answer(entry, outcome);
  }

  #noteError(entry: Entry, error: ClientError): void {
    if (typeof error.inDoubt !== "boolean") throw error;
    const isServerError = error instanceof ServerError;
    if (error.inDoubt) this.#noteDoubt(entry, error);
    else if (isServerError && this.#isUnreadable(error.resultCode)) this.#noteNothing(error);
    else if (isServerError && error.resultCode !== ResultCode.TIMEOUT) {
      this.#note(entry, { code: error.resultCode });
    } else this.#noteNothing(error);
  }

  /** A record that can't be read, and of which no node has a copy within reach. */
  #isUnreadable(resultCode: number): boolean {
    return resultCode === ResultCode.UNKNOWN && this.#history.disksFailed === true;
  }

  #noteDoubt(entry: Entry, error: unknown): void {
    this.#noteNothing(error);
    this.#history.doubt(entry, this.#endsLeft());
  }

  /** A read without an answer, or a write that was certainly not sent, leaves no trace in the history. */
  #noteNothing(error: unknown): void {
    this.doneCount++;
    this.troubleCount++;
    this.lastTrouble = String(error);
    if (!(error instanceof ServerError) || this.#isUnreadable(error.resultCode)) return;
    if (!EXPECTED_CODES.has(error.resultCode)) {
      throw new WorkloadError(`A correct request was refused: ${error.message}`);
    }
  }
}
