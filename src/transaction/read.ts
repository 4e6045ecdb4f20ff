/**
 * Reads of one record: whole, header only, chosen bins. Source: wire-protocol reference, section 4.11.
 *
 * @module
 */

import { ResultCode } from "../base/mod.ts";
import { type Applied, applyRead, hasGeometry, NEEDS_GEOMETRY, replyAllBins } from "../record/mod.ts";
import { ENTRY_FLAG, LOADED } from "../storage/mod.ts";
import { FIELD, INFO1, OP } from "../wire/mod.ts";
import {
  findRecord,
  keyDiffers,
  type Namespace,
  setDiffers,
  STEP,
  type Step,
  type TransactionContext,
} from "./context.ts";
import { CAUSE } from "./causes.ts";
import { askFilter, FILTERED, filterOf } from "./filter.ts";
import { considerReadTouch } from "./read_touch.ts";
import { KIND, ORIGIN } from "./stats.ts";
import { readTouchPct } from "./ttl.ts";

/**
 * Runs a read; the reply's message is open.
 *
 * @returns DONE with the message closed, or SUSPENDED with nothing changed
 */
export function runRead(context: TransactionContext, namespace: Namespace): Step {
  const entry = namespace.entry;
  const { request } = context;
  const store = namespace.store;
  if (namespace.partitions.clusterSize > 1) {
    const admission = namespace.peers?.admitRead(context, namespace) ?? "go";
    if (admission === "queued") return STEP.SUSPENDED;
    if (admission === "busy") return end(context, namespace, namespace.refusals.note(CAUSE.keyBusy), false);
  }
  const filter = filterOf(request, namespace.scope);
  findRecord(context, namespace);
  const refusal = typeof filter === "number" ? filter : checkRead(context, namespace);
  if (typeof filter === "number" || refusal !== ResultCode.OK) return end(context, namespace, refusal, false);
  if (!context.live) return end(context, namespace, ResultCode.NOT_FOUND, false);
  if (setDiffers(context, entry)) return end(context, namespace, ResultCode.PARAMETER, true);
  if (filter !== undefined) {
    const filtered = askFilter(filter, context, namespace);
    if (filtered === FILTERED.PENDING) return STEP.SUSPENDED;
    if (filtered === FILTERED.OUT) return end(context, namespace, ResultCode.FILTERED_OUT, true);
    if (filtered === FILTERED.FAILED) return end(context, namespace, ResultCode.UNKNOWN, false);
  }
  const checksKey = request.has(FIELD.KEY) && (entry.flags & ENTRY_FLAG.KEY_STORED) !== 0;
  const headerOnly = (request.info1 & INFO1.GET_NO_BINS) !== 0;
  if (checksKey || !headerOnly) {
    const loaded = store.load(entry, context.waiter);
    if (loaded === LOADED.PENDING) return STEP.SUSPENDED;
    if (loaded === LOADED.FAILED) return end(context, namespace, ResultCode.UNKNOWN, false);
    if (keyDiffers(request, store.flat.key())) {
      return end(context, namespace, ResultCode.KEY_MISMATCH, true);
    }
  }
  const resultCode = headerOnly ? ResultCode.OK : replyBins(context, namespace);
  if (resultCode === NEEDS_GEOMETRY) {
    context.reply.rewindMessage();
    hasGeometry(context.waiter);
    return STEP.SUSPENDED;
  }
  if (resultCode === ResultCode.OK) considerReadTouch(context, namespace, entry);
  return end(context, namespace, resultCode, true);
}

/** Refusals that don't depend on the record. */
function checkRead(context: TransactionContext, namespace: Namespace): ResultCode {
  const { request } = context;
  if (request.has(FIELD.MRT_ID) || request.info4 !== 0) return ResultCode.ENTERPRISE_ONLY;
  if (readTouchPct(request.recordTtl, namespace, context.set) < 0) return ResultCode.PARAMETER;
  if ((request.info1 & (INFO1.GET_NO_BINS | INFO1.GET_ALL)) === 0 && request.opCount === 0) {
    return ResultCode.PARAMETER;
  }
  return ResultCode.OK;
}

function replyBins(context: TransactionContext, namespace: Namespace): Applied {
  const { request, reply } = context;
  const { table, store } = namespace;
  table.reset(store.flat.bytes, request.bytes);
  store.flat.loadBins(table);
  if ((request.info1 & INFO1.GET_ALL) !== 0) {
    replyAllBins(table, reply);
    return ResultCode.OK;
  }
  // Replies of pure reads in a batch carry operation 1 whatever was asked: clients rely on it.
  return applyRead(request, table, {
    reply,
    scope: namespace.scope,
    opOverride: context.origin === ORIGIN.BATCH ? OP.READ : 0,
  });
}

/** Ends a read; `showsRecord`: generation and void-time of the record go along. */
function end(
  context: TransactionContext,
  namespace: Namespace,
  resultCode: number,
  showsRecord: boolean,
): Step {
  const { entry } = namespace;
  const generation = showsRecord ? entry.generation : 0;
  const voidTime = showsRecord ? entry.voidTime : 0;
  if (resultCode === ResultCode.OK) context.finish(resultCode, generation, voidTime);
  else context.refuse(resultCode, generation, voidTime);
  namespace.stats.add(context.origin, KIND.READ, resultCode);
  return STEP.DONE;
}
