/**
 * Batches: rows about many records, sent in one request per node. Rows without an answer are grouped anew and asked
 * again within the budget; rows with a final answer never are. Source: wire-protocol reference, section 7.
 *
 * @module
 */

import { ByteBuffer, ResultCode, WireError } from "../base/mod.ts";
import { BATCH_FLAG, FIELD, INFO1, INFO2, OP, type ReplyMessage, RequestWriter } from "../wire/mod.ts";
import type { Cluster } from "./cluster.ts";
import { compressRequest } from "./compression.ts";
import { type ClientError, ConnectionError, ServerError, TimeoutError } from "./errors.ts";
import type { AnyKey, KeyResolver, ResolvedKey } from "./key.ts";
import type { ClientNode } from "./node.ts";
import { appendOperation, isReadAll, isWriteOperation, type Operation, ops } from "./operation.ts";
import {
  type BatchPolicy,
  type OperatePolicy,
  type ReadPolicy,
  type ResolvedPolicy,
  serverBudgetMs,
  type WritePolicy,
} from "./policy.ts";
import { type OperateRecord, readOperate } from "./record.ts";
import {
  expectedGeneration,
  operateBits,
  readBits,
  readTtl,
  type ReadWhat,
  type RequestBits,
  writeBinNames,
  writeBits,
  writeTtl,
} from "./record_request.ts";
import { isRetryable } from "./single_command.ts";
import { sleep, StreamCommand, type StreamEnd } from "./stream_command.ts";
import type { Bins } from "./value.ts";

/** One row of a batch. */
export type BatchRow =
  | { type: "get"; key: AnyKey; bins?: readonly string[]; policy?: ReadPolicy }
  | { type: "exists"; key: AnyKey; policy?: ReadPolicy }
  | { type: "put"; key: AnyKey; bins: Bins; policy?: WritePolicy }
  | { type: "delete"; key: AnyKey; policy?: WritePolicy }
  | { type: "operate"; key: AnyKey; operations: readonly Operation[]; policy?: OperatePolicy };

/** What became of one row. */
export interface BatchResult {
  /** The row's key. */
  key: AnyKey;
  /** The server's code; -1 when no server answered. */
  resultCode: number;
  /** The record, where the row succeeded. */
  record: OperateRecord | undefined;
  /** True when the row was a write and may have been applied although it has no answer, or the answer 9. */
  inDoubt: boolean;
  /** Why the row failed; undefined for the codes 0 and 2. */
  error: ClientError | undefined;
}

/** Code of a row that no server answered. */
export const NO_ANSWER: number = -1;

/** A row on its way. */
interface PendingRow {
  row: BatchRow;
  key: ResolvedKey;
  isWrite: boolean;
  /** Operations to be sent; undefined for rows that read whole records or bins. */
  operations: readonly Operation[] | undefined;
  answered: boolean;
  result: BatchResult;
}

/** Whether a row may change its record. */
export function isWriteRow(row: BatchRow): boolean {
  return row.type === "put" || row.type === "delete" ||
    (row.type === "operate" && row.operations.some(isWriteOperation));
}

/**
 * Runs a batch.
 *
 * @param policy timeouts and retries, merged
 * @returns one result per row, in the rows' order
 */
export async function runBatch(
  cluster: Cluster,
  rows: readonly BatchRow[],
  options: { keys: KeyResolver; policy: ResolvedPolicy & BatchPolicy },
): Promise<BatchResult[]> {
  const all = rows.map((row) => prepareRow(row, options.keys));
  const { policy } = options;
  const { clock } = cluster.ports;
  const deadlineMs = policy.totalTimeoutMs === 0 ? Infinity : clock.monotonicMs() + policy.totalTimeoutMs;
  let open = all;
  for (let attempt = 0; open.length > 0; attempt++) {
    await askNodes(cluster, open, { policy, deadlineMs, attempt });
    open = open.filter((row) => !row.answered);
    if (open.length === 0 || attempt >= policy.maxRetries || cluster.closed) break;
    if (clock.monotonicMs() + policy.sleepBetweenRetriesMs >= deadlineMs) break;
    await sleep(clock, policy.sleepBetweenRetriesMs);
  }
  return all.map((row) => row.result);
}

function prepareRow(row: BatchRow, keys: KeyResolver): PendingRow {
  let operations: readonly Operation[] | undefined;
  if (row.type === "operate") {
    if (row.operations.length === 0) throw new TypeError("Cannot run a batch: a row has no operations");
    operations = row.operations;
  } else if (row.type === "put") {
    operations = Object.entries(row.bins).map(([bin, value]) => ops.put(bin, value));
  }
  const result: BatchResult = {
    key: row.key,
    resultCode: NO_ANSWER,
    record: undefined,
    inDoubt: false,
    error: undefined,
  };
  return { row, key: keys.resolve(row.key), isWrite: isWriteRow(row), operations, answered: false, result };
}

interface AskOptions {
  policy: ResolvedPolicy & BatchPolicy;
  deadlineMs: number;
  attempt: number;
}

async function askNodes(cluster: Cluster, rows: readonly PendingRow[], options: AskOptions): Promise<void> {
  const groups = new Map<ClientNode, PendingRow[]>();
  for (const row of rows) {
    row.result.resultCode = NO_ANSWER;
    const { namespace, partition } = row.key;
    const node = cluster.route({ namespace, id: partition }, options.policy.replica, options.attempt);
    if (node === undefined) {
      row.result.error = new ConnectionError("Cannot send the row: no node of the cluster is reachable", {
        inDoubt: row.result.inDoubt,
      });
      continue;
    }
    const group = groups.get(node);
    if (group === undefined) groups.set(node, [row]);
    else group.push(row);
  }
  await Promise.all([...groups].map(([node, group]) => askNode(cluster, { node, rows: group }, options)));
}

async function askNode(
  cluster: Cluster,
  group: { node: ClientNode; rows: readonly PendingRow[] },
  options: AskOptions,
): Promise<void> {
  const { node, rows } = group;
  const { policy, deadlineMs } = options;
  const { clock, compute } = cluster.ports;
  const command = new StreamCommand({
    node,
    bytes: compressRequest(encodeBatch(rows, policy), policy, compute),
    times: { deadlineMs, silenceMs: policy.socketTimeoutMs === 0 ? Infinity : policy.socketTimeoutMs },
    clock,
    isEnd: () => false,
    onMessage: (message) => onRow(message, { rows, node, cluster }),
  });
  const end = await command.ended;
  if (end.error !== undefined) cluster.disturb();
  for (const row of rows) {
    if (!row.answered && row.result.resultCode === NO_ANSWER) noteMissing(row, node, end);
  }
}

/** Notes why a row has no answer; whether it is asked again is the caller's decision. */
function noteMissing(row: PendingRow, node: ClientNode, end: StreamEnd): void {
  const { result } = row;
  if (end.error !== undefined) {
    if (row.isWrite && end.sent) result.inDoubt = true;
    const options = { inDoubt: result.inDoubt, node: node.name, cause: end.error };
    result.error = end.error instanceof TimeoutError
      ? new TimeoutError("The row was not answered in time", options)
      : new ConnectionError(end.error.message, options);
    return;
  }
  const code = end.resultCode ?? ResultCode.UNKNOWN;
  // A node that stopped at another row may have run this one without telling. Only a refusal of the whole batch is
  // certain to come before the first row.
  if (row.isWrite && !isRefusalOfAll(code)) result.inDoubt = true;
  const options = { inDoubt: result.inDoubt, node: node.name };
  result.error = code === ResultCode.OK
    ? new ConnectionError(`Node ${node.name} left the row out of its reply`, options)
    : new ServerError(code, { ...options, detail: "the batch ended before this row was answered" });
  row.answered = code !== ResultCode.OK && !isRetryable(code);
}

function isRefusalOfAll(code: number): boolean {
  return code === ResultCode.BATCH_DISABLED || code === ResultCode.BATCH_MAX_REQUESTS ||
    code === ResultCode.BATCH_QUEUES_FULL || code === ResultCode.SEC_NOT_AUTHENTICATED;
}

function onRow(
  message: ReplyMessage,
  group: { rows: readonly PendingRow[]; node: ClientNode; cluster: Cluster },
): void {
  const row = group.rows[message.batchIndex];
  if (row === undefined || row.answered) {
    throw new WireError(
      `The server answered row ${message.batchIndex} of a batch of ${group.rows.length}, or twice`,
    );
  }
  const { result } = row;
  const code = message.resultCode;
  result.resultCode = code;
  result.error = undefined;
  row.answered = true;
  if (code === ResultCode.OK) {
    result.record = readOperate(message, group.cluster.ports.clock);
    result.inDoubt = false;
    return;
  }
  if (code === ResultCode.TIMEOUT && row.isWrite) result.inDoubt = true;
  if (code === ResultCode.UNAVAILABLE) group.cluster.disturb();
  if (code !== ResultCode.NOT_FOUND) {
    result.error = new ServerError(code, { inDoubt: result.inDoubt, node: group.node.name });
  }
  if (isRetryable(code)) row.answered = false;
}

/** The request for one node's rows; a row's index is its position in `rows`. */
function encodeBatch(rows: readonly PendingRow[], policy: ResolvedPolicy & BatchPolicy): Uint8Array {
  const writer = new RequestWriter(new ByteBuffer(64 + rows.length * 64));
  writer.begin({
    info1: INFO1.BATCH | (policy.compress ? INFO1.COMPRESS_RESPONSE : 0),
    info2: 0,
    info3: 0,
    transactionTtlMs: serverBudgetMs(policy),
  });
  if (policy.filter !== undefined) writer.field(FIELD.FILTER_EXP, policy.filter);
  const at = writer.beginField(FIELD.BATCH);
  writer.buffer.appendU32(rows.length);
  writer.buffer.appendU8(
    (policy.allowInline ?? true ? BATCH_FLAG.INLINE : 0) |
      (policy.allowInlineSsd ? BATCH_FLAG.INLINE_SSD : 0) |
      (policy.respondAllKeys ?? true ? BATCH_FLAG.RESPOND_ALL : 0) |
      BATCH_FLAG.REPORT_ROW,
  );
  for (let index = 0; index < rows.length; index++) {
    // A row with a key of its own can't be repeated.
    if (index > 0 && !policy.sendKey && repeats(rows[index - 1], rows[index])) {
      writer.repeatRow(index, rows[index].key.digest);
    } else writeRow(writer, { index, pending: rows[index], policy });
  }
  writer.endField(at);
  writer.finish();
  return writer.buffer.view();
}

/** Whether a row differs from the one before by its digest alone. */
function repeats(before: PendingRow, row: PendingRow): boolean {
  if (before.row.type !== "get" || row.row.type !== "get") return false;
  return before.key.namespace === row.key.namespace && before.key.set === row.key.set &&
    before.row.bins === row.row.bins && before.row.policy === row.row.policy && !row.row.policy?.sendKey;
}

function writeRow(
  writer: RequestWriter,
  options: { index: number; pending: PendingRow; policy: BatchPolicy },
): void {
  const { index, pending } = options;
  const { row, key, operations } = pending;
  const rowPolicy: OperatePolicy = row.policy ?? (pending.isWrite ? {} : options.policy);
  const bits = rowBits(row, rowPolicy);
  const mark = writer.beginRow({
    index,
    digest: key.digest,
    info1: bits.info1 & ~INFO1.COMPRESS_RESPONSE,
    info2: bits.info2,
    info3: bits.info3,
    generation: pending.isWrite ? expectedGeneration(rowPolicy) ?? 0 : undefined,
    recordTtl: pending.isWrite ? writeTtl(rowPolicy) : readTtl(rowPolicy),
  });
  writer.textField(FIELD.NAMESPACE, key.namespace);
  if (key.set !== "") writer.textField(FIELD.SET, key.set);
  if ((rowPolicy.sendKey ?? options.policy.sendKey) && key.userKey !== undefined) {
    writer.field(FIELD.KEY, key.userKey);
  }
  if (row.policy?.filter !== undefined) writer.field(FIELD.FILTER_EXP, row.policy.filter);
  if (row.type === "get" && row.bins !== undefined) writeBinNames(writer, row.bins);
  for (const operation of operations ?? []) appendOperation(writer, operation);
  writer.endRow(mark);
}

/** Bits of a row. Writes ask for one answer per operation, unless one of them reads all bins: that excludes it. */
function rowBits(row: BatchRow, policy: OperatePolicy): RequestBits {
  switch (row.type) {
    case "get":
    case "exists": {
      const what: ReadWhat = row.type === "exists" ? "none" : row.bins ?? "all";
      return readBits(what, policy);
    }
    case "put": {
      const bits = writeBits(policy);
      return { ...bits, info2: bits.info2 | INFO2.RESPOND_ALL_OPS };
    }
    case "delete": {
      const bits = writeBits(policy);
      return { ...bits, info2: bits.info2 | INFO2.DELETE | INFO2.RESPOND_ALL_OPS };
    }
    case "operate": {
      const bits = operateBits(row.operations, policy);
      const all = row.operations.some((operation) => isReadAll(operation)) ||
        row.operations.every((operation) => operation.op === OP.READ);
      return all ? bits : { ...bits, info2: bits.info2 | INFO2.RESPOND_ALL_OPS };
    }
  }
}
