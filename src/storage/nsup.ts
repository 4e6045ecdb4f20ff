/**
 * One cycle of the namespace supervisor: removes expired and truncated records, and evicts when a mark is exceeded.
 *
 * Phases: expire (one walk; when a mark is exceeded at its start, it also counts remaining lives) → evict (a second walk,
 * when the mark is still exceeded) → done. The depth of an eviction is told to all nodes, which evict as far: a cycle that
 * follows another node's has the second walk alone. Source: server-operations reference, 16 and 17.
 *
 * @module
 */

import type { ChangeOrigin, Clock, Log } from "../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "./background.ts";
import type { EntryRef } from "./entry.ts";
import { breachedMark, Evictable, evictionDepth, evictionHistogram } from "./eviction.ts";
import type { LinearHistogram } from "./linear_histogram.ts";
import { RecordWalk } from "./record_walk.ts";
import type { NamespaceStore } from "./store.ts";

/** How a cycle runs. */
export interface NsupCycleOptions {
  /** Monotonic time. */
  startMs: number;
  /** Where the outcome is told. */
  log: Log;
  /** Lets all nodes evict up to a void-time, in seconds since 2010; they may have agreed when the call returns, or later. */
  agreeEviction: (voidTime: number) => void;
  /** Only evicts, as far as the nodes have agreed. */
  followsAgreement?: boolean;
}

/** One cycle; made anew for each. */
export class NsupCycle implements BackgroundTask {
  readonly #store: NamespaceStore;
  readonly #agreeEviction: (voidTime: number) => void;
  readonly #log: Log;
  readonly #startMs: number;
  readonly #nowMs: number;
  readonly #nowS: number;
  readonly #objectCount: number;
  readonly #evictable: Evictable;
  readonly #lives: LinearHistogram | undefined;
  #walk: RecordWalk;
  #isEvicting = false;
  #expired = 0;
  #evicted = 0;

  /** @param store whose records */
  constructor(store: NamespaceStore, options: NsupCycleOptions) {
    this.#store = store;
    this.#agreeEviction = options.agreeEviction;
    this.#log = options.log;
    this.#startMs = options.startMs;
    this.#nowMs = store.nowMs();
    this.#nowS = Math.floor(this.#nowMs / 1000);
    this.#objectCount = store.objectCount;
    this.#evictable = new Evictable(store);
    store.supervision.hwmBreached = breachedMark(store) !== undefined;
    if (options.followsAgreement) {
      this.#walk = this.#follow();
      const { evictTtlS } = store.supervision;
      this.#write("info", `evicting records with less than ${evictTtlS} s to live, as the nodes have agreed`);
      return;
    }
    this.#lives = store.supervision.hwmBreached ? evictionHistogram(store.settings) : undefined;
    this.#walk = new RecordWalk(store, (entry) => this.#judgeExpiry(entry));
  }

  /** Begins to evict as far as the nodes have agreed. */
  #follow(): RecordWalk {
    const { supervision } = this.#store;
    supervision.evictVoidTime = supervision.smdEvictVoidTime;
    // A record with a void-time of exactly this second belongs to the first bucket that stays.
    supervision.evictTtlS = Math.max(0, supervision.evictVoidTime + 1 - this.#nowS);
    this.#isEvicting = true;
    return new RecordWalk(this.#store, (entry) => this.#judgeEviction(entry));
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    if (!this.#walk.step(clock, deadlineMs)) return SLICE_PAUSE_MS;
    if (!this.#isEvicting && this.#startEviction()) return SLICE_PAUSE_MS;
    this.#finish(clock.monotonicMs());
    return undefined;
  }

  #judgeExpiry(entry: EntryRef): ChangeOrigin | undefined {
    const store = this.#store;
    if (store.isTruncated(entry)) {
      store.supervision.truncatedObjects++;
      return "truncate";
    }
    if (entry.isTombstone) return undefined;
    if (store.isExpired(entry, this.#nowMs)) {
      if (store.isUnsettled?.(entry, "expiry") === true) return undefined;
      this.#expired++;
      return "expiry";
    }
    if (this.#lives !== undefined && this.#evictable.has(entry)) this.#lives.add(entry.voidTime - this.#nowS);
    return undefined;
  }

  #judgeEviction(entry: EntryRef): ChangeOrigin | undefined {
    const store = this.#store;
    if (entry.voidTime > store.supervision.evictVoidTime || !this.#evictable.has(entry)) return undefined;
    if (store.isUnsettled?.(entry, "eviction") === true) return undefined;
    this.#evicted++;
    return "eviction";
  }

  /** Whether there is something to evict; the walk is set up then. */
  #startEviction(): boolean {
    const { supervision, settings } = this.#store;
    const mark = breachedMark(this.#store);
    supervision.hwmBreached = mark !== undefined;
    if (mark === undefined || this.#lives === undefined) return false;
    const depth = evictionDepth(this.#lives, settings.evictTenthsPct);
    if ("refusal" in depth) {
      this.#write("warning", `${mark}, but nothing can be evicted: ${depth.refusal}`);
      return false;
    }
    this.#write("warning", `${mark}: evicting records with less than ${depth.ttlS} s to live`);
    const voidTime = this.#nowS + depth.ttlS - 1;
    if (voidTime > supervision.smdEvictVoidTime) this.#agreeEviction(voidTime);
    // What is agreed on later is followed then, as what another node has asked for.
    if (voidTime > supervision.smdEvictVoidTime) return false;
    this.#walk = this.#follow();
    return true;
  }

  #finish(endMs: number): void {
    const { supervision, settings, counts } = this.#store;
    const removed = this.#expired + this.#evicted;
    supervision.expiredObjects += this.#expired;
    supervision.evictedObjects += this.#evicted;
    supervision.nsupCycleMs = endMs - this.#startMs;
    supervision.nsupCycleDeletedPct = this.#objectCount === 0 ? 0 : removed * 100 / this.#objectCount;
    supervision.nsupCycleCount++;
    const tookTooLong = settings.nsupPeriod > 0 && supervision.nsupCycleMs > settings.nsupPeriod * 1000;
    this.#write(
      tookTooLong ? "warning" : removed > 0 ? "info" : "debug",
      `nsup-done: non-expirable ${counts.nonExpirable} expired ${this.#expired} evicted ${this.#evicted} ` +
        `evict-ttl ${this.#isEvicting ? supervision.evictTtlS : 0} total-ms ${
          Math.round(supervision.nsupCycleMs)
        }` +
        (tookTooLong ? ", longer than nsup-period; raise it" : ""),
    );
  }

  #write(level: "warning" | "info" | "debug", message: string): void {
    if (this.#log.enabled(level, "nsup")) {
      this.#log.write(level, "nsup", `{${this.#store.settings.name}} ${message}`);
    }
  }
}
