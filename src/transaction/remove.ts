/**
 * Deletes of one record, and what a delete leaves behind. Source: wire-protocol reference, section 4.13.
 *
 * A delete leaves a tombstone when the client asks for a durable one, or when an older copy of the record may be on a
 * device or somewhere else and come back. Otherwise the entry goes at once.
 *
 * @module
 */

import { partitionId, PLANTED, ResultCode } from "../base/mod.ts";
import { ENTRY_FLAG, LOADED } from "../storage/mod.ts";
import { FIELD, INFO2 } from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import {
  endChange,
  findRecord,
  generationAllows,
  keyDiffers,
  type Namespace,
  resolveForWrite,
  setDiffers,
  STEP,
  type Step,
  type TransactionContext,
} from "./context.ts";
import { askFilter, FILTERED, filterOf } from "./filter.ts";
import { checkGates } from "./gates.ts";
import { KIND } from "./stats.ts";

const CLIENT = { origin: "client" } as const;

/**
 * Runs a delete; the reply's message is open.
 *
 * @returns DONE or DEFERRED with the message closed, or SUSPENDED with nothing changed
 */
export function runDelete(context: TransactionContext, namespace: Namespace): Step {
  const { request } = context;
  const { inFlight, settings } = namespace;
  const admission = inFlight.admit(
    request.bytes,
    context.digestAt,
    context.waiter,
    settings.transactionPendingLimit,
  );
  if (admission === "queued") return STEP.SUSPENDED;
  if (admission === "go" && !resolveForWrite(context, namespace, KIND.DELETE)) return STEP.SUSPENDED;
  const resultCode = admission === "busy"
    ? namespace.refusals.note(CAUSE.keyBusy)
    : tryDelete(context, namespace);
  if (resultCode === PENDING) {
    inFlight.hold(request.bytes, context.digestAt, context.waiter);
    return STEP.SUSPENDED;
  }
  context.finish(resultCode, 0, 0);
  if (resultCode === ResultCode.OK) return endChange(context, namespace, KIND.DELETE);
  namespace.stats.add(context.origin, KIND.DELETE, resultCode);
  return STEP.DONE;
}

const PENDING = -1;

function tryDelete(context: TransactionContext, namespace: Namespace): number {
  const { request } = context;
  const { entry, store } = namespace;
  if (request.has(FIELD.MRT_ID) || request.info4 !== 0) return ResultCode.ENTERPRISE_ONLY;
  const gate = checkGates(context, namespace);
  if (gate !== ResultCode.OK) return gate;
  const filter = filterOf(request, namespace.scope);
  if (typeof filter === "number") return filter;
  findRecord(context, namespace);
  if (!context.live) return ResultCode.NOT_FOUND;
  if (!generationAllows(request, entry.generation)) return ResultCode.GENERATION;
  if (setDiffers(context, entry)) return ResultCode.PARAMETER;
  if (filter !== undefined) {
    const filtered = askFilter(filter, context, namespace);
    if (filtered === FILTERED.PENDING) return PENDING;
    if (filtered === FILTERED.OUT) return ResultCode.FILTERED_OUT;
    if (filtered === FILTERED.FAILED) return ResultCode.UNKNOWN;
  }
  const checksKey = request.has(FIELD.KEY) && (entry.flags & ENTRY_FLAG.KEY_STORED) !== 0;
  if (checksKey || store.needsOldBytes) {
    const loaded = store.load(entry, context.waiter);
    if (loaded === LOADED.PENDING) return PENDING;
    // A record that can't be read may be deleted; a key that can't be read can't be compared.
    const isRead = loaded === LOADED.HERE;
    if (isRead && checksKey && keyDiffers(request, store.flat.key())) return ResultCode.KEY_MISMATCH;
  }
  return removeRecord(context, namespace);
}

/**
 * Removes the live record under `namespace.entry`, leaving a tombstone where one is needed.
 *
 * @returns OK, or OUT_OF_SPACE or DEVICE_OVERLOAD when the tombstone could not be stored
 */
export function removeRecord(context: TransactionContext, namespace: Namespace): ResultCode {
  const { request, digestAt } = context;
  const { entry, store, partitions } = namespace;
  const leavesTombstone = (request.info2 & INFO2.DURABLE_DELETE) !== 0 || store.space.keepsOldCopies ||
    partitions.mayHaveOtherCopies(partitionId(request.bytes, digestAt));
  if (!leavesTombstone || PLANTED.deleteLeavesNoTombstone) {
    store.remove(request.bytes, digestAt, entry, "client");
    return ResultCode.OK;
  }
  const resultCode = store.bury(request.bytes, digestAt, entry, CLIENT);
  if (resultCode !== ResultCode.OK) noteStorageRefusal(namespace, resultCode);
  return resultCode;
}

/** Says in the log why a record could not be stored. */
export function noteStorageRefusal(namespace: Namespace, resultCode: number): void {
  if (resultCode === ResultCode.OUT_OF_SPACE) namespace.refusals.note(CAUSE.outOfSpace);
  else if (resultCode === ResultCode.DEVICE_OVERLOAD) namespace.refusals.note(CAUSE.deviceOverload);
}
