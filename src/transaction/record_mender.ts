/**
 * Records that this node can't read: damaged on their device, or on one that has failed. Their copies are asked for from
 * the nodes that may have them, as duplicate resolution does, and stored anew. Whoever asked for the record waits
 * meanwhile, and starts again.
 *
 * | answers | what follows |
 * | ------- | ------------ |
 * | the version that was lost, or a newer one | it is stored; done |
 * | no replica or duplicate has that | all other members are asked: a replica that is none any more may still have it |
 * | all members have answered, with older versions alone | the best is stored: what was newer is on no node |
 * | all have answered, nobody has one | hopeless for a while: readers get an error, never "not found" |
 * | not all have answered in time | the same |
 *
 * A tombstone is made anew from its entry. What is left of a copy that was given up is not mended. A record that is written
 * meanwhile needs no mending any more. A change of the cluster begins everything anew.
 *
 * @module
 */

import { MEND_COUNT_MAX, partitionId, ResultCode, toHex } from "../base/mod.ts";
import { nodeIdForLog } from "../cluster/mod.ts";
import {
  compareVersions,
  EntryRef,
  FlatRecord,
  LOADED,
  type Loaded,
  measureFlat,
  REPLACED,
  restoreRecord,
  restoreTombstone,
  type Waiter,
} from "../storage/mod.ts";
import { type ByteSpan, type NodeId, RW_OPERATION, type RwMessage } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";
import type { PeerTask } from "./peer_types.ts";
import type { PeerTransactions, RwAsk } from "./peers.ts";

/** Readers wait so long: less than a request may take, so that they are told what is wrong. */
const MEND_TIME_MS = 750;
/** Who has not answered is asked again after this time, doubling. */
const RETRY_MS = 50;
/** A record that could not be mended is not asked for again for so long. */
const HOPELESS_MS = 5000;

const entryHere = new EntryRef();
/** Whoever does not wait. */
const NOBODY: Waiter = { wake: () => {} };

/** Mends records of all namespaces of a node. */
export class RecordMender {
  readonly #peers: PeerTransactions;
  readonly #mendings = new Map<string, Mending>();

  /** @param peers sends and answers */
  constructor(peers: PeerTransactions) {
    this.#peers = peers;
    for (const namespace of peers.namespaces) {
      namespace.store.mender = { mend: (entry, waiter) => this.#mend(namespace, entry, waiter) };
    }
  }

  /** Records that are being mended, and those without hope that are remembered. */
  get count(): number {
    return this.#mendings.size;
  }

  /** Whether all members have just answered that they have no version of a record that can't be read here. */
  isLost(namespace: Namespace, digest: Uint8Array): boolean {
    return this.#mendings.get(nameOf(namespace, digest))?.isLost === true;
  }

  /** Other nodes may have what was asked for in vain before. */
  onCluster(): void {
    for (const mending of [...this.#mendings.values()]) mending.restart();
  }

  #mend(namespace: Namespace, entry: EntryRef, waiter: Waiter | undefined): Loaded {
    const { partitions } = namespace;
    const digest = new Uint8Array(20);
    entry.copyDigest(digest, 0);
    // What is left of a copy that was given up is about to be removed; made anew, a start would find it.
    if (!partitions.versions.exists(partitionId(digest))) return LOADED.FAILED;
    if (entry.isTombstone) return this.#renew(namespace, entry, waiter);
    if (partitions.clusterSize <= 1) return LOADED.FAILED;
    const name = nameOf(namespace, digest);
    let mending = this.#mendings.get(name);
    if (mending === undefined) {
      if (this.#mendings.size >= MEND_COUNT_MAX) return LOADED.FAILED;
      const onEnd = () => this.#mendings.delete(name);
      mending = new Mending(this.#peers, { namespace, digest, location: entry.location, onEnd });
      this.#mendings.set(name, mending);
      mending.begin();
    }
    if (mending.isHopeless) return LOADED.FAILED;
    if (waiter !== undefined) mending.waiters.add(waiter);
    return LOADED.PENDING;
  }

  /** A tombstone needs nobody: all that it says is in its entry. */
  #renew({ store }: Namespace, entry: EntryRef, waiter: Waiter = NOBODY): Loaded {
    const { location } = entry;
    if (!restoreTombstone(store, entry)) return LOADED.FAILED;
    store.disk?.damage.noteMended(location, "the index");
    return store.loadHere(entry, waiter);
  }
}

function nameOf({ settings }: Namespace, digest: Uint8Array): string {
  return `${settings.name}/${toHex(digest)}`;
}

/** What a {@linkcode Mending} is made of. */
interface MendingOptions {
  readonly namespace: Namespace;
  readonly digest: Uint8Array;
  /** Where the record is that can't be read. */
  readonly location: number;
  readonly onEnd: () => void;
}

/** One record. */
class Mending implements PeerTask, RwAsk {
  dueMs = Infinity;
  /** Nobody has it; the record is remembered until `dueMs`. */
  isHopeless = false;
  /** Not for want of an answer. */
  isLost = false;
  readonly waiters: Set<Waiter> = new Set();
  readonly #peers: PeerTransactions;
  readonly #options: MendingOptions;
  readonly #partition: number;
  readonly #waiting = new Set<NodeId>();
  /** Not replicas and duplicates alone are asked, but all members. */
  #asksAll = false;
  readonly #best = new FlatRecord();
  #bestFrom: NodeId | undefined;
  #deadlineMs = 0;
  #retryMs = RETRY_MS;
  #id = -1;

  constructor(peers: PeerTransactions, options: MendingOptions) {
    this.#peers = peers;
    this.#options = options;
    this.#partition = partitionId(options.digest);
  }

  begin(): void {
    const { peers, partitions } = { peers: this.#peers, partitions: this.#options.namespace.partitions };
    for (const node of partitions.otherHolders(this.#partition)) this.#waiting.add(node);
    const nowMs = peers.clock.monotonicMs();
    this.#deadlineMs = nowMs + MEND_TIME_MS;
    this.#retryMs = RETRY_MS;
    this.#id = peers.expect(this);
    this.#asksAll = false;
    if (this.#waiting.size === 0) this.#askAll();
    else this.#ask(nowMs);
  }

  /** Asks those that keep what they once had; the incomplete replica of a new row may have less. */
  #askAll(): void {
    if (this.#asksAll) return this.#takeBest();
    this.#asksAll = true;
    const { partitions } = this.#options.namespace;
    const asked = partitions.otherHolders(this.#partition);
    for (const node of partitions.others(this.#partition)) {
      if (!asked.includes(node)) this.#waiting.add(node);
    }
    if (this.#waiting.size === 0) return this.#takeBest();
    this.#retryMs = RETRY_MS;
    this.#ask(this.#peers.clock.monotonicMs());
  }

  /** The cluster has changed. */
  restart(): void {
    this.#peers.forget(this.#id);
    this.#waiting.clear();
    this.#bestFrom = undefined;
    this.isHopeless = this.isLost = false;
    if (!this.#isWanted()) return this.#end();
    this.begin();
    if (this.isHopeless) this.#wakeAll();
  }

  #ask(nowMs: number): void {
    const { namespace, digest } = this.#options;
    for (const node of this.#waiting) {
      const message = this.#peers.rwMessage(namespace, RW_OPERATION.DUPLICATE, this.#id);
      message.digest.set(digest);
      this.#peers.sendRw(node, message);
    }
    this.dueMs = Math.min(this.#deadlineMs, nowMs + this.#retryMs);
    this.#retryMs *= 2;
    this.#peers.timer.add(this);
  }

  /** Whether the record is still the one that can't be read; the shared entry points at it then. */
  #isWanted(): boolean {
    const { namespace, digest, location } = this.#options;
    return namespace.store.find(digest, 0, entryHere) && entryHere.location === location;
  }

  /** See {@linkcode RwAsk}. */
  onAck(from: NodeId, message: RwMessage): void {
    if (message.operation !== RW_OPERATION.DUPLICATE_ACK || !this.#waiting.has(from)) return;
    if (!this.#isWanted()) return this.#end();
    if (message.resultCode === ResultCode.OK && message.record.isPresent) {
      if (this.#take(message.record, from)) return;
    } else if (message.resultCode !== ResultCode.NOT_FOUND) {
      // It has one and can't read it, or is in another cluster for a moment: it is asked again.
      return;
    }
    this.#waiting.delete(from);
    if (this.#waiting.size === 0) this.#askAll();
  }

  /** Stores a copy that is as new as what was lost, or remembers it; whether all is done. */
  #take(span: ByteSpan, from: NodeId): boolean {
    const { bytes, at, end } = span;
    if (measureFlat(bytes, at, end) < 0) return false;
    const came = new FlatRecord();
    came.open(bytes, at);
    if (compareVersions(came, entryHere, "last-update-time") >= 0) {
      return this.#store({ bytes, at, end }, from);
    }
    if (this.#bestFrom === undefined || compareVersions(came, this.#best, "last-update-time") > 0) {
      this.#best.open(bytes.slice(at, end), 0);
      this.#bestFrom = from;
    }
    return false;
  }

  #takeBest(): void {
    const from = this.#bestFrom;
    if (from === undefined) {
      this.isLost = true;
      return this.#giveUp();
    }
    const { bytes } = this.#best;
    if (!this.#store({ bytes, at: 0, end: bytes.length }, from)) this.#giveUp();
  }

  #store(range: { bytes: Uint8Array; at: number; end: number }, from: NodeId): boolean {
    const { store } = this.#options.namespace;
    const outcome = restoreRecord(store, range, entryHere);
    if (outcome !== REPLACED.APPLIED) return false;
    this.#peers.noteLastUpdate(range);
    store.disk?.damage.noteMended(this.#options.location, `node ${nodeIdForLog(from)}`);
    this.#end();
    return true;
  }

  /** See {@linkcode PeerTask}. */
  onDue(nowMs: number): void {
    if (this.isHopeless || !this.#isWanted()) return this.#end();
    if (nowMs >= this.#deadlineMs) return this.#giveUp();
    this.#ask(nowMs);
  }

  /** See {@linkcode RwAsk}: the mender restarts it. */
  onCluster(): void {}

  #giveUp(): void {
    const { namespace, location } = this.#options;
    this.#peers.forget(this.#id);
    this.isHopeless = true;
    this.dueMs = this.#peers.clock.monotonicMs() + HOPELESS_MS;
    this.#peers.timer.add(this);
    namespace.store.disk?.damage.noteUnmended(location);
    this.#wakeAll();
  }

  #end(): void {
    this.#peers.forget(this.#id);
    this.#peers.timer.remove(this);
    this.#options.onEnd();
    this.#wakeAll();
  }

  #wakeAll(): void {
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const waiter of waiters) waiter.wake();
  }
}
