/**
 * From a query's message to what is to be done, or to the result code of its refusal.
 * Source: wire-protocol reference, sections 3 and 8.1 to 8.3.
 *
 * @module
 */

import {
  BIN_NAME_SIZE_MAX,
  ByteBuffer,
  DIGEST_SIZE_BYTES,
  PARTITION_COUNT,
  partitionId,
  readU16LE,
  readU32,
  readU64,
  ResultCode,
  SET_NAME_SIZE_MAX,
  utf8Decode,
} from "../base/mod.ts";
import type { SetInfo } from "../storage/mod.ts";
import type { ExpProgram } from "../record/mod.ts";
import { filterOf, isArgumentList, type Namespace, namesSet } from "../transaction/mod.ts";
import { FIELD, INFO1, INFO2, INFO3, OP, OpCursor, RecordRequest } from "../wire/mod.ts";
import { type IndexQuery, namesIndex, planIndexQuery } from "./index_range.ts";

/** What a query asks for, as field 33 and the header tell. */
export const QUERY_JOB = { BASIC: 0, AGGREGATION: 1, UDF_BACKGROUND: 2, OPS_BACKGROUND: 3 } as const;
/** What a query asks for. */
export type QueryJobKind = (typeof QUERY_JOB)[keyof typeof QUERY_JOB];

/** A query that has been checked. */
export interface QueryPlan {
  /** Kind of job. */
  kind: QueryJobKind;
  /** The request, at home in a buffer that stays. */
  request: RecordRequest;
  /** Task id in decimal, "" when the client left it to the node. */
  trid: string;
  /** Partitions visited whole. */
  partitions: Uint16Array;
  /** Digests of the records after which partitions are visited. */
  digests: Uint8Array;
  /** The request names a set. */
  namesSet: boolean;
  /** That set; undefined when no record has named it. */
  set: SetInfo | undefined;
  /** Name of that set, "" for none. */
  setName: string;
  /** Records to send at most, Infinity for all. */
  recordCountMax: number;
  /** Records per second, 0 for no limit. */
  recordsPerSecond: number;
  /** How long the peer may take no bytes, in ms, 0 for ever. */
  socketTimeoutMs: number;
  /** Foreground query that is not listed and has a time budget. */
  isShort: boolean;
  /** Partitions are visited although other nodes may have records of them which this one lacks. */
  isRelaxed: boolean;
  /** Bins are left out. */
  headerOnly: boolean;
  /** Where in which secondary index to look; undefined for a scan. */
  index: IndexQuery | undefined;
  /** Which records are wanted, undefined for all. */
  filter: ExpProgram | undefined;
  /** READ operations of the chosen bins, undefined for all bins. */
  projection: RecordRequest | undefined;
}

/** Socket timeout of queries that bring none, and of all background jobs: those have no client to wait for. */
const SOCKET_TIMEOUT_DEFAULT_MS = 10_000;
const NO_DIGESTS = new Uint8Array(0);
const cursor = new OpCursor();

/**
 * Checks a query.
 *
 * @param message the decoded request: its message begins at offset 0 of its buffer, which stays as it is
 * @returns the plan, or a result code
 */
export function planQuery(message: RecordRequest, namespace: Namespace): QueryPlan | number {
  const kind = kindOf(message);
  if (kind < 0) return ResultCode.PARAMETER;
  const fields = checkFields(message, kind as QueryJobKind);
  if (fields !== ResultCode.OK) return fields;
  if (message.has(FIELD.MRT_ID) || message.info4 !== 0) return ResultCode.ENTERPRISE_ONLY;
  const request = new RecordRequest();
  request.decode(message.bytes, 0, message.end);
  const plan = fillPlan(request, kind as QueryJobKind, namespace);
  if (kind === QUERY_JOB.BASIC) {
    const chosen = checkPartitions(plan);
    if (chosen !== ResultCode.OK) return chosen;
  }
  if (kind !== QUERY_JOB.BASIC && plan.namesSet && plan.set === undefined) return ResultCode.NOT_FOUND;
  if (namesIndex(request)) {
    const asked = planIndexQuery(request, namespace, plan.namesSet ? plan.setName : undefined);
    if (typeof asked === "number") return asked;
    if (plan.digests.length > 0 && !request.has(FIELD.BVAL_ARRAY)) return ResultCode.PARAMETER;
    plan.index = asked;
  }
  if (kind === QUERY_JOB.AGGREGATION || kind === QUERY_JOB.UDF_BACKGROUND) {
    const callable = checkFunction(request, namespace);
    if (callable !== ResultCode.OK) return callable;
  }
  const limited = checkRate(plan, namespace);
  if (limited !== ResultCode.OK) return limited;
  if (kind === QUERY_JOB.BASIC) {
    const projected = planProjection(plan);
    if (projected !== ResultCode.OK) return projected;
  }
  const filter = filterOf(request, namespace.scope);
  if (typeof filter === "number") return filter;
  plan.filter = filter;
  return plan;
}

/** The kind of job; -1 when field 33 says nothing that is known. */
function kindOf(request: RecordRequest): number {
  if (!request.has(FIELD.UDF_FILENAME)) {
    return (request.info2 & INFO2.WRITE) !== 0 ? QUERY_JOB.OPS_BACKGROUND : QUERY_JOB.BASIC;
  }
  if (!request.has(FIELD.UDF_OP) || request.fieldSize[FIELD.UDF_OP] !== 1) return -1;
  const op = request.bytes[request.fieldAt[FIELD.UDF_OP]];
  return op === QUERY_JOB.AGGREGATION || op === QUERY_JOB.UDF_BACKGROUND ? op : -1;
}

/** Refusals of jobs that call a function; whether there is such a function is seen when it is called. */
function checkFunction(request: RecordRequest, namespace: Namespace): number {
  if (namespace.service.disableUdfExecution) return ResultCode.FORBIDDEN;
  const isComplete = request.has(FIELD.UDF_FUNCTION) && isArgumentList(request.field(FIELD.UDF_ARGLIST));
  return isComplete ? ResultCode.OK : ResultCode.PARAMETER;
}

/** Fields of fixed size. */
const FIXED_SIZES: readonly (readonly [number, number])[] = [
  [FIELD.TRID, 8],
  [FIELD.SOCKET_TIMEOUT, 4],
  [FIELD.RECS_PER_SEC, 4],
  [FIELD.SAMPLE_MAX, 8],
  [FIELD.INDEX_TYPE, 1],
];

function checkFields(request: RecordRequest, kind: QueryJobKind): number {
  for (const [field, sizeBytes] of FIXED_SIZES) {
    if (request.has(field) && request.fieldSize[field] !== sizeBytes) return ResultCode.PARAMETER;
  }
  if (namesSet(request) && request.fieldSize[FIELD.SET] > SET_NAME_SIZE_MAX) return ResultCode.PARAMETER;
  if (kind === QUERY_JOB.BASIC && (request.info3 & INFO3.PARTITION_DONE) === 0) {
    return ResultCode.UNSUPPORTED_FEATURE;
  }
  if (kind === QUERY_JOB.AGGREGATION && request.has(FIELD.FILTER_EXP)) return ResultCode.UNSUPPORTED_FEATURE;
  return ResultCode.OK;
}

function fillPlan(request: RecordRequest, kind: QueryJobKind, namespace: Namespace): QueryPlan {
  const { bytes, fieldAt, fieldSize } = request;
  const named = namesSet(request);
  const setAt = fieldAt[FIELD.SET];
  const setSize = named ? fieldSize[FIELD.SET] : 0;
  const isShort = kind === QUERY_JOB.BASIC && (request.info1 & INFO1.SHORT_QUERY) !== 0 &&
    !namespace.settings.forceLongQueries;
  const limit = request.has(FIELD.SAMPLE_MAX) ? readU64(bytes, fieldAt[FIELD.SAMPLE_MAX]) : 0;
  return {
    kind,
    request,
    trid: request.has(FIELD.TRID) ? decimal(bytes, fieldAt[FIELD.TRID]) : "",
    partitions: readPartitions(request),
    digests: request.field(FIELD.DIGEST_ARRAY) ?? NO_DIGESTS,
    namesSet: named,
    set: named ? namespace.store.sets.find(bytes, setAt, setSize) : undefined,
    setName: named ? utf8Decode(bytes.subarray(setAt, setAt + setSize)) : "",
    recordCountMax: limit === 0 ? Infinity : limit,
    recordsPerSecond: request.has(FIELD.RECS_PER_SEC) ? readU32(bytes, fieldAt[FIELD.RECS_PER_SEC]) : 0,
    socketTimeoutMs: request.has(FIELD.SOCKET_TIMEOUT) && !isBackground(kind)
      ? readU32(bytes, fieldAt[FIELD.SOCKET_TIMEOUT])
      : SOCKET_TIMEOUT_DEFAULT_MS,
    isShort,
    isRelaxed: isShort || (request.info2 & INFO2.RELAX_AP_LONG_QUERY) !== 0,
    headerOnly: (request.info1 & INFO1.GET_NO_BINS) !== 0,
    index: undefined,
    filter: undefined,
    projection: undefined,
  };
}

function isBackground(kind: QueryJobKind): boolean {
  return kind === QUERY_JOB.UDF_BACKGROUND || kind === QUERY_JOB.OPS_BACKGROUND;
}

/** An unsigned 64-bit number in decimal; "" for 0. */
function decimal(bytes: Uint8Array, at: number): string {
  const value = (BigInt(readU32(bytes, at)) << 32n) | BigInt(readU32(bytes, at + 4));
  return value === 0n ? "" : value.toString();
}

function readPartitions(request: RecordRequest): Uint16Array {
  const count = request.has(FIELD.PID_ARRAY) ? request.fieldSize[FIELD.PID_ARRAY] >> 1 : 0;
  const partitions = new Uint16Array(count);
  const at = request.fieldAt[FIELD.PID_ARRAY];
  for (let index = 0; index < count; index++) partitions[index] = readU16LE(request.bytes, at + index * 2);
  return partitions;
}

/** Partitions must be in range and appear once, whether whole or by a digest. */
function checkPartitions(plan: QueryPlan): number {
  const { request, partitions, digests } = plan;
  const hasPids = request.has(FIELD.PID_ARRAY);
  const hasDigests = request.has(FIELD.DIGEST_ARRAY);
  if (!hasPids && !hasDigests) return ResultCode.UNSUPPORTED_FEATURE;
  if (hasPids && (request.fieldSize[FIELD.PID_ARRAY] % 2 !== 0 || partitions.length === 0)) {
    return ResultCode.PARAMETER;
  }
  const digestCount = digests.length / DIGEST_SIZE_BYTES;
  if (hasDigests && (!Number.isInteger(digestCount) || digestCount === 0)) return ResultCode.PARAMETER;
  if (request.has(FIELD.BVAL_ARRAY)) {
    if (!hasDigests || request.fieldSize[FIELD.BVAL_ARRAY] !== digestCount * 8) return ResultCode.PARAMETER;
  }
  if (partitions.length > PARTITION_COUNT || digestCount > PARTITION_COUNT) return ResultCode.PARAMETER;
  const seen = new Uint8Array(PARTITION_COUNT);
  for (let index = 0; index < partitions.length + digestCount; index++) {
    const partition = index < partitions.length
      ? partitions[index]
      : partitionId(digests, (index - partitions.length) * DIGEST_SIZE_BYTES);
    if (partition >= PARTITION_COUNT || seen[partition] !== 0) return ResultCode.PARAMETER;
    seen[partition] = 1;
  }
  return ResultCode.OK;
}

/** Limits of records per second: none for short queries, a highest one for background jobs. */
function checkRate(plan: QueryPlan, namespace: Namespace): number {
  if (plan.kind === QUERY_JOB.BASIC) {
    return plan.isShort && plan.recordsPerSecond !== 0 ? ResultCode.PARAMETER : ResultCode.OK;
  }
  const most = namespace.settings.backgroundQueryMaxRps;
  if (plan.recordsPerSecond > most) return ResultCode.PARAMETER;
  if (plan.recordsPerSecond === 0) plan.recordsPerSecond = most;
  return ResultCode.OK;
}

/** Finds the chosen bins: READ operations, or the list of names that older clients send. */
function planProjection(plan: QueryPlan): number {
  const { request } = plan;
  const hasList = request.has(FIELD.QUERY_BINLIST);
  if (hasList && request.opCount > 0) return ResultCode.PARAMETER;
  if (hasList) {
    const listed = projectionOfNames(request.field(FIELD.QUERY_BINLIST)!);
    if (listed === undefined) return ResultCode.PARAMETER;
    plan.projection = listed;
  } else if (request.opCount > 0) {
    plan.projection = request;
  }
  return plan.projection === undefined ? ResultCode.OK : checkReadOps(plan.projection);
}

function checkReadOps(projection: RecordRequest): number {
  cursor.start(projection);
  while (cursor.next()) {
    const { op } = cursor;
    if (op === OP.EXP_READ || op === OP.CDT_READ || op === OP.BITS_READ || op === OP.HLL_READ) continue;
    if (op !== OP.READ || cursor.nameSize === 0 || cursor.nameSize > BIN_NAME_SIZE_MAX) {
      return ResultCode.PARAMETER;
    }
  }
  return ResultCode.OK;
}

/** READ operations for a list of bin names: count, then size and bytes of each. */
function projectionOfNames(list: Uint8Array): RecordRequest | undefined {
  const ops = new ByteBuffer(64);
  const count = list.length > 0 ? list[0] : 0;
  let at = 1;
  for (let index = 0; index < count; index++) {
    const size = at < list.length ? list[at] : 0;
    if (size === 0 || size > BIN_NAME_SIZE_MAX || at + 1 + size > list.length) return undefined;
    ops.appendU32(4 + size);
    ops.appendU8(OP.READ);
    ops.appendU16(0);
    ops.appendU8(size);
    ops.append(list, at + 1, at + 1 + size);
    at += 1 + size;
  }
  if (count === 0 || at !== list.length) return undefined;
  const projection = new RecordRequest();
  projection.bytes = ops.toBytes();
  projection.end = ops.length;
  projection.opCount = count;
  return projection;
}
