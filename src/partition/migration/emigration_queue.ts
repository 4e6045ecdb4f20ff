/**
 * Transfers that wait for their turn, and which is next:
 *
 * 1. of the namespace with the lowest `migrate-order`
 * 2. to another node than the last one, round robin by id
 * 3. needed by a final master before contingent before others
 * 4. with the fewest records
 *
 * A contingent transfer waits for the immigrations of its partition; one that only restores the number of copies waits
 * for the fill delay; one whose receiver said "again" waits for a second. Source: clustering reference, section 12.4.
 *
 * @module
 */

import type { NodeId } from "../../cluster/mod.ts";
import { EMIGRATION_FLAG } from "../balance.ts";
import type { EmigrationPlan } from "./emigration.ts";

interface Waiting {
  readonly plan: EmigrationPlan;
  readonly notBeforeMs: number;
}

/** When transfers may start. */
export interface PickOptions {
  readonly nowMs: number;
  /** Monotonic time before which transfers that only restore the number of copies do not start. */
  readonly fillMs: number;
}

/** See the head of the file. */
export class EmigrationQueue {
  #waiting = new Map<NodeId, Waiting[]>();
  #lastNode: NodeId = "";
  #count = 0;

  /** Transfers that wait. */
  get count(): number {
    return this.#count;
  }

  /** Forgets everything. */
  clear(): void {
    this.#waiting = new Map();
    this.#count = 0;
  }

  /** Adds a transfer. */
  add(plan: EmigrationPlan, notBeforeMs = 0): void {
    const list = this.#waiting.get(plan.to);
    if (list === undefined) this.#waiting.set(plan.to, [{ plan, notBeforeMs }]);
    else list.push({ plan, notBeforeMs });
    this.#count++;
  }

  /** Takes the next transfer that may start; undefined when there is none. */
  take(options: PickOptions): EmigrationPlan | undefined {
    const nodes = [...this.#waiting.keys()].sort();
    const first = nodes.findIndex((node) => node > this.#lastNode);
    const ring = first <= 0 ? nodes : [...nodes.slice(first), ...nodes.slice(0, first)];
    let best: { list: Waiting[]; index: number; order: number } | undefined;
    for (const node of ring) {
      const list = this.#waiting.get(node)!;
      const index = bestOf(list, options);
      if (index < 0) continue;
      const order = list[index].plan.namespace.settings.migrateOrder;
      if (best === undefined || order < best.order) best = { list, index, order };
    }
    if (best === undefined) return undefined;
    const { list, index } = best;
    const { plan } = list[index];
    list[index] = list[list.length - 1];
    list.pop();
    if (list.length === 0) this.#waiting.delete(plan.to);
    this.#lastNode = plan.to;
    this.#count--;
    return plan;
  }
}

/** Index of the transfer of one receiver that is next; -1 when none may start. */
function bestOf(list: readonly Waiting[], options: PickOptions): number {
  let best = -1;
  for (let index = 0; index < list.length; index++) {
    if (!mayStart(list[index], options)) continue;
    if (best < 0 || isBefore(list[index].plan, list[best].plan)) best = index;
  }
  return best;
}

function mayStart({ plan, notBeforeMs }: Waiting, { nowMs, fillMs }: PickOptions): boolean {
  const { namespace, partition, flags } = plan;
  if (nowMs < notBeforeMs) return false;
  const isFill = (flags & EMIGRATION_FLAG.LEAD) === 0 && !namespace.settings.ignoreMigrateFillDelay;
  if (isFill && nowMs < fillMs) return false;
  return (flags & EMIGRATION_FLAG.CONTINGENT) === 0 ||
    namespace.partitions.pendingImmigrations(partition) === 0;
}

function rank(flags: number): number {
  if ((flags & EMIGRATION_FLAG.LEAD) !== 0) return 0;
  return (flags & EMIGRATION_FLAG.CONTINGENT) !== 0 ? 1 : 2;
}

function isBefore(a: EmigrationPlan, b: EmigrationPlan): boolean {
  const byOrder = a.namespace.settings.migrateOrder - b.namespace.settings.migrateOrder;
  const byRank = rank(a.flags) - rank(b.flags);
  const records = (plan: EmigrationPlan) => plan.namespace.store.index.partitionEntryCounts[plan.partition];
  return (byOrder || byRank || records(a) - records(b) || a.id - b.id) < 0;
}
