/**
 * Waiting until what a transaction has stored is synced (`commit-to-device`), without a session.
 *
 * @module
 */

import type { NamespaceStore } from "../storage/mod.ts";

/** Calls `done` once what the present transaction has written or shown is synced: at once when nothing waits for that. */
export function whenDurable(store: NamespaceStore, done: () => void): void {
  if (!store.hasHolds) return done();
  let waitCount = 1;
  const waiter = {
    onDurable: () => {
      if (--waitCount === 0) done();
    },
  };
  for (const unit of store.takeHolds()) if (unit.wait(waiter)) waitCount++;
  waiter.onDurable();
}
