/**
 * From the TTL that a client sends to the void-time that is stored. Source: wire-protocol reference, section 2.7.
 *
 * @module
 */

import { ResultCode, TTL_MAX_S } from "../base/mod.ts";
import type { SetInfo } from "../storage/mod.ts";
import { TTL_DEFAULT, TTL_KEEP, TTL_NEVER } from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import type { Namespace } from "./context.ts";

/** A refusal, as a value that can't be a void-time. */
export const VOID_TIME_PARAMETER = -ResultCode.PARAMETER;
/** A refusal, as a value that can't be a void-time. */
export const VOID_TIME_FORBIDDEN = -ResultCode.FORBIDDEN;

/**
 * The void-time of a write.
 *
 * @param ttl as sent
 * @param write the set of the record, and the live record's void-time (undefined when the write creates the record)
 * @returns seconds since 2010, 0 for never, or one of the two negative refusals
 */
export function voidTimeOf(
  ttl: number,
  namespace: Namespace,
  write: { set: SetInfo | undefined; oldVoidTime: number | undefined },
): number {
  const { set, oldVoidTime } = write;
  if (ttl === TTL_KEEP && oldVoidTime !== undefined) return oldVoidTime;
  const lifeS = ttl === TTL_DEFAULT || ttl === TTL_KEEP
    ? defaultTtl(namespace, set)
    : ttl === TTL_NEVER
    ? 0
    : ttl;
  if (lifeS > TTL_MAX_S) return VOID_TIME_PARAMETER;
  const voidTime = lifeS === 0 ? 0 : Math.floor(namespace.store.nowMs() / 1000) + lifeS;
  if (voidTime !== 0 && namespace.settings.nsupPeriod === 0 && !namespace.settings.allowTtlWithoutNsup) {
    namespace.refusals.note(CAUSE.ttlWithoutExpiry);
    return VOID_TIME_FORBIDDEN;
  }
  const isReduction = oldVoidTime !== undefined && voidTime !== 0 &&
    (oldVoidTime === 0 || voidTime < oldVoidTime);
  if (!isReduction) return voidTime;
  if (namespace.settings.applyTtlReductions) {
    namespace.stats.ttlReductionsApplied++;
    return voidTime;
  }
  namespace.stats.ttlReductionsIgnored++;
  return oldVoidTime;
}

/** The default TTL of a set, in seconds; 0 for never. */
export function defaultTtl(namespace: Namespace, set: SetInfo | undefined): number {
  const own = set === undefined ? 0 : namespace.settings.sets.get(set.name)?.defaultTtl ?? 0;
  if (own === 0) return namespace.settings.defaultTtl;
  return own < 0 ? 0 : own;
}

/** Share of the original life below which a read lengthens it again, in percent; 0 for never, -1 for a bad request. */
export function readTouchPct(ttl: number, namespace: Namespace, set: SetInfo | undefined): number {
  if (ttl === TTL_NEVER) return 0;
  if (ttl > 100) return -1;
  if (ttl !== 0) return ttl;
  const own = set === undefined ? 0 : namespace.settings.sets.get(set.name)?.defaultReadTouchTtlPct ?? 0;
  if (own === 0) return namespace.settings.defaultReadTouchTtlPct;
  return own < 0 ? 0 : own;
}
