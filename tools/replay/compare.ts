/**
 * Compares a live server's answer with the recorded one: equal bytes but for what time and chance decide. That is:
 * void-times (both zero or both set; a fresh one must be the request's TTL from now), the order of records in scans
 * and how a scan is cut into frames, the order of rows in a batch reply, and the values of info commands that name
 * the node, its build, its ports, counters and clocks; and the hash by which an index orders texts and blobs.
 *
 * @module
 */

import { toHex, utf8Decode } from "../../src/base/mod.ts";
import { FIELD, INFO2, INFO3, PARTICLE, PROTO_TYPE_AS_MSG, TTL_KEEP } from "../../src/wire/mod.ts";
import { isBatch, isQuery } from "./request_kinds.ts";
import {
  decodeMessages,
  fieldOf,
  frameBody,
  frameType,
  type Message,
  messageText,
  type TextOptions,
} from "./message.ts";
import { isQueryShow, maskQueryShow, saysDone } from "./query_show.ts";
import type { Exchange } from "./recording.ts";
import type { Judgement } from "./scope.ts";

/** The two answers in a form for people, cut to what differs. */
export interface Difference {
  /** What kind of difference; equal kinds are grouped. */
  kind: string;
  /** What the recording has. */
  expected: string;
  /** What the live server sent. */
  got: string;
}

/** What a comparison needs besides the two answers. */
export interface CompareOptions {
  /** From the scope tracker. */
  judgement: Judgement;
  /** The live server's time when the request was sent, in seconds of the epoch of void-times. */
  liveTimeS: number;
}

/** How far a fresh void-time may be from the request's TTL, in seconds: the clock may tick between the two. */
const VOID_TIME_SLACK_S = 2;
const TTL_FINITE_MAX = 315_360_000;

/**
 * Compares one answer.
 *
 * @param exchange the recorded request and answer
 * @param live the frames that the live server sent
 * @param options what to leave out
 * @returns the difference, or undefined when there is none
 */
export function compareAnswers(
  exchange: Exchange,
  live: readonly Uint8Array[],
  options: CompareOptions,
): Difference | undefined {
  if (live.length === 0) {
    return { kind: "no answer", expected: `${exchange.replies.length} frames`, got: "none" };
  }
  const types = (frames: readonly Uint8Array[]) => frames.map((frame) => `${frame[0]}/${frame[1]}`)[0];
  if (types(exchange.replies) !== types(live)) {
    return { kind: "frame type", expected: types(exchange.replies), got: types(live) };
  }
  if (frameType(exchange.request) !== PROTO_TYPE_AS_MSG) {
    return compareInfo(utf8Decode(frameBody(exchange.replies[0])), utf8Decode(frameBody(live[0])));
  }
  const request = decodeMessages(frameBody(exchange.request))[0];
  if (isQuery(request)) return compareScans(exchange, live, options);
  if (isBatch(request)) return compareBatches(exchange, live, options);
  return compareSingle(request, { recorded: exchange.replies, live }, options);
}

interface Answers {
  recorded: readonly Uint8Array[];
  live: readonly Uint8Array[];
}

const MASKED: TextOptions = { maskVoidTime: true };

function messagesOf(frames: readonly Uint8Array[]): Message[] {
  return frames.flatMap((frame) => decodeMessages(frameBody(frame)));
}

function compareSingle(request: Message, answers: Answers, options: CompareOptions): Difference | undefined {
  const text: TextOptions = { ...MASKED, maskGeneration: options.judgement.maskedRows.has(0) };
  const expected = messagesOf(answers.recorded).map((message) => messageText(message, text)).join("\n");
  const messages = messagesOf(answers.live);
  const got = messages.map((message) => messageText(message, text)).join("\n");
  if (expected !== got) return { kind: kindOf(answers, options), expected, got };
  return freshVoidTimeDifference(request, messages[0], options.liveTimeS);
}

function kindOf(answers: Answers, options: CompareOptions): string {
  const [recorded, live] = [messagesOf(answers.recorded)[0], messagesOf(answers.live)[0]];
  if (recorded.result !== live.result) return `result ${recorded.result} became ${live.result}`;
  const parts: string[] = [];
  if (recorded.generation !== live.generation && !options.judgement.maskedRows.has(0)) {
    parts.push("generation");
  }
  if ((recorded.ttl === 0) !== (live.ttl === 0)) parts.push("void-time");
  if (recorded.fields.length !== live.fields.length) parts.push("fields");
  if (recorded.ops.length !== live.ops.length) parts.push("count of bins");
  else if (recorded.ops.some((op, index) => op.name !== live.ops[index].name)) parts.push("order of bins");
  return parts.length > 0 ? parts.join(", ") : "bytes";
}

function freshVoidTimeDifference(
  request: Message,
  reply: Message,
  liveTimeS: number,
): Difference | undefined {
  const writes = (request.info2 & INFO2.WRITE) !== 0;
  if (!writes || reply.result !== 0 || reply.ttl === 0 || request.ttl === 0) return undefined;
  if (request.ttl > TTL_FINITE_MAX || request.ttl === TTL_KEEP) return undefined;
  const wanted = liveTimeS + request.ttl;
  if (Math.abs(reply.ttl - wanted) <= VOID_TIME_SLACK_S) return undefined;
  return { kind: "void-time of a write", expected: `${wanted}`, got: `${reply.ttl}` };
}

function compareBatches(
  exchange: Exchange,
  live: readonly Uint8Array[],
  options: CompareOptions,
): Difference | undefined {
  const expected = batchText(exchange.replies, options);
  const got = batchText(live, options);
  return expected === got ? undefined : { kind: "batch", ...firstDifferentLine(expected, got) };
}

/** Rows by index, then the last message, which has a frame of its own. */
function batchText(frames: readonly Uint8Array[], options: CompareOptions): string {
  const { maskedRows } = options.judgement;
  const rows = messagesOf(frames.slice(0, -1)).sort((left, right) =>
    left.transactionTtl - right.transactionTtl
  );
  const texts = rows.map((row) =>
    messageText(row, { ...MASKED, maskGeneration: maskedRows.has(row.transactionTtl) })
  );
  const trailer = messagesOf(frames.slice(-1)).map((message) => messageText(message));
  return [...texts, `last frame: ${trailer.join(" | ")}`].join("\n");
}

function compareScans(
  exchange: Exchange,
  live: readonly Uint8Array[],
  options: CompareOptions,
): Difference | undefined {
  const request = decodeMessages(frameBody(exchange.request))[0];
  const text: TextOptions = { ...MASKED, maskIndexValue: asksForText(request) };
  const recorded = scanOf(exchange.replies, options.judgement, text);
  const got = scanOf(live, options.judgement, text);
  if (recorded.end === undefined || options.judgement.partial) return compareCutScan(recorded, got);
  if (recorded.end !== got.end) {
    return { kind: "end of a scan", expected: recorded.end, got: got.end ?? "no last message" };
  }
  const limit = fieldOf(request, FIELD.SAMPLE_MAX);
  if (limit !== undefined && recorded.count === readLimit(limit)) {
    return recorded.count === got.count
      ? undefined
      : { kind: "count of a limited scan", expected: `${recorded.count}`, got: `${got.count}` };
  }
  if (recorded.text === got.text) return undefined;
  return { kind: "records of a scan", ...firstDifferentLine(recorded.text, got.text) };
}

/** A recorded scan that ended early, or lost its records on the way: what it returned must be there. */
function compareCutScan(recorded: Scan, got: Scan): Difference | undefined {
  if (got.end === undefined) return { kind: "end of a scan", expected: "a last message", got: "none" };
  const lines = new Set(got.text.split("\n"));
  const missing = recorded.text.split("\n").find((line) => line !== "" && !lines.has(line));
  if (missing === undefined) return undefined;
  return { kind: "records of a scan", expected: missing, got: "not among the records" };
}

function readLimit(field: Uint8Array): number {
  return Number(new DataView(field.buffer, field.byteOffset).getBigUint64(0));
}

interface Scan {
  count: number;
  text: string;
  /** The last message, or undefined when the client left before it came. */
  end: string | undefined;
}

/** Whether a query by index asks for a text or blob, whose hash each server chooses for itself. */
function asksForText(request: Message): boolean {
  const range = fieldOf(request, FIELD.INDEX_RANGE);
  const type = range === undefined ? undefined : range[2 + range[1]];
  return type === PARTICLE.STRING || type === PARTICLE.BLOB;
}

function scanOf(frames: readonly Uint8Array[], judgement: Judgement, options: TextOptions): Scan {
  const messages = messagesOf(frames);
  const last = messages.at(-1);
  const isEnd = last !== undefined && ((last.info3 & INFO3.LAST) !== 0 || last.result !== 0);
  const records = isEnd ? messages.slice(0, -1) : messages;
  const texts: string[] = [];
  for (const record of records) {
    const digest = toHex(fieldOf(record, FIELD.DIGEST) ?? new Uint8Array());
    if (judgement.ignoredDigests?.has(digest)) continue;
    texts.push(
      messageText(record, { ...options, maskGeneration: judgement.maskedDigests?.has(digest) === true }),
    );
  }
  return {
    count: records.length,
    text: texts.sort().join("\n"),
    end: isEnd ? messageText(last) : undefined,
  };
}

function firstDifferentLine(expected: string, got: string): { expected: string; got: string } {
  const [left, right] = [expected.split("\n"), got.split("\n")];
  const at = left.findIndex((line, index) => line !== right[index]);
  const note = `(${left.length} lines against ${right.length}) `;
  if (at < 0) return { expected: `${note}nothing more`, got: right[left.length] };
  return { expected: `${note}${left[at]}`, got: right[at] ?? "nothing more" };
}

/** Info commands whose value says which node, build or moment it is. */
const MASKED_INFO: ReadonlySet<string> = new Set([
  "node",
  "build_sha",
  "build_ee_sha",
  "build_arch",
  "build_time",
  "build_os",
  "partition-generation",
  "peers-generation",
  "cluster-generation",
  "services",
  "services-alumni",
  "service",
]);

/** Info commands whose value is a list `name=value;…` with values that count or measure. */
function isStatistics(name: string): boolean {
  return name === "statistics" || /^(namespace\/|sindex\/|get-config:)/.test(name);
}

function compareInfo(expected: string, got: string): Difference | undefined {
  const [left, right] = [infoLines(expected), infoLines(got)];
  const isDone = saysDone(expected);
  const names = (lines: [string, string][]) => lines.map(([name]) => name).join(" ");
  if (names(left) !== names(right)) return { kind: "info names", expected: names(left), got: names(right) };
  for (let index = 0; index < left.length; index++) {
    const [name, value] = left[index];
    const difference = isStatistics(name)
      ? compareStatistics(name, { expected: value, got: right[index][1] })
      : isQueryShow(name)
      ? compareJobs(maskQueryShow(value, isDone), maskQueryShow(right[index][1], isDone))
      : MASKED_INFO.has(name) || value === right[index][1]
      ? undefined
      : { kind: `info ${name.split(/[:/]/)[0]}`, expected: value, got: right[index][1] };
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function compareJobs(expected: string, got: string): Difference | undefined {
  return expected === got ? undefined : { kind: "info query-show", expected, got };
}

function infoLines(text: string): [string, string][] {
  const lines = text.endsWith("\n") ? text.slice(0, -1).split("\n") : [`(no newline at the end) ${text}`];
  return lines.map((line) => {
    const tab = line.indexOf("\t");
    return tab < 0 ? [line, ""] : [line.slice(0, tab), line.slice(tab + 1)];
  });
}

/** Every name that the recorded server reports must be there; values count and measure, so they may differ. */
function compareStatistics(name: string, values: { expected: string; got: string }): Difference | undefined {
  const keys = (text: string) =>
    new Set(text.split(";").map((pair) => pair.split("=")[0].replace(/\[\d+\]/, "[n]")));
  const got = keys(values.got);
  const missing = [...keys(values.expected)].filter((key) => !got.has(key));
  if (missing.length === 0) return undefined;
  return { kind: `names in ${name}`, expected: missing.join(" "), got: "missing" };
}
