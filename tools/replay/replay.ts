/**
 * Replays recorded client traffic against a live server over real sockets, one for each recorded connection, in the
 * order in which the requests were sent, and compares the answers.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S, utf8, utf8Decode } from "../../src/base/mod.ts";
import { INFO3, PROTO_TYPE_AS_MSG, PROTO_TYPE_INFO } from "../../src/wire/mod.ts";
import { compareAnswers, type Difference } from "./compare.ts";
import { isBatch, isQuery } from "./request_kinds.ts";
import { FrameConnection } from "./frame_connection.ts";
import { decodeMessages, frameBody, frameOf, frameType, type Message, messageText } from "./message.ts";
import { isQueryShow, saysActive, saysDone } from "./query_show.ts";
import type { Exchange } from "./recording.ts";
import { ScopeTracker } from "./scope.ts";

/** Where the server is, and how patient to be. */
export interface ReplayOptions {
  /** Host name or address. */
  host: string;
  /** Service port. */
  port: number;
  /** How long to wait for one answer, in milliseconds; 5,000 unless given. */
  timeoutMs?: number;
}

/** One answer that differs. */
export interface DifferentAnswer extends Difference {
  /** Which request. */
  seq: number;
  /** The request, for people. */
  request: string;
}

/** What a replay found. */
export interface ReplayResult {
  /** Requests sent. */
  sentCount: number;
  /** Requests whose answers could be compared. */
  inScopeCount: number;
  /** How many of them were answered with the recorded bytes. */
  equalCount: number;
  /** The others. */
  differences: DifferentAnswer[];
  /** Requests that could not be compared, by reason. */
  outOfScope: Map<string, number>;
}

const ANSWER_TIMEOUT_MS = 5000;

/** How long a background job may take, and how often it is asked for, in milliseconds. */
const JOB_TIMEOUT_MS = 5000;
/** See {@linkcode JOB_TIMEOUT_MS}. */
const JOB_RETRY_MS = 5;

/** The recorded client paused when the recorded clock stepped by more than this many seconds. */
const PAUSE_MIN_S = 2;

/** What a pause becomes in a replay, in milliseconds: enough that last-update times before and after it differ. */
const PAUSE_MS = 5;

/**
 * Replays a recording.
 *
 * @param exchanges the whole recording, in order
 * @param options the server
 */
export async function replay(
  exchanges: readonly Exchange[],
  options: ReplayOptions,
): Promise<ReplayResult> {
  const tracker = new ScopeTracker(exchanges);
  const connections = new Map<number, FrameConnection>();
  const result: ReplayResult = {
    sentCount: 0,
    inScopeCount: 0,
    equalCount: 0,
    differences: [],
    outOfScope: new Map(),
  };
  const clock = new ReplayClock(tracker);
  try {
    for (const exchange of exchanges) {
      await clock.reach(exchange.seq);
      const liveTimeS = Math.floor(Date.now() / 1000) - CITRUSLEAF_EPOCH_S;
      const judgement = tracker.judge(exchange);
      const connection = await connectionOf(connections, exchange.conn, options);
      const request = clock.translate(exchange.request);
      const live = await answerOf(exchange, { connection, request, timeoutMs: options.timeoutMs });
      if (live.length === 0) connections.delete(exchange.conn);
      result.sentCount++;
      if (!judgement.inScope) {
        const reason = judgement.reason ?? "";
        result.outOfScope.set(reason, (result.outOfScope.get(reason) ?? 0) + 1);
        continue;
      }
      result.inScopeCount++;
      const answered = restoreRequest(live, request, exchange.request);
      const difference = compareAnswers(exchange, answered, { judgement, liveTimeS });
      if (difference === undefined) result.equalCount++;
      else {result.differences.push({
          seq: exchange.seq,
          request: requestText(exchange.request),
          ...difference,
        });}
    }
  } finally {
    for (const connection of connections.values()) connection.close();
  }
  return result;
}

async function connectionOf(
  connections: Map<number, FrameConnection>,
  conn: number,
  options: ReplayOptions,
): Promise<FrameConnection> {
  let connection = connections.get(conn);
  if (connection === undefined) {
    connection = await FrameConnection.open(options);
    connections.set(conn, connection);
  }
  return connection;
}

/** How to ask for an answer. */
interface Asking {
  connection: FrameConnection;
  /** The request, translated to the time of the replay. */
  request: Uint8Array;
  timeoutMs: number | undefined;
}

/** Asks once; again until a job is done, where the recorded client saw it done. */
async function answerOf(exchange: Exchange, asking: Asking): Promise<Uint8Array[]> {
  const { connection, request, timeoutMs = ANSWER_TIMEOUT_MS } = asking;
  const untilMs = performance.now() + JOB_TIMEOUT_MS;
  for (;;) {
    const live = await exchangeFrames(connection, request, timeoutMs);
    if (live.length === 0 || !showsDoneJob(exchange) || performance.now() > untilMs) return live;
    if (!saysActive(utf8Decode(frameBody(live[0])))) return live;
    await new Promise((resolve) => setTimeout(resolve, JOB_RETRY_MS));
  }
}

function showsDoneJob({ request, replies }: Exchange): boolean {
  return frameType(request) === PROTO_TYPE_INFO && isQueryShow(utf8Decode(frameBody(request))) &&
    saysDone(utf8Decode(frameBody(replies[0])));
}

/** Sends one request and reads its whole answer; no frames when the connection ended or time was up. */
async function exchangeFrames(
  connection: FrameConnection,
  request: Uint8Array,
  timeoutMs: number,
): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  const isComplete = completionOf(request);
  try {
    await connection.write(request);
    for (;;) {
      const frame = await connection.read(timeoutMs);
      frames.push(frame);
      if (frameType(frame) !== PROTO_TYPE_AS_MSG || isComplete(decodeMessages(frameBody(frame)))) {
        return frames;
      }
    }
  } catch {
    connection.close();
    return [];
  }
}

/** How to tell that a frame ends the answer to a request. */
function completionOf(request: Uint8Array): (messages: readonly Message[]) => boolean {
  if (frameType(request) !== PROTO_TYPE_AS_MSG) return () => true;
  const message = decodeMessages(frameBody(request))[0];
  const isLast = (reply: Message | undefined) => reply === undefined || (reply.info3 & INFO3.LAST) !== 0;
  if (isBatch(message)) return (messages) => isLast(messages.at(-1));
  if (isQuery(message)) return (messages) => isLast(messages.at(-1)) || isRefusal(messages.at(-1));
  return () => true;
}

/** A query that is refused gets one message with a result and without the last bit. */
function isRefusal(reply: Message | undefined): boolean {
  return reply !== undefined && reply.result !== 0 && (reply.info3 & INFO3.PARTITION_DONE) === 0;
}

function requestText(request: Uint8Array): string {
  if (frameType(request) === PROTO_TYPE_INFO) return utf8Decode(frameBody(request)).trimEnd();
  return messageText(decodeMessages(frameBody(request))[0], { valueSizeMax: 24 });
}

/** The info reply repeats the request, which may have been translated; puts the recorded one back. */
function restoreRequest(live: Uint8Array[], sent: Uint8Array, recorded: Uint8Array): Uint8Array[] {
  if (sent === recorded) return live;
  const [sentText, recordedText] = [sent, recorded].map((frame) => utf8Decode(frameBody(frame)).trimEnd());
  return live.map((frame) =>
    frameOf(utf8(utf8Decode(frameBody(frame)).replaceAll(sentText, recordedText)), PROTO_TYPE_INFO)
  );
}

/**
 * The replay runs at another time than the recording, and faster. Where the recorded client paused, the replay waits
 * just long enough that last-update times differ, and a truncation's last-update time becomes the moment in the
 * replay that corresponds to it.
 */
class ReplayClock {
  readonly #tracker: ScopeTracker;
  readonly #points: { recordedS: number; liveMs: number }[] = [];

  constructor(tracker: ScopeTracker) {
    this.#tracker = tracker;
  }

  async reach(seq: number): Promise<void> {
    const recordedS = this.#tracker.recordedTimeS(seq);
    const last = this.#points.at(-1);
    if (last?.recordedS === recordedS) return;
    if (last !== undefined && recordedS - last.recordedS >= PAUSE_MIN_S) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.#points.push({ recordedS, liveMs: Date.now() });
  }

  translate(request: Uint8Array): Uint8Array {
    if (frameType(request) !== PROTO_TYPE_INFO) return request;
    const text = utf8Decode(frameBody(request));
    if (!/^truncate:.*lut=\d+/.test(text)) return request;
    const translated = text.replace(/lut=(\d+)/, (_, lut: string) => `lut=${this.#liveLut(lut)}`);
    return frameOf(utf8(translated), PROTO_TYPE_INFO);
  }

  #liveLut(lut: string): bigint {
    const recordedS = Number(BigInt(lut) / 1_000_000_000n) - CITRUSLEAF_EPOCH_S;
    const later = this.#points.find((point) => point.recordedS > recordedS);
    return BigInt((later?.liveMs ?? Date.now()) - 1) * 1_000_000n;
  }
}
