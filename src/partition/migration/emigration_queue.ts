/**
 * Transfers that wait for their turn, and which is next:
 *
 * 1. of the namespace with the lowest `migrate-order`
 * 2. to another node than the last one, round robin by id
 * 3. needed by a final master before contingent before others
 * 4. with the fewest records
 *
 * A contingent transfer waits for the immigrations of its partition; one that only restores the number of copies waits
 * for the fill delay; one whose receiver said "again" waits for a second, less just after a balance. Source: clustering reference, section 12.4.
 *
 * @module
 */

import type { NodeId } from "../../cluster/mod.ts";
import { EMIGRATION_FLAG } from "../balance.ts";
import type { EmigrationPlan } from "./emigration.ts";
import type { MigrationNamespace } from "./types.ts";

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

/**
 * See the head of the file. What may start is in a heap for each receiver; what waits for its partition is found by the
 * partition, and what waits for a time is looked at when the time has come. So a rebalance of thousands of partitions
 * costs little more than their number.
 */
export class EmigrationQueue {
  readonly #ready = new Map<NodeId, Waiting[]>();
  /** Contingent ones, by namespace and partition. */
  readonly #contingent = new Map<MigrationNamespace, Map<number, Waiting[]>>();
  #later: Waiting[] = [];
  #laterMs = Infinity;
  #lastNode: NodeId = "";
  #count = 0;

  /** Transfers that wait. */
  get count(): number {
    return this.#count;
  }

  /** Forgets everything. */
  clear(): void {
    this.#ready.clear();
    this.#contingent.clear();
    this.#later = [];
    this.#laterMs = Infinity;
    this.#count = 0;
  }

  /** Adds a transfer. */
  add(plan: EmigrationPlan, notBeforeMs = 0): void {
    this.#count++;
    this.#later.push({ plan, notBeforeMs });
    this.#laterMs = 0;
  }

  /** A partition has received everything that it waited for. */
  onReceived(namespace: MigrationNamespace, partition: number): void {
    const partitions = this.#contingent.get(namespace);
    const freed = partitions?.get(partition);
    if (freed === undefined || namespace.partitions.pendingImmigrations(partition) > 0) return;
    partitions!.delete(partition);
    for (const waiting of freed) this.#push(waiting);
  }

  /** Takes the next transfer that may start; undefined when there is none. */
  take(options: PickOptions): EmigrationPlan | undefined {
    if (options.nowMs >= this.#laterMs) this.#sortOut(options);
    const nodes = [...this.#ready.keys()].sort();
    const first = nodes.findIndex((node) => node > this.#lastNode);
    const ring = first <= 0 ? nodes : [...nodes.slice(first), ...nodes.slice(0, first)];
    let best: { heap: Waiting[]; order: number } | undefined;
    for (const node of ring) {
      const heap = this.#ready.get(node)!;
      const order = heap[0].plan.namespace.settings.migrateOrder;
      if (best === undefined || order < best.order) best = { heap, order };
    }
    if (best === undefined) return undefined;
    const { plan } = popHeap(best.heap);
    if (best.heap.length === 0) this.#ready.delete(plan.to);
    this.#lastNode = plan.to;
    this.#count--;
    return plan;
  }

  /** Puts what waited for its time where it belongs now. */
  #sortOut(options: PickOptions): void {
    const all = this.#later;
    this.#later = [];
    this.#laterMs = Infinity;
    for (const waiting of all) {
      const startMs = startTime(waiting, options);
      if (startMs > options.nowMs) {
        this.#later.push(waiting);
        this.#laterMs = Math.min(this.#laterMs, startMs);
      } else this.#place(waiting);
    }
  }

  #place(waiting: Waiting): void {
    const { namespace, partition, flags } = waiting.plan;
    const waits = (flags & EMIGRATION_FLAG.CONTINGENT) !== 0 &&
      namespace.partitions.pendingImmigrations(partition) > 0;
    if (!waits) return this.#push(waiting);
    let partitions = this.#contingent.get(namespace);
    if (partitions === undefined) this.#contingent.set(namespace, partitions = new Map<number, Waiting[]>());
    const list = partitions.get(partition);
    if (list === undefined) partitions.set(partition, [waiting]);
    else list.push(waiting);
  }

  #push(waiting: Waiting): void {
    const { to } = waiting.plan;
    let heap = this.#ready.get(to);
    if (heap === undefined) this.#ready.set(to, heap = []);
    pushHeap(heap, waiting);
  }
}

/** Monotonic time from which a transfer may start. */
function startTime({ plan, notBeforeMs }: Waiting, { fillMs }: PickOptions): number {
  const { namespace, flags } = plan;
  const isFill = (flags & EMIGRATION_FLAG.LEAD) === 0 && !namespace.settings.ignoreMigrateFillDelay;
  return isFill ? Math.max(notBeforeMs, fillMs) : notBeforeMs;
}

function pushHeap(heap: Waiting[], waiting: Waiting): void {
  let slot = heap.push(waiting) - 1;
  while (slot > 0) {
    const above = (slot - 1) >> 1;
    if (!isBefore(waiting.plan, heap[above].plan)) break;
    heap[slot] = heap[above];
    slot = above;
  }
  heap[slot] = waiting;
}

function popHeap(heap: Waiting[]): Waiting {
  const [first] = heap;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let slot = 0;
  for (;;) {
    let below = slot * 2 + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && isBefore(heap[below + 1].plan, heap[below].plan)) below++;
    if (!isBefore(heap[below].plan, last.plan)) break;
    heap[slot] = heap[below];
    slot = below;
  }
  heap[slot] = last;
  return first;
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
