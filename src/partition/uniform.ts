/**
 * Uniform balance: every node gets the same number of copies and of masters, where hashing alone leaves shares that
 * differ by several percent. No algorithm for it is public; this one is ours.
 *
 * **Copies first, then columns.** What costs data is who holds a copy, not which of the holders is master. So first the
 * sets of holders are evened out, by moving as few copies as possible; then, with the sets fixed, masters are evened
 * out within them, then the second column, and so on. The second part moves no record.
 *
 * **Even is a matter of paths.** A node holds too much when a copy can go from it, over other nodes that pass on one of
 * theirs, to a node that holds at least two less. As long as such a path exists, the shortest one is used. When there is
 * none, the sum of squares of the loads is as small as racks and hosts allow (Harvey, Ladner, Lovász and Tamir,
 * "Semi-matchings for bipartite graphs and load balancing", 2006). Without racks, and with racks of equal size, loads
 * then differ by at most one; a small rack rightly holds more per node. A path that fails shows that all nodes which it
 * reached are done for good, so the work is small.
 *
 * **Little moves when the cluster changes.** The start is always the hashed placement, which changes as little as can be,
 * and which gives a node that returns what it had. Of all partitions that could go from A to B, first go those of which
 * B has data and A has none, so that what was moved for evenness before is moved again in the same way, at no cost; then
 * those in whose hashed row B stands early. When all data is in place, the next balance finds the same placement.
 *
 * All of it depends on hashed rows, numbers of racks and hosts, and exchanged versions; ties are broken by hashed numbers
 * of partitions and by order of node ids: every node computes the same.
 *
 * @module
 */

import { assert, PARTITION_COUNT } from "../base/mod.ts";
import type { Sites } from "./racks.ts";
import type { Sliced } from "./sliced.ts";

/** What {@linkcode makeUniform} is told beside the rows. */
export interface UniformOptions {
  /** Rows as hashed, before any rearrangement. */
  readonly natural: Uint8Array;
  readonly sites: Sites;
  /** Copies per partition. */
  readonly replicaCount: number;
  /** Number of the rack that has all masters; -1 is none. */
  readonly activeRack: number;
  /** Whether a node, by index, has data of a partition. */
  readonly hasData: (node: number, partition: number) => boolean;
}

/** Multiplier of Fibonacci hashing: it spreads neighbouring partitions. */
const MIX = 0x9e37_79b1;

const TIER = 0x100_0000_0000;
const RANK = 0x1_0000_0000;

const NOWHERE = -1;

/**
 * Evens out copies and masters, in slices.
 *
 * @param order rows: for each partition the nodes, those that take copies first; rearranged in place
 */
export function* makeUniform(order: Uint8Array, options: UniformOptions): Sliced<void> {
  const { replicaCount, sites } = options;
  if (replicaCount < sites.activeCount) yield* new CopyBalance(order, options).run();
  for (let column = 0; column < replicaCount - 1; column++) {
    yield* new ColumnBalance(order, options, column).run();
  }
}

/** A partition that could go to a node. */
interface Move {
  readonly cost: number;
  readonly partition: number;
  readonly to: number;
}

/** Moves units of load along the shortest paths until no path makes loads more even. */
abstract class PathBalance {
  protected readonly order: Uint8Array;
  protected readonly count: number;
  protected readonly options: UniformOptions;
  /** Place of each node in the hashed row of each partition. */
  protected readonly ranks: Uint8Array;
  protected readonly loads: Int32Array;
  /** For each node that the search reached: who gives to it, and which partition. */
  readonly #giver: Int32Array;
  readonly #given: Int32Array;
  readonly #bestCost: Float64Array;
  /** Moves that one node could make, while they are collected. */
  #collected: Move[] | undefined;

  constructor(order: Uint8Array, options: UniformOptions) {
    const count = options.sites.racks.length;
    this.order = order;
    this.count = count;
    this.options = options;
    this.ranks = rankNodes(options.natural, count);
    this.loads = new Int32Array(count);
    this.#giver = new Int32Array(count);
    this.#given = new Int32Array(count);
    this.#bestCost = new Float64Array(count);
  }

  /** Calls `offer` for each move of a partition away from a node that is allowed. */
  protected abstract eachMove(from: number): void;

  /** Moves one partition's unit. */
  protected abstract move(partition: number, from: number, to: number): void;

  *run(): Sliced<void> {
    yield* this.#shedAll();
    const done = Uint8Array.from(this.options.sites.active, (active) => 1 - active);
    for (let node = this.#mostLoaded(done); node !== NOWHERE; node = this.#mostLoaded(done)) {
      yield;
      const reached = [node];
      const taker = this.#search(node, reached);
      if (taker === NOWHERE) { for (const each of reached) done[each] = 1; }
      else this.#shift(node, taker);
    }
  }

  /** Nodes that are above the even share give to those below it: most of the work, without looking for paths. */
  *#shedAll(): Sliced<void> {
    const { active, activeCount } = this.options.sites;
    const total = this.loads.reduce((sum, load) => sum + load, 0);
    const low = Math.floor(total / activeCount);
    const high = Math.ceil(total / activeCount);
    const givers = [...active.keys()].filter((node) => active[node] === 1 && this.loads[node] > high);
    givers.sort((a, b) => this.loads[b] - this.loads[a] || a - b);
    for (const from of givers) {
      yield;
      this.#shed(from, { low, high });
    }
  }

  #shed(from: number, { low, high }: { low: number; high: number }): void {
    const moves: Move[] = [];
    this.#collected = moves;
    this.eachMove(from);
    this.#collected = undefined;
    moves.sort(byCost);
    const moved = new Set<number>();
    for (const { partition, to } of moves) {
      if (this.loads[from] <= high) return;
      if (this.loads[to] >= low || moved.has(partition)) continue;
      this.move(partition, from, to);
      this.loads[from]--;
      this.loads[to]++;
      moved.add(partition);
    }
  }

  #mostLoaded(done: Uint8Array): number {
    let most = NOWHERE;
    for (let node = 0; node < this.count; node++) {
      if (done[node] === 0 && (most === NOWHERE || this.loads[node] > this.loads[most])) most = node;
    }
    return most;
  }

  /** Looks, level by level, for the least loaded node that holds at least two less than `start`. */
  #search(start: number, reached: number[]): number {
    this.#giver.fill(NOWHERE);
    this.#giver[start] = start;
    for (let levelAt = 0; levelAt < reached.length;) {
      const levelEnd = reached.length;
      this.#bestCost.fill(Infinity);
      for (; levelAt < levelEnd; levelAt++) this.eachMove(reached[levelAt]);
      let taker = NOWHERE;
      for (let node = 0; node < this.count; node++) {
        if (this.#bestCost[node] === Infinity) continue;
        reached.push(node);
        if (taker === NOWHERE || this.loads[node] < this.loads[taker]) taker = node;
      }
      if (taker !== NOWHERE && this.loads[taker] <= this.loads[start] - 2) return taker;
    }
    return NOWHERE;
  }

  /** Notes that `partition` could move; of all moves to a node the cheapest is kept. */
  protected offer(partition: number, from: number, to: number): void {
    const { hasData } = this.options;
    const tier = (hasData(from, partition) ? 1 : 0) + (hasData(to, partition) ? 0 : 1);
    const rank = this.ranks[partition * this.count + to];
    const cost = tier * TIER + rank * RANK + (Math.imul(partition + 1, MIX) >>> 0);
    if (this.#collected !== undefined) {
      this.#collected.push({ cost, partition, to });
      return;
    }
    if (this.#giver[to] !== NOWHERE && this.#bestCost[to] === Infinity) return;
    if (cost >= this.#bestCost[to]) return;
    this.#bestCost[to] = cost;
    this.#giver[to] = from;
    this.#given[to] = partition;
  }

  #shift(start: number, taker: number): void {
    for (let to = taker; to !== start;) {
      const from = this.#giver[to];
      this.move(this.#given[to], from, to);
      to = from;
    }
    this.loads[start]--;
    this.loads[taker]++;
  }
}

function byCost(a: Move, b: Move): number {
  return a.cost - b.cost || a.to - b.to;
}

/** Place of each node in each row: the inverse of the rows. */
function rankNodes(natural: Uint8Array, count: number): Uint8Array {
  const ranks = new Uint8Array(natural.length);
  for (let base = 0; base < natural.length; base += count) {
    for (let place = 0; place < count; place++) ranks[base + natural[base + place]] = place;
  }
  return ranks;
}

/** Evens out how many copies each node holds. */
class CopyBalance extends PathBalance {
  /** 1 where a node holds a copy. */
  readonly #holds: Uint8Array;

  constructor(order: Uint8Array, options: UniformOptions) {
    super(order, options);
    this.#holds = new Uint8Array(order.length);
    for (let base = 0; base < order.length; base += this.count) {
      for (let replica = 0; replica < options.replicaCount; replica++) {
        const node = order[base + replica];
        this.#holds[base + node] = 1;
        this.loads[node]++;
      }
    }
  }

  protected override eachMove(from: number): void {
    const { activeCount } = this.options.sites;
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      const base = partition * this.count;
      if (this.#holds[base + from] === 0) continue;
      for (let place = this.options.replicaCount; place < activeCount; place++) {
        const to = this.order[base + place];
        if (this.#keepsSpread(base, from, to)) this.offer(partition, from, to);
      }
    }
  }

  /** Whether copies are in as many racks and on as many hosts when `to` takes the place of `from`. */
  #keepsSpread(base: number, from: number, to: number): boolean {
    const { racks, hosts } = this.options.sites;
    return this.#isNoMoreCrowded(base, racks, { from, to }) &&
      this.#isNoMoreCrowded(base, hosts, { from, to });
  }

  #isNoMoreCrowded(base: number, sites: Uint16Array, { from, to }: { from: number; to: number }): boolean {
    if (sites[from] === sites[to]) return true;
    return this.#use(base, sites, sites[to]) < this.#use(base, sites, sites[from]);
  }

  #use(base: number, sites: Uint16Array, site: number): number {
    let use = 0;
    for (let replica = 0; replica < this.options.replicaCount; replica++) {
      if (sites[this.order[base + replica]] === site) use++;
    }
    return use;
  }

  /** The taker gets the giver's place; the giver goes where the hashed row has it among those without a copy. */
  protected override move(partition: number, from: number, to: number): void {
    const base = partition * this.count;
    const fromPlace = this.order.indexOf(from, base);
    const toPlace = this.order.indexOf(to, base);
    assert(fromPlace < base + this.options.replicaCount, "the giver holds a copy");
    this.order[fromPlace] = to;
    this.order[toPlace] = from;
    this.#holds[base + from] = 0;
    this.#holds[base + to] = 1;
    const { replicaCount, sites } = this.options;
    this.#sortByRank(base, 0, replicaCount);
    this.#sortByRank(base, replicaCount, sites.activeCount);
  }

  #sortByRank(base: number, start: number, end: number): void {
    const part = this.order.subarray(base + start, base + end);
    part.sort((a, b) => this.ranks[base + a] - this.ranks[base + b]);
  }
}

/** Evens out how often each node stands in one column, without changing who holds copies. */
class ColumnBalance extends PathBalance {
  readonly #column: number;

  constructor(order: Uint8Array, options: UniformOptions, column: number) {
    super(order, options);
    this.#column = column;
    for (let base = 0; base < order.length; base += this.count) {
      if (column === 0) this.#takeActiveRack(base);
      this.loads[order[base + column]]++;
    }
  }

  #takeActiveRack(base: number): void {
    const { activeRack, replicaCount, sites } = this.options;
    for (let replica = 0; activeRack >= 0 && replica < replicaCount; replica++) {
      if (sites.racks[this.order[base + replica]] !== activeRack) continue;
      const node = this.order[base + replica];
      this.order.copyWithin(base + 1, base, base + replica);
      this.order[base] = node;
      return;
    }
  }

  protected override eachMove(from: number): void {
    const { activeRack, replicaCount, sites } = this.options;
    const keepsRack = this.#column === 0 && activeRack >= 0;
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      const base = partition * this.count;
      if (this.order[base + this.#column] !== from) continue;
      for (let replica = this.#column + 1; replica < replicaCount; replica++) {
        const to = this.order[base + replica];
        if (!keepsRack || sites.racks[to] === activeRack) this.offer(partition, from, to);
      }
    }
  }

  protected override move(partition: number, from: number, to: number): void {
    const base = partition * this.count;
    const place = this.order.indexOf(to, base);
    assert(this.order[base + this.#column] === from, "the giver stands in the column");
    this.order[place] = from;
    this.order[base + this.#column] = to;
  }
}
