/**
 * Writes of one record: put, replace, operate, touch. Everything that can refuse is asked before anything changes; the
 * new record is stored in one step. Source: wire-protocol reference, section 4.12.
 *
 * Phases: check the message → wait behind a write of the same record → take better copies from duplicates (may suspend) →
 * check the record → ask the filter → load its bytes (may suspend) → apply the operations → store → send to the other
 * replicas (may defer the reply). A suspended write starts again from the first phase.
 *
 * @module
 */

import { assert, PLANTED, ResultCode, SET_NAME_SIZE_MAX } from "../base/mod.ts";
import { applyWrite, checkWrite, hasGeometry, NEEDS_GEOMETRY, type WriteShape } from "../record/mod.ts";
import { ENTRY_FLAG, LOADED, nextGeneration, type SetInfo } from "../storage/mod.ts";
import { FIELD, INFO2, INFO3 } from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import {
  checkKey,
  endChange,
  findRecord,
  generationAllows,
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
import { noteStorageRefusal, removeRecord } from "./remove.ts";
import { KIND } from "./stats.ts";
import { voidTimeOf } from "./ttl.ts";

/**
 * Runs a write; the reply's message is open.
 *
 * @returns DONE or DEFERRED with the message closed, or SUSPENDED with nothing changed
 */
export function runWrite(context: TransactionContext, namespace: Namespace): Step {
  const { request } = context;
  context.live = false;
  const shape = checkMessage(context, namespace);
  if (typeof shape === "number") return refuse(context, namespace, shape);
  if (shape.hasGeoJson && !hasGeometry(context.waiter)) return STEP.SUSPENDED;
  const admission = namespace.inFlight.admit(
    request.bytes,
    context.digestAt,
    context.waiter,
    namespace.settings.transactionPendingLimit,
  );
  if (admission === "queued") return STEP.SUSPENDED;
  if (admission === "busy") return refuse(context, namespace, namespace.refusals.note(CAUSE.keyBusy));
  if (!resolveForWrite(context, namespace, KIND.WRITE)) return STEP.SUSPENDED;
  const step = writeAdmitted(context, namespace, shape);
  if (step === STEP.SUSPENDED) namespace.inFlight.hold(request.bytes, context.digestAt, context.waiter);
  return step;
}

/** Refusals that don't depend on the record. */
function checkMessage(context: TransactionContext, namespace: Namespace): number | WriteShape {
  const { request } = context;
  if (request.has(FIELD.MRT_ID) || request.info4 !== 0) return ResultCode.ENTERPRISE_ONLY;
  const shape = checkWrite(request);
  if (typeof shape === "number") return shape;
  const gate = checkGates(context, namespace);
  if (gate !== ResultCode.OK) return gate;
  if (namespace.store.stopWrites) return namespace.refusals.note(CAUSE.stopWrites);
  if (namespace.settings.disallowNullSetname && !namesSet(request)) return ResultCode.PARAMETER;
  if (namesSet(request) && request.fieldSize[FIELD.SET] > SET_NAME_SIZE_MAX) return ResultCode.PARAMETER;
  return shape;
}

function writeAdmitted(context: TransactionContext, namespace: Namespace, shape: WriteShape): Step {
  const { request } = context;
  const { entry, store, table } = namespace;
  findRecord(context, namespace);
  const refusal = checkRecord(context, namespace, shape);
  if (refusal !== ResultCode.OK) return refuse(context, namespace, refusal);
  const filter = filterOf(request, namespace.scope);
  if (typeof filter === "number") return refuse(context, namespace, filter);
  if (filter !== undefined && context.live) {
    const filtered = askFilter(filter, context, namespace);
    if (filtered === FILTERED.PENDING) return STEP.SUSPENDED;
    if (filtered === FILTERED.OUT) return refuse(context, namespace, ResultCode.FILTERED_OUT);
    if (filtered === FILTERED.FAILED) return refuse(context, namespace, ResultCode.UNKNOWN);
  }
  const replaces = (request.info3 & (INFO3.CREATE_OR_REPLACE | INFO3.REPLACE_ONLY)) !== 0;
  let keyStored = context.live && (entry.flags & ENTRY_FLAG.KEY_STORED) !== 0;
  const needsBytes = context.live && (!replaces || keyStored || store.needsOldBytes);
  if (needsBytes) {
    const loaded = store.load(entry, context.waiter);
    if (loaded === LOADED.PENDING) return STEP.SUSPENDED;
    if (loaded === LOADED.FAILED) {
      if (!replaces) return refuse(context, namespace, ResultCode.UNKNOWN);
      // A record that can't be read may be replaced: that mends it. Its stored key is lost.
      keyStored = false;
    }
  }
  if (needsBytes && keyDiffers(request, store.flat.key())) {
    return refuse(context, namespace, ResultCode.KEY_MISMATCH);
  }
  const set = chooseSet(context, namespace);
  if (typeof set === "number") return refuse(context, namespace, set);
  const voidTime = voidTimeOf(request.recordTtl, namespace, {
    set,
    oldVoidTime: context.live ? entry.voidTime : undefined,
  });
  if (voidTime < 0) return refuse(context, namespace, -voidTime);
  table.reset(needsBytes ? store.flat.bytes : NO_BYTES, request.bytes);
  if (context.live && !replaces) store.flat.loadBins(table);
  table.valueSizeMaxBytes = namespace.settings.maxRecordSize;
  const applied = applyWrite(request, table, { reply: context.reply, scope: namespace.scope });
  if (applied === NEEDS_GEOMETRY) {
    context.reply.rewindMessage();
    hasGeometry(context.waiter);
    return STEP.SUSPENDED;
  }
  if (applied !== ResultCode.OK) return refuse(context, namespace, applied);
  if (table.binCount === 0) return endWithoutBins(context, namespace);
  return storeRecord(context, namespace, { set, voidTime, keyStored });
}

const NO_BYTES = new Uint8Array(0);

/** Refusals that depend on the record's entry alone, in the stock server's order. */
function checkRecord(context: TransactionContext, namespace: Namespace, shape: WriteShape): number {
  const { request } = context;
  const { entry } = namespace;
  const { live } = context;
  if (live && (request.info2 & INFO2.CREATE_ONLY) !== 0) return ResultCode.RECORD_EXISTS;
  if (!live && (request.info3 & (INFO3.UPDATE_ONLY | INFO3.REPLACE_ONLY)) !== 0) return ResultCode.NOT_FOUND;
  if (!live && shape.hasTouch) return ResultCode.NOT_FOUND;
  if (!generationAllows(request, live ? entry.generation : 0)) return ResultCode.GENERATION;
  if (live && setDiffers(context, entry)) return ResultCode.PARAMETER;
  return checkKey(request);
}

/** The record's set: what it has, or what the request names; a refusal when a limit of the set is reached. */
export function chooseSet(context: TransactionContext, namespace: Namespace): SetInfo | undefined | number {
  const { request } = context;
  const { store, settings, entry } = namespace;
  let set = context.live ? store.sets.byId(entry.setId) : context.set;
  if (!context.live && set === undefined && namesSet(request)) {
    set = store.sets.findOrCreate(request.bytes, request.fieldAt[FIELD.SET], request.fieldSize[FIELD.SET]);
    if (set === undefined) return namespace.refusals.note(CAUSE.tooManySets);
  }
  if (set === undefined) return undefined;
  const limits = settings.sets.get(set.name);
  if (limits === undefined) return set;
  if (!context.live && limits.stopWritesCount !== 0 && set.objects >= limits.stopWritesCount) {
    return namespace.refusals.note(CAUSE.setCountLimit);
  }
  if (limits.stopWritesSize !== 0 && set.dataUsedBytes > limits.stopWritesSize) {
    return namespace.refusals.note(CAUSE.setSizeLimit);
  }
  return set;
}

/** All bins are gone, or there never were any: the record is deleted, or was not there. */
function endWithoutBins(context: TransactionContext, namespace: Namespace): Step {
  if (!context.live) return refuse(context, namespace, ResultCode.NOT_FOUND);
  const resultCode = removeRecord(context, namespace);
  if (resultCode !== ResultCode.OK) return refuse(context, namespace, resultCode);
  namespace.stats.deletedLastBin++;
  context.finish(ResultCode.OK, 0, 0);
  return endChange(context, namespace, KIND.WRITE);
}

/** Stores the record that `namespace.table` holds. */
function storeRecord(
  context: TransactionContext,
  namespace: Namespace,
  record: { set: SetInfo | undefined; voidTime: number; keyStored: boolean },
): Step {
  const { request } = context;
  const { entry, store, table, write } = namespace;
  const { exists, live } = context;
  // A record that is created over a tombstone continues its generation, or older copies elsewhere might win over it.
  const continues = live || (exists && entry.isTombstone && !PLANTED.recreationRestartsGeneration);
  write.digest = request.bytes;
  write.digestAt = context.digestAt;
  write.lastUpdateMs = store.nextLastUpdateMs(exists ? entry : undefined, record.set);
  write.generation = continues ? nextGeneration(entry.generation) : 1;
  write.voidTime = record.voidTime;
  write.set = record.set;
  write.key = record.keyStored ? store.flat.key() : request.field(FIELD.KEY);
  assert(table.binCount > 0, "A record that is stored has bins");
  const generation = write.generation;
  const resultCode = store.put(write, entry, exists);
  if (resultCode !== ResultCode.OK) noteStorageRefusal(namespace, resultCode);
  if (resultCode !== ResultCode.OK) return refuse(context, namespace, resultCode);
  context.finish(ResultCode.OK, generation, record.voidTime);
  return endChange(context, namespace, KIND.WRITE);
}

/** Ends a write that changed nothing; a live record's generation and void-time go along. */
function refuse(context: TransactionContext, namespace: Namespace, resultCode: number): Step {
  const showsRecord = SHOWS_RECORD.has(resultCode) && context.live;
  const { entry } = namespace;
  context.refuse(resultCode, showsRecord ? entry.generation : 0, showsRecord ? entry.voidTime : 0);
  namespace.stats.add(context.origin, KIND.WRITE, resultCode);
  return STEP.DONE;
}

/** Refusals that are found with the record in hand. */
const SHOWS_RECORD: ReadonlySet<number> = new Set([
  ResultCode.UNKNOWN,
  ResultCode.GENERATION,
  ResultCode.RECORD_EXISTS,
  ResultCode.PARAMETER,
  ResultCode.BIN_EXISTS,
  ResultCode.INCOMPATIBLE_TYPE,
  ResultCode.RECORD_TOO_BIG,
  ResultCode.UNSUPPORTED_FEATURE,
  ResultCode.BIN_NOT_FOUND,
  ResultCode.KEY_MISMATCH,
  ResultCode.BIN_NAME,
  ResultCode.ELEMENT_NOT_FOUND,
  ResultCode.ELEMENT_EXISTS,
  ResultCode.OP_NOT_APPLICABLE,
  ResultCode.FILTERED_OUT,
]);
