/**
 * Refusals that writes, deletes and calls of functions meet alike, whatever their record.
 *
 * @module
 */

import { ResultCode } from "../base/mod.ts";
import { INFO1 } from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import type { Namespace, TransactionContext } from "./context.ts";

/**
 * Whether the namespace takes changes from where this one comes from, and can tell which change is newer.
 *
 * @returns OK, or FORBIDDEN. Source: clustering reference, sections 7.3, 14.7 and 16.
 */
export function checkGates({ request }: TransactionContext, namespace: Namespace): number {
  const { settings, stats, refusals } = namespace;
  const isShipped = (request.info1 & INFO1.XDR) !== 0;
  if (isShipped ? settings.rejectXdrWrites : settings.rejectNonXdrWrites) {
    stats.failXdrForbidden++;
    return refusals.note(isShipped ? CAUSE.shippedWrites : CAUSE.clientWrites);
  }
  return namespace.store.clockSkewStopsWrites ? refusals.note(CAUSE.clockSkew) : ResultCode.OK;
}
