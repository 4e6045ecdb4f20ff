/**
 * Which recorded exchanges can be compared with a live server's.
 *
 * Once the two servers hold different versions of a record, what later requests say about it cannot be compared until
 * both hold the same again. So the tracker follows, per record, what is known of both servers: whether it exists, and
 * whether content and generation are the same.
 *
 * The recorded client also waited; a replay does not. A record whose void-time passed in the recording is unknown.
 *
 * @module
 */

import { toHex, utf8Decode } from "../../src/base/mod.ts";
import {
  FIELD,
  INFO1,
  INFO2,
  INFO3,
  OP,
  PARTICLE,
  PROTO_TYPE_AS_MSG,
  PROTO_TYPE_INFO,
  TTL_KEEP,
} from "../../src/wire/mod.ts";
import { isBatch, isQuery } from "./request_kinds.ts";
import { decodeBatchRows, decodeMessages, fieldOf, frameBody, frameType, type Message } from "./message.ts";
import type { Exchange } from "./recording.ts";

/** What is known about one record on both servers. */
export interface RecordState {
  /** Set name; empty for none. */
  set: string;
  /** Whether the recorded server has it; undefined when unknown. */
  recorded: boolean | undefined;
  /** Whether the live server has it; undefined when unknown. */
  live: boolean | undefined;
  /** Both hold the same bins. */
  sameContent: boolean;
  /** Both hold the same generation. */
  sameGeneration: boolean;
  /** Void-time on the recorded server, 0 for never. */
  voidTime: number;
  /** Time of the last write in the recording, in seconds of the epoch of void-times. */
  writtenAtS: number;
}

/** Whether and how an exchange can be compared. */
export interface Judgement {
  /** Compare it. */
  inScope: boolean;
  /** Why not. */
  reason?: string;
  /** Rows of a batch, or 0 for a single record, whose generation must be ignored. */
  maskedRows: ReadonlySet<number>;
  /** Digests that a scan may return or not; undefined for everything but scans. */
  ignoredDigests?: ReadonlySet<string>;
  /** Digests whose generation in a scan must be ignored. */
  maskedDigests?: ReadonlySet<string>;
  /** The recorded scan ran while its set was truncated: it returned some of the records. */
  partial?: boolean;
}

interface Verdict {
  comparable: boolean;
  maskGeneration: boolean;
  reason: string;
}

const NOTHING: ReadonlySet<number> = new Set();

const RESULT_OK = 0;

/** How many of the next requests may have run together with a scan for which the client did not wait. */
const OVERLAP_COUNT_MAX = 3;

/** Follows a recording and judges each exchange; must be given all of them in order. */
export class ScopeTracker {
  readonly #records = new Map<string, RecordState>();
  readonly #times: RecordedTimes;
  readonly #exchanges: readonly Exchange[];

  /** @param exchanges the whole recording, for the clock that its void-times show */
  constructor(exchanges: readonly Exchange[]) {
    this.#times = new RecordedTimes(exchanges);
    this.#exchanges = exchanges;
  }

  /** Time of an exchange in the recording, at the earliest; seconds of the epoch of void-times. */
  recordedTimeS(seq: number): number {
    return this.#times.earliestS(seq);
  }

  /** Judges the next exchange and takes note of what it changes. */
  judge(exchange: Exchange): Judgement {
    if (frameType(exchange.request) !== PROTO_TYPE_AS_MSG) return this.#judgeInfo(exchange);
    const request = decodeMessages(frameBody(exchange.request))[0];
    const replies = exchange.replies.flatMap((frame) => decodeMessages(frameBody(frame)));
    if (isBatch(request)) return this.#judgeBatch(exchange, request, replies);
    if (isQuery(request)) return this.#judgeQuery(exchange, request);
    const verdict = this.#judgeRecord(request, replies[0], exchange.seq);
    return {
      inScope: verdict.comparable,
      reason: verdict.reason,
      maskedRows: verdict.maskGeneration ? new Set([0]) : NOTHING,
    };
  }

  #judgeInfo(exchange: Exchange): Judgement {
    const text = utf8Decode(frameBody(exchange.request));
    if (text.startsWith("truncate:")) this.#truncate(text.trimEnd(), exchange.seq);
    return { inScope: true, maskedRows: NOTHING };
  }

  #truncate(command: string, seq: number): void {
    const set = /[:;]set=([^;\n]*)/.exec(command)?.[1];
    const lut = /[:;]lut=([0-9]*)/.exec(command)?.[1];
    const untilS = lut === undefined ? this.#times.latestS(seq) : lutToVoidTimeS(lut);
    for (const state of this.#records.values()) {
      if (set !== undefined && state.set !== set) continue;
      if (state.writtenAtS > untilS) continue;
      Object.assign(state, { recorded: false, live: false, sameContent: true, sameGeneration: true });
    }
  }

  #judgeBatch(exchange: Exchange, request: Message, replies: readonly Message[]): Judgement {
    const payload = fieldOf(request, FIELD.BATCH);
    const reasons = new Set<string>();
    const maskedRows = new Set<number>();
    for (const row of payload ? decodeBatchRows(payload) : []) {
      const reply = replies.find((message) =>
        message.transactionTtl === row.index && (message.info3 & INFO3.LAST) === 0
      );
      if (reply === undefined) continue;
      const verdict = this.#judgeRecord(row.message, reply, exchange.seq);
      if (!verdict.comparable) reasons.add(verdict.reason);
      if (verdict.maskGeneration) maskedRows.add(row.index);
    }
    return { inScope: reasons.size === 0, reason: [...reasons].join(", "), maskedRows };
  }

  #judgeQuery(exchange: Exchange, request: Message): Judgement {
    const set = utf8Decode(fieldOf(request, FIELD.SET) ?? new Uint8Array());
    if ((request.info2 & INFO2.WRITE) !== 0) {
      this.#touchSet(set, request, exchange.seq);
      return { inScope: true, maskedRows: NOTHING };
    }
    const ignoredDigests = new Set<string>();
    const maskedDigests = new Set<string>();
    for (const [digest, state] of this.#records) {
      this.#expire(state, exchange.seq);
      if (!sameExistence(state) || !state.sameContent) ignoredDigests.add(digest);
      else if (!state.sameGeneration) maskedDigests.add(digest);
    }
    const partial = this.#isTruncatedMeanwhile(exchange, set);
    return { inScope: true, maskedRows: NOTHING, ignoredDigests, maskedDigests, partial };
  }

  /** The recorded client did not wait for some scans before it went on. */
  #isTruncatedMeanwhile(exchange: Exchange, set: string): boolean {
    const at = this.#exchanges.indexOf(exchange);
    return this.#exchanges.slice(at + 1, at + 1 + OVERLAP_COUNT_MAX).some((later) =>
      later.conn !== exchange.conn && frameType(later.request) === PROTO_TYPE_INFO &&
      utf8Decode(frameBody(later.request)).trimEnd().endsWith(`;set=${set}`)
    );
  }

  /** A background job writes the records of its set, on both servers alike; their void-times begin anew. */
  #touchSet(set: string, request: Message, seq: number): void {
    const nowS = this.#times.earliestS(seq);
    for (const state of this.#records.values()) {
      if (state.recorded !== true || (set !== "" && state.set !== set)) continue;
      state.voidTime = request.ttl === 0 || request.ttl > FINITE_TTL_MAX ? 0 : nowS + request.ttl;
      state.writtenAtS = nowS;
    }
  }

  #judgeRecord(request: Message, reply: Message, seq: number): Verdict {
    const state = this.#stateOf(request);
    this.#expire(state, seq);
    const verdict = verdictOf(request, state);
    if ((request.info2 & INFO2.WRITE) !== 0) {
      applyWrite(state, request, { reply, comparable: verdict.comparable });
    }
    this.#note(state, request, reply, seq);
    return verdict;
  }

  #stateOf(request: Message): RecordState {
    const digest = toHex(fieldOf(request, FIELD.DIGEST) ?? new Uint8Array());
    let state = this.#records.get(digest);
    if (state === undefined) {
      state = {
        set: utf8Decode(fieldOf(request, FIELD.SET) ?? new Uint8Array()),
        recorded: false,
        live: false,
        sameContent: true,
        sameGeneration: true,
        voidTime: 0,
        writtenAtS: 0,
      };
      this.#records.set(digest, state);
    }
    return state;
  }

  #expire(state: RecordState, seq: number): void {
    if (state.recorded !== true || state.voidTime === 0) return;
    if (state.voidTime > this.#times.latestS(seq)) return;
    Object.assign(state, { recorded: undefined, sameContent: false, sameGeneration: false });
  }

  #note(state: RecordState, request: Message, reply: Message, seq: number): void {
    if (reply.result !== RESULT_OK) return;
    if (reply.generation !== 0) state.voidTime = reply.ttl;
    if ((request.info2 & INFO2.WRITE) !== 0) state.writtenAtS = this.#times.earliestS(seq);
  }
}

function sameExistence(state: RecordState): boolean {
  return state.recorded !== undefined && state.recorded === state.live;
}

function verdictOf(request: Message, state: RecordState): Verdict {
  const exists = sameExistence(state);
  const checksGeneration = (request.info2 & (INFO2.GENERATION | INFO2.GENERATION_GT)) !== 0;
  const maskGeneration = !state.sameGeneration;
  const verdict = (comparable: boolean, reason: string) => ({ comparable, maskGeneration, reason });
  if (checksGeneration && !(exists && state.sameGeneration)) {
    return verdict(false, "record generation unknown");
  }
  if ((request.info2 & INFO2.WRITE) === 0) {
    const headerOnly = (request.info1 & INFO1.GET_NO_BINS) !== 0;
    return verdict(exists && (headerOnly || state.sameContent), "record changed by an earlier one");
  }
  if ((request.info2 & INFO2.DELETE) !== 0) return verdict(exists, "record changed by an earlier one");
  const conditional = (request.info2 & INFO2.CREATE_ONLY) !== 0 ||
    (request.info3 & (INFO3.UPDATE_ONLY | INFO3.REPLACE_ONLY)) !== 0;
  if (conditional && !exists) return verdict(false, "record changed by an earlier one");
  if (readsContent(request) && !(exists && state.sameContent)) {
    return verdict(false, "record changed by an earlier one");
  }
  if (request.ttl === TTL_KEEP && !exists) return verdict(false, "record changed by an earlier one");
  return { comparable: true, maskGeneration: maskGeneration || !exists, reason: "" };
}

/** Whether the outcome of a write depends on the bins that are there. */
function readsContent(request: Message): boolean {
  if (fieldOf(request, FIELD.UDF_FILENAME) !== undefined) return true;
  const replaces = (request.info3 & (INFO3.CREATE_OR_REPLACE | INFO3.REPLACE_ONLY)) !== 0;
  return request.ops.some((op) => {
    if (op.op === OP.WRITE) return op.particle === PARTICLE.NULL && !replaces;
    return op.op !== OP.TOUCH || !replaces;
  });
}

/** Takes note of a write that both servers did. */
function applyWrite(
  state: RecordState,
  request: Message,
  outcome: { reply: Message; comparable: boolean },
): void {
  const { reply, comparable } = outcome;
  const deletes = (request.info2 & INFO2.DELETE) !== 0;
  const unconditional = (request.info2 & (INFO2.GENERATION | INFO2.GENERATION_GT)) === 0;
  if (deletes && unconditional) {
    Object.assign(state, { recorded: false, live: false, sameContent: true, sameGeneration: true });
    return;
  }
  const before = { ...state };
  if (reply.result === RESULT_OK) state.recorded = !deletes && reply.generation !== 0;
  if (!comparable) {
    Object.assign(state, { live: undefined, sameContent: false, sameGeneration: false });
    return;
  }
  if (reply.result !== RESULT_OK) return;
  state.live = state.recorded;
  if (state.recorded === false) {
    Object.assign(state, { sameContent: true, sameGeneration: true });
    return;
  }
  const replaces = (request.info3 & (INFO3.CREATE_OR_REPLACE | INFO3.REPLACE_ONLY)) !== 0;
  state.sameContent = replaces || (before.sameContent && sameExistence(before));
  state.sameGeneration = before.sameGeneration && sameExistence(before);
}

/** Nanoseconds of the Unix epoch as seconds of the epoch of void-times. */
function lutToVoidTimeS(lut: string): number {
  return Number(BigInt(lut) / 1_000_000_000n) - 1_262_304_000;
}

/** The recorded server's clock, as far as replies show it: void-time of a written record minus the TTL asked for. */
class RecordedTimes {
  readonly #points: { seq: number; timeS: number }[] = [];

  constructor(exchanges: readonly Exchange[]) {
    let timeS = 0;
    for (const exchange of exchanges) {
      timeS = Math.max(timeS, timeShownBy(exchange));
      if (timeS !== this.#points.at(-1)?.timeS) this.#points.push({ seq: exchange.seq, timeS });
    }
  }

  earliestS(seq: number): number {
    return this.#points.findLast((point) => point.seq <= seq)?.timeS ?? 0;
  }

  latestS(seq: number): number {
    return this.#points.find((point) => point.seq > seq)?.timeS ?? Infinity;
  }
}

const FINITE_TTL_MAX = 315_360_000;

function timeShownBy(exchange: Exchange): number {
  if (frameType(exchange.request) !== PROTO_TYPE_AS_MSG) return 0;
  const request = decodeMessages(frameBody(exchange.request))[0];
  if ((request.info2 & INFO2.WRITE) === 0 || isQuery(request) || isBatch(request)) return 0;
  if (request.ttl === 0 || request.ttl > FINITE_TTL_MAX) return 0;
  const reply = decodeMessages(frameBody(exchange.replies[0]))[0];
  return reply.result === RESULT_OK && reply.ttl !== 0 ? reply.ttl - request.ttl : 0;
}
