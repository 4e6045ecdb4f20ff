/**
 * Calls of record functions: one transaction that reads the record, runs the script, and then stores, removes or leaves
 * the record as the script asked. A script that fails changes nothing. Source: wire-protocol reference, section 12.1.
 *
 * Phases: check the message → wait behind a suspended write of the same record → ask the filter → load the record (may
 * suspend) → run the script, in one go → apply what it wants as a write. A suspended call starts again from the first
 * phase; the script has not run then, or (when a GeoJSON value must wait for geometry) runs again.
 *
 * @module
 */

import { ByteBuffer, DIGEST_SIZE_BYTES, ResultCode, SET_NAME_SIZE_MAX, utf8, writeU16 } from "../base/mod.ts";
import { applyWrite, checkWrite, hasGeometry, NEEDS_GEOMETRY } from "../record/mod.ts";
import { ENTRY_FLAG, LOADED, nextGeneration, type SetInfo, UNIT_SIZE_BYTES } from "../storage/mod.ts";
import { UdfChanges, type UdfRecord } from "../udf/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  FIELD,
  INFO2,
  INFO3,
  isMsgpackList,
  msgpackSkip,
  OP,
  PARTICLE,
  RecordRequest,
} from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import {
  checkKey,
  endChange,
  findRecord,
  keyDiffers,
  type Namespace,
  namesSet,
  resolveForWrite,
  setDiffers,
  STEP,
  type Step,
  type TransactionContext,
} from "./context.ts";
import { askFilter, FILTERED, filterOf } from "./filter.ts";
import { checkGates } from "./gates.ts";
import { removeRecord } from "./remove.ts";
import { KIND, ORIGIN } from "./stats.ts";
import { voidTimeOf } from "./ttl.ts";
import { chooseSet } from "./write.ts";

const NO_BYTES = new Uint8Array(0);
const EMPTY_LIST = Uint8Array.of(0x90);
/** Name of the bin that carries a function's result. */
export const SUCCESS: Uint8Array = utf8("SUCCESS");
/** Name of the bin that carries a function's error. */
export const FAILURE: Uint8Array = utf8("FAILURE");
/** Bits that a call of a function may not carry. */
const FORBIDDEN_INFO2 = INFO2.GENERATION | INFO2.GENERATION_GT | INFO2.CREATE_ONLY;
const FORBIDDEN_INFO3 = INFO3.UPDATE_ONLY | INFO3.REPLACE_ONLY | INFO3.CREATE_OR_REPLACE;

/** The writes of all calls: one runs at a time, from its script's end to its record's. */
const changes = new UdfChanges();
const writeRequest = new RecordRequest();
const writeBuffer = new ByteBuffer(256);
/** Longest name of a bin that fits into a message; a write says that it is too long. */
const NAME_SIZE_MAX = 255;

/**
 * Runs a call of a record function; the reply's message is open.
 *
 * @returns DONE with the message closed, or SUSPENDED with nothing changed
 */
export function runUdf(context: TransactionContext, namespace: Namespace): Step {
  const { request } = context;
  context.live = false;
  const refusal = checkCall(context, namespace);
  if (refusal !== ResultCode.OK) return refuse(context, namespace, refusal);
  const { inFlight, settings } = namespace;
  const { transactionPendingLimit } = settings;
  const admission = inFlight.admit(request.bytes, context.digestAt, context.waiter, transactionPendingLimit);
  if (admission === "queued") return STEP.SUSPENDED;
  if (admission === "busy") return refuse(context, namespace, namespace.refusals.note(CAUSE.keyBusy));
  if (!resolveForWrite(context, namespace, KIND.UDF)) return STEP.SUSPENDED;
  const step = callAdmitted(context, namespace);
  if (step === STEP.SUSPENDED) inFlight.hold(request.bytes, context.digestAt, context.waiter);
  return step;
}

/** Refusals that don't depend on the record. */
function checkCall(context: TransactionContext, namespace: Namespace): number {
  const { request } = context;
  if (request.has(FIELD.MRT_ID) || request.info4 !== 0) return ResultCode.ENTERPRISE_ONLY;
  if (namespace.service.disableUdfExecution) return ResultCode.FORBIDDEN;
  if ((request.info2 & FORBIDDEN_INFO2) !== 0 || (request.info3 & FORBIDDEN_INFO3) !== 0) {
    return ResultCode.PARAMETER;
  }
  if (request.opCount > 0 || !request.has(FIELD.UDF_FUNCTION)) return ResultCode.PARAMETER;
  if (!isArgumentList(request.field(FIELD.UDF_ARGLIST))) return ResultCode.PARAMETER;
  const gate = checkGates(context, namespace);
  if (gate !== ResultCode.OK) return gate;
  if (namespace.store.stopWrites) return namespace.refusals.note(CAUSE.stopWrites);
  if (namespace.settings.disallowNullSetname && !namesSet(request)) return ResultCode.PARAMETER;
  if (namesSet(request) && request.fieldSize[FIELD.SET] > SET_NAME_SIZE_MAX) return ResultCode.PARAMETER;
  return checkKey(request);
}

/** Whether the arguments of a call are a msgpack list, or there are none. */
export function isArgumentList(bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined || bytes.length === 0) return true;
  return isMsgpackList(bytes[0]) && msgpackSkip(bytes, 0, { end: bytes.length }) === bytes.length;
}

function callAdmitted(context: TransactionContext, namespace: Namespace): Step {
  const { request } = context;
  const { entry, store, table } = namespace;
  findRecord(context, namespace);
  // A job calls functions on the records that it has found: one that is gone meanwhile is passed over.
  if (!context.live && context.origin === ORIGIN.QUERY_UDF) {
    return refuse(context, namespace, ResultCode.NOT_FOUND);
  }
  if (context.live && setDiffers(context, entry)) return refuse(context, namespace, ResultCode.PARAMETER);
  const filter = filterOf(request, namespace.scope);
  if (typeof filter === "number") return refuse(context, namespace, filter);
  if (filter !== undefined && context.live) {
    const filtered = askFilter(filter, context, namespace);
    if (filtered === FILTERED.PENDING) return STEP.SUSPENDED;
    if (filtered === FILTERED.OUT) return refuse(context, namespace, ResultCode.FILTERED_OUT);
    if (filtered === FILTERED.FAILED) return refuse(context, namespace, ResultCode.UNKNOWN);
  }
  if (context.live) {
    const loaded = store.load(entry, context.waiter);
    if (loaded === LOADED.PENDING) return STEP.SUSPENDED;
    if (loaded === LOADED.FAILED) return refuse(context, namespace, ResultCode.UNKNOWN);
  }
  const hasKey = context.live && (entry.flags & ENTRY_FLAG.KEY_STORED) !== 0;
  if (hasKey && keyDiffers(request, store.flat.key())) {
    return refuse(context, namespace, ResultCode.KEY_MISMATCH);
  }
  table.reset(context.live ? store.flat.bytes : NO_BYTES, request.bytes);
  if (context.live) store.flat.loadBins(table);
  const end = namespace.udf.apply({
    moduleName: request.field(FIELD.UDF_FILENAME)!,
    functionName: request.field(FIELD.UDF_FUNCTION)!,
    arguments: argumentsOf(request),
    record: recordOf(context, namespace),
    changes,
  });
  if (!end.ok) return fail(context, namespace, end.text);
  const { type, bytes } = end.value;
  const at = context.reply.op(OP.READ, type, SUCCESS, 0, SUCCESS.length, bytes.length);
  context.reply.out.bytes.set(bytes, at);
  if (!changes.changed) return endRead(context, namespace);
  if (!changes.present) return endRemoved(context, namespace);
  return storeChanges(context, namespace);
}

/** The arguments of a call; none count as an empty list. */
export function argumentsOf(request: RecordRequest): Uint8Array {
  const list = request.field(FIELD.UDF_ARGLIST);
  return list === undefined || list.length === 0 ? EMPTY_LIST : list;
}

/** The record of a call as the script sees it; without one, what the request tells of it. */
function recordOf(context: TransactionContext, namespace: Namespace): UdfRecord {
  const { request, digestAt } = context;
  const digest = request.bytes.subarray(digestAt, digestAt + DIGEST_SIZE_BYTES);
  if (context.live) return liveRecord(namespace, digest);
  return {
    table: namespace.table,
    exists: false,
    generation: 0,
    ttlS: 0,
    lastUpdateMs: 0,
    sizeBytes: 0,
    setName: request.field(FIELD.SET),
    digest,
    key: request.field(FIELD.KEY),
  };
}

/** The live record under `namespace.entry`, whose bytes are loaded and whose bins are in `namespace.table`. */
export function liveRecord(namespace: Namespace, digest: Uint8Array): UdfRecord {
  const { entry, store, table } = namespace;
  const { voidTime } = entry;
  return {
    table,
    exists: true,
    generation: entry.generation,
    ttlS: voidTime === 0 ? 0 : Math.max(0, voidTime - Math.floor(store.nowMs() / 1000)),
    lastUpdateMs: entry.lastUpdateMs,
    sizeBytes: entry.sizeUnits * UNIT_SIZE_BYTES,
    setName: store.sets.byId(entry.setId)?.nameBytes,
    digest,
    key: (entry.flags & ENTRY_FLAG.KEY_STORED) === 0 ? undefined : store.flat.key(),
  };
}

/** Ends a call whose script failed. */
function fail(context: TransactionContext, namespace: Namespace, text: string): Step {
  const { reply } = context;
  const bytes = utf8(text);
  const at = reply.op(OP.READ, PARTICLE.STRING, FAILURE, 0, FAILURE.length, bytes.length);
  reply.out.bytes.set(bytes, at);
  const { entry, stats } = namespace;
  context.finish(
    ResultCode.UDF_EXECUTION,
    context.live ? entry.generation : 0,
    context.live ? entry.voidTime : 0,
  );
  stats.add(context.origin, KIND.UDF, ResultCode.UDF_EXECUTION);
  stats.udfLanguage.error[context.origin]++;
  return STEP.DONE;
}

/** Ends a call whose script left the record as it was. */
function endRead(context: TransactionContext, namespace: Namespace): Step {
  const { entry, stats } = namespace;
  const { live } = context;
  stats.udfLanguage.read[context.origin]++;
  context.finish(ResultCode.OK, live ? entry.generation : 0, live ? entry.voidTime : 0);
  stats.add(context.origin, KIND.UDF, ResultCode.OK);
  return STEP.DONE;
}

/** Ends a call whose script removed the record, or all its bins. */
function endRemoved(context: TransactionContext, namespace: Namespace): Step {
  const resultCode = context.live ? removeRecord(context, namespace) : ResultCode.OK;
  if (resultCode !== ResultCode.OK) return refuse(context, namespace, resultCode);
  namespace.stats.udfLanguage.delete[context.origin]++;
  context.finish(ResultCode.OK, 0, 0);
  if (context.live) return endChange(context, namespace, KIND.UDF);
  namespace.stats.add(context.origin, KIND.UDF, ResultCode.OK);
  return STEP.DONE;
}

/** Applies what the script has assigned, as a write would. */
function storeChanges(context: TransactionContext, namespace: Namespace): Step {
  const { store, table, entry, scope, settings } = namespace;
  const { live } = context;
  const set = chooseSet(context, namespace);
  if (typeof set === "number") return refuse(context, namespace, set);
  const ttl = changes.ttl === undefined ? context.request.recordTtl : changes.ttl >>> 0;
  const voidTime = voidTimeOf(ttl, namespace, { set, oldVoidTime: live ? entry.voidTime : undefined });
  if (voidTime < 0) return refuse(context, namespace, -voidTime);
  const write = changeRequest();
  if (write === undefined) return refuse(context, namespace, ResultCode.BIN_NAME);
  table.reset(live ? store.flat.bytes : NO_BYTES, write.bytes);
  if (live && !changes.clears) store.flat.loadBins(table);
  table.valueSizeMaxBytes = settings.maxRecordSize;
  if (write.opCount > 0) {
    const shape = checkWrite(write);
    if (typeof shape === "number") return refuse(context, namespace, shape);
    const applied = shape.hasGeoJson && !hasGeometry(context.waiter)
      ? NEEDS_GEOMETRY
      : applyWrite(write, table, { reply: context.reply, scope });
    if (applied === NEEDS_GEOMETRY) {
      context.reply.rewindMessage();
      return STEP.SUSPENDED;
    }
    if (applied !== ResultCode.OK) return refuse(context, namespace, applied);
  }
  if (table.binCount === 0) return endRemoved(context, namespace);
  return put(context, namespace, { set, voidTime });
}

/** The script's assignments as a message of WRITE operations; undefined when the name of a bin is too long for one. */
function changeRequest(): RecordRequest | undefined {
  const out = writeBuffer;
  out.reset();
  const at = out.reserve(AS_MSG_HEADER_SIZE);
  out.bytes.fill(0, at, at + AS_MSG_HEADER_SIZE);
  out.bytes[at] = AS_MSG_HEADER_SIZE;
  out.bytes[at + 2] = INFO2.WRITE;
  out.length = at + AS_MSG_HEADER_SIZE;
  for (const [name, bin] of changes.bins) {
    const nameBytes = utf8(name);
    if (nameBytes.length > NAME_SIZE_MAX) return undefined;
    out.appendU32(4 + nameBytes.length + (bin?.bytes.length ?? 0));
    out.appendU8(OP.WRITE);
    out.appendU8(bin?.type ?? PARTICLE.NULL);
    out.appendU8(0);
    out.appendU8(nameBytes.length);
    out.append(nameBytes);
    if (bin !== undefined) out.append(bin.bytes);
  }
  writeU16(out.bytes, at + 20, Math.min(changes.bins.size, 0xffff));
  writeRequest.decode(out.bytes, 0, out.length);
  return writeRequest;
}

function put(
  context: TransactionContext,
  namespace: Namespace,
  record: { set: SetInfo | undefined; voidTime: number },
): Step {
  const { request, exists, live } = context;
  const { entry, store, write } = namespace;
  const continues = live || (exists && entry.isTombstone);
  const keyStored = live && (entry.flags & ENTRY_FLAG.KEY_STORED) !== 0;
  write.digest = request.bytes;
  write.digestAt = context.digestAt;
  write.lastUpdateMs = store.nextLastUpdateMs(exists ? entry : undefined, record.set);
  write.generation = continues ? nextGeneration(entry.generation) : 1;
  write.voidTime = record.voidTime;
  write.set = record.set;
  const key = keyStored ? store.flat.key() : request.field(FIELD.KEY);
  write.key = changes.dropsKey ? undefined : key;
  const { generation } = write;
  const resultCode = store.put(write, entry, exists);
  if (resultCode === ResultCode.OUT_OF_SPACE) namespace.refusals.note(CAUSE.outOfSpace);
  if (resultCode !== ResultCode.OK) return refuse(context, namespace, resultCode);
  namespace.stats.udfLanguage.write[context.origin]++;
  context.finish(ResultCode.OK, generation, record.voidTime);
  return endChange(context, namespace, KIND.UDF);
}

/** Ends a call that the script has no say in. */
function refuse(context: TransactionContext, namespace: Namespace, resultCode: number): Step {
  const { entry } = namespace;
  const { live } = context;
  context.refuse(resultCode, live ? entry.generation : 0, live ? entry.voidTime : 0);
  namespace.stats.add(context.origin, KIND.UDF, resultCode);
  return STEP.DONE;
}
