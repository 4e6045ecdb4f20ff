/**
 * Sends mutations to a live server. Several mutations share a connection; behind each group goes one right request,
 * whose answer proves that the server has worked through the group and still serves the connection. A server may drop
 * a connection instead; then each mutation of the group is sent again on a connection of its own, so that none is
 * lost. A second client writes and reads back all the time, in a namespace that no mutation names.
 *
 * @module
 */

import { utf8, utf8Decode } from "../../src/base/mod.ts";
import { FIELD, PROTO_TYPE_AS_MSG, PROTO_TYPE_INFO } from "../../src/wire/mod.ts";
import { isQuery } from "../replay/request_kinds.ts";
import { FrameConnection } from "../replay/frame_connection.ts";
import { concat, decodeMessages, fieldOf, frameBody, frameOf, frameType } from "../replay/message.ts";
import { mutate, type Mutation } from "./mutate.ts";
import type { Shape } from "./shapes.ts";
import { Witness } from "./witness.ts";

/** What to send where. */
export interface FuzzOptions {
  /** Host of the server. */
  host: string;
  /** Service port. */
  port: number;
  /** Requests to mutate. */
  shapes: readonly Shape[];
  /** Seed of the mutations. */
  seed: number;
  /** How many mutations. */
  count: number;
  /** Number of the first one; 0 unless given. */
  first?: number;
  /** A namespace of the server, other than `test`, in which the second client works. */
  witnessNamespace: string;
  /** Requests that are sent as they are, before the first mutation and each time the namespace was emptied. */
  stage?: readonly Uint8Array[];
  /** How long one group may take, in milliseconds; 10,000 unless given. */
  groupTimeoutMs?: number;
  /** Called after each group with the number of mutations sent. */
  onProgress?: (sentCount: number) => void;
}

/** A mutation after which the server did not behave. */
export interface FuzzFailure {
  /** What went wrong. */
  what: string;
  /** The mutations that were under way. */
  mutations: Mutation[];
}

/** What a run found. */
export interface FuzzResult {
  /** Mutations sent. */
  sentCount: number;
  /** Groups whose connection the server dropped. */
  droppedGroupCount: number;
  /** Round trips of the second client. */
  witnessCount: number;
  /** Its slowest round trip in milliseconds. */
  witnessSlowestMs: number;
  /** Everything that must not happen. */
  failures: FuzzFailure[];
}

const GROUP_TIMEOUT_MS = 10_000;
/** Mutations that share a connection. */
const GROUP_SIZE = 32;
/** Connections in use at a time. */
const WORKER_COUNT = 6;
/** Mutated writes fill the namespace; it is emptied after this many mutations, so that scans stay short. */
const TRUNCATE_EVERY = 4096;
/** After this many failures the run stops: the rest would say the same. */
const FAILURE_COUNT_MAX = 5;

/** The right request behind each group, and how its reply is told from those to mutated requests. */
const SENTINEL: Uint8Array = frameOf(utf8("status\nbuild\n"), PROTO_TYPE_INFO);
const SENTINEL_REPLY = /^status\tok\nbuild\t/;

/**
 * Runs mutations against a server.
 *
 * @returns what was found; a run without failures is a pass
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const run = new FuzzRun(options);
  await run.setStage();
  const witness = await Witness.start(options, options.witnessNamespace);
  const workers = Array.from({ length: WORKER_COUNT }, () => run.work());
  await Promise.all(workers);
  const failure = await witness.stop();
  if (failure !== undefined) run.result.failures.push({ what: failure, mutations: [] });
  run.result.witnessCount = witness.count;
  run.result.witnessSlowestMs = witness.slowestMs;
  return run.result;
}

class FuzzRun {
  readonly result: FuzzResult = {
    sentCount: 0,
    droppedGroupCount: 0,
    witnessCount: 0,
    witnessSlowestMs: 0,
    failures: [],
  };
  readonly #options: FuzzOptions;
  readonly #end: number;
  readonly #timeoutMs: number;
  #next: number;
  #nextTruncation = TRUNCATE_EVERY;

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#next = options.first ?? 0;
    this.#end = this.#next + options.count;
    this.#timeoutMs = options.groupTimeoutMs ?? GROUP_TIMEOUT_MS;
  }

  async work(): Promise<void> {
    while (this.#next < this.#end && this.result.failures.length < FAILURE_COUNT_MAX) {
      const from = this.#next;
      const to = Math.min(this.#end, from + GROUP_SIZE);
      this.#next = to;
      const group: Mutation[] = [];
      for (let index = from; index < to; index++) {
        group.push(await mutate(this.#options.shapes, { seed: this.#options.seed, index }));
      }
      await this.#sendAll(group);
      this.result.sentCount += group.length;
      this.#options.onProgress?.(this.result.sentCount);
      if (this.result.sentCount >= this.#nextTruncation) {
        this.#nextTruncation += TRUNCATE_EVERY;
        await this.#truncate();
        await this.setStage();
      }
    }
  }

  /** Puts in place what mutations ask about. */
  async setStage(): Promise<void> {
    const { stage = [] } = this.#options;
    if (stage.length === 0) return;
    const connection = await this.#connect([]);
    if (connection === undefined) return;
    try {
      for (const request of stage) {
        await connection.write(request);
        await connection.read(this.#timeoutMs);
      }
    } catch (error) {
      this.#fail(`what mutations ask about can't be put in place: ${error}`, []);
    } finally {
      connection.close();
    }
  }

  async #sendAll(group: Mutation[]): Promise<void> {
    const sharing = group.filter((mutation) => mutation.framed && !isThrottled(mutation.bytes));
    const alone = group.filter((mutation) => !sharing.includes(mutation));
    if (sharing.length > 0 && !await this.#sendGroup(sharing)) {
      this.result.droppedGroupCount++;
      for (const mutation of sharing) await this.#sendGroup([mutation]);
    }
    for (const mutation of alone) await this.#sendAndLeave(mutation);
  }

  /** Sends mutations and a right request behind them; false when the server dropped the connection. */
  async #sendGroup(group: Mutation[]): Promise<boolean> {
    const connection = await this.#connect(group);
    if (connection === undefined) return true;
    const startMs = performance.now();
    const bytes = concat([...group.map((mutation) => mutation.bytes), SENTINEL]);
    // Answers are read while the group is still being written; a server that drops the connection ends both.
    const writing = connection.write(bytes).catch(() => {});
    try {
      while (!isSentinelReply(await connection.read(this.#timeoutMs)));
      return true;
    } catch {
      if (performance.now() - startMs >= this.#timeoutMs) {
        this.#fail(`no answer within ${this.#timeoutMs} ms`, group);
      }
      return false;
    } finally {
      connection.close();
      await writing;
    }
  }

  /** For mutations behind which nothing can follow: sends them and closes, which the server must survive. */
  async #sendAndLeave(mutation: Mutation): Promise<void> {
    const connection = await this.#connect([mutation]);
    if (connection === undefined) return;
    try {
      await connection.write(mutation.bytes);
      await connection.closeWrite();
      await connection.read(LEAVE_AFTER_MS);
    } catch {
      // Dropping the connection, or waiting for the rest of a frame, are both right.
    } finally {
      connection.close();
    }
  }

  async #connect(group: Mutation[]): Promise<FrameConnection | undefined> {
    try {
      return await FrameConnection.open(this.#options);
    } catch (error) {
      this.#fail(`cannot connect: ${error}`, group);
      return undefined;
    }
  }

  async #truncate(): Promise<void> {
    const connection = await this.#connect([]);
    if (connection === undefined) return;
    try {
      await connection.write(frameOf(utf8("truncate-namespace:namespace=test\n"), PROTO_TYPE_INFO));
      const reply = utf8Decode(frameBody(await connection.read(this.#timeoutMs)));
      if (!reply.includes("ok")) this.#fail(`truncate-namespace answered ${JSON.stringify(reply)}`, []);
    } catch (error) {
      this.#fail(`truncate-namespace: ${error}`, []);
    } finally {
      connection.close();
    }
  }

  #fail(what: string, mutations: Mutation[]): void {
    this.result.failures.push({ what, mutations });
  }
}

/** How long a connection behind which nothing can follow stays open, in milliseconds. */
const LEAVE_AFTER_MS = 20;

/** A query that asks for few records per second may rightly take long. */
function isThrottled(bytes: Uint8Array): boolean {
  if (frameType(bytes) !== PROTO_TYPE_AS_MSG) return false;
  try {
    const message = decodeMessages(frameBody(bytes))[0];
    return message !== undefined && isQuery(message) && fieldOf(message, FIELD.RECS_PER_SEC) !== undefined;
  } catch {
    return false;
  }
}

function isSentinelReply(frame: Uint8Array): boolean {
  return frameType(frame) === PROTO_TYPE_INFO && SENTINEL_REPLY.test(utf8Decode(frameBody(frame)));
}
