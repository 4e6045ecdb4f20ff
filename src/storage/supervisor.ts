/**
 * The namespace supervisor: starts background work when it is due. Expiry and eviction (`nsup.ts`), truncation, stopping
 * of writes, defragmentation, removal of old tombstones, histograms. Everything runs in slices (`background.ts`).
 *
 * A tick each second compares times and settings, so that every period can change while the node runs. Truncation and
 * defragmentation do not wait for it: the store calls when they are needed.
 *
 * @module
 */

import type { Clock, Host, Log, Timer } from "../port/mod.ts";
import { BackgroundRunner } from "./background.ts";
import { DefragmentationTask } from "./defragmentation.ts";
import { DiskDefragmentationTask } from "./disk/disk_defragmentation.ts";
import { NsupCycle } from "./nsup.ts";
import { HistogramCollection } from "./size_histograms.ts";
import { stopWritesReason } from "./stop_writes.ts";
import type { NamespaceStore } from "./store.ts";
import { TombRaid } from "./tomb_raider.ts";
import { DamageWalk } from "./disk/damage_walk.ts";
import { DiskTombRaid } from "./disk/tomb_scan.ts";
import { TruncationTask } from "./truncation.ts";

/** Time between two looks at what is due. */
const TICK_MS = 1000;
/** Time between two looks at the machine's memory; reading it costs a system call or two. */
const MEMORY_PERIOD_MS = 10_000;

/** What a supervisor needs. */
export interface SupervisorOptions {
  /** The records. */
  store: NamespaceStore;
  /** Time. */
  clock: Clock;
  /** The machine's memory. */
  host: Host;
  /** Lines about what was done. */
  log: Log;
  /** Whether tombstones may be removed now: false while migrations run. */
  mayRaidTombstones?: () => boolean;
  /**
   * Lets all nodes evict up to a void-time, in seconds since 2010: `Supervision.agreeEviction` is called on each when
   * they have agreed, here perhaps before this returns. Absent where there are no others.
   */
  agreeEviction?: (voidTime: number) => void;
}

/** Background work of one namespace. */
export class NamespaceSupervisor {
  readonly #store: NamespaceStore;
  readonly #clock: Clock;
  readonly #host: Host;
  readonly #log: Log;
  readonly #mayRaid: () => boolean;
  readonly #agreeEviction: (voidTime: number) => void;
  readonly #runner: BackgroundRunner;
  readonly #defragmentation: DefragmentationTask | DiskDefragmentationTask;
  readonly #truncation: TruncationTask;
  #cycle: NsupCycle | undefined;
  #raid: TombRaid | DiskTombRaid | undefined;
  #collection: HistogramCollection | undefined;
  #damageWalk: DamageWalk | undefined;
  #tickTimer: Timer | undefined;
  #nsupMs = 0;
  #raidMs = 0;
  #collectionMs = -Infinity;
  #memoryMs = -Infinity;
  #systemUsedPct = 0;
  #lowWaterPct = 0;

  /** @param options the store and the ports */
  constructor(options: SupervisorOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#host = options.host;
    this.#log = options.log;
    this.#mayRaid = options.mayRaidTombstones ?? (() => true);
    const { supervision } = options.store;
    this.#agreeEviction = options.agreeEviction ?? ((voidTime) => supervision.agreeEviction(voidTime));
    this.#runner = new BackgroundRunner(options.clock);
    this.#defragmentation = options.store.disk === undefined
      ? new DefragmentationTask(options.store)
      : new DiskDefragmentationTask(options.store);
    this.#truncation = new TruncationTask(options.store);
  }

  /** Starts background work. */
  start(): void {
    const nowMs = this.#clock.monotonicMs();
    const store = this.#store;
    this.#nsupMs = nowMs;
    this.#raidMs = nowMs;
    store.onTruncate = () => {
      this.#truncation.noteMark();
      this.#runner.start(this.#truncation);
    };
    store.space.onPressure = () => {
      if (this.#defragmentation.isNeeded) this.#runner.start(this.#defragmentation);
    };
    store.histograms.onDemand = () => this.#collect();
    if (store.checkpoint !== undefined) this.#runner.start(store.checkpoint);
    // A truncation that came before the start waits here.
    if (store.truncating || [...store.sets].some((set) => set.truncating)) store.onTruncate();
    this.#tick();
  }

  /** Stops background work where it is. */
  stop(): void {
    this.#tickTimer?.cancel();
    this.#runner.stop();
    this.#store.onTruncate = undefined;
    this.#store.space.onPressure = undefined;
    this.#store.histograms.onDemand = undefined;
  }

  /** Starts a cycle of expiry and eviction now, unless one is under way. */
  startCycle(): void {
    if (!this.#runCycle(false)) return;
    this.#nsupMs = this.#clock.monotonicMs();
  }

  /** Whether a cycle was started; not while one is under way. */
  #runCycle(followsAgreement: boolean): boolean {
    if (this.#cycle !== undefined && this.#runner.isRunning(this.#cycle)) return false;
    this.#cycle = new NsupCycle(this.#store, {
      startMs: this.#clock.monotonicMs(),
      log: this.#log,
      agreeEviction: this.#agreeEviction,
      followsAgreement,
    });
    this.#runner.start(this.#cycle);
    return true;
  }

  /** Evicts what others have evicted, too; what would be over by now is a matter of expiry. */
  #followEviction(): void {
    const { supervision } = this.#store;
    if (supervision.smdEvictVoidTime <= supervision.evictVoidTime) return;
    if (supervision.smdEvictVoidTime * 1000 > this.#store.nowMs()) this.#runCycle(true);
    else supervision.evictVoidTime = supervision.smdEvictVoidTime;
  }

  #tick(): void {
    this.#tickTimer = this.#clock.after(TICK_MS, () => this.#tick());
    const nowMs = this.#clock.monotonicMs();
    const { settings, space, tombstoneCount } = this.#store;
    this.#store.disk?.watch.tick();
    this.#judgeWrites(nowMs);
    const isDue = settings.nsupPeriod > 0 && nowMs - this.#nsupMs >= settings.nsupPeriod * 1000;
    if (!this.#store.clockSkewStopsWrites) {
      if (isDue) this.startCycle();
      else if (settings.nsupPeriod > 0) this.#followEviction();
    }
    if (settings.nsupHistPeriod > 0 && nowMs - this.#collectionMs >= settings.nsupHistPeriod * 1000) {
      this.#collect();
    }
    if (settings.tombRaiderPeriod > 0 && nowMs - this.#raidMs >= settings.tombRaiderPeriod * 1000) {
      this.#raidMs = nowMs;
      if (tombstoneCount > 0) this.#startRaid();
    }
    if (this.#lowWaterPct !== settings.storage.defragLwmPct) {
      this.#lowWaterPct = settings.storage.defragLwmPct;
      space.setLowWater(this.#lowWaterPct);
    }
    if (this.#defragmentation.isNeeded) this.#runner.start(this.#defragmentation);
    this.#lookForDamage();
  }

  /** Without other nodes, shadows and devices that are lost damage is met when records are asked for, which is soon enough. */
  #lookForDamage(): void {
    const { disk, mender } = this.#store;
    if (disk === undefined || disk.damage.blocks.size === 0) return;
    if (mender === undefined && !disk.hasShadows && !disk.watch.hasFailed) return;
    if (this.#damageWalk !== undefined && this.#runner.isRunning(this.#damageWalk)) return;
    this.#damageWalk = new DamageWalk(this.#store);
    this.#runner.start(this.#damageWalk);
  }

  #collect(): void {
    if (this.#collection !== undefined && this.#runner.isRunning(this.#collection)) return;
    this.#collectionMs = this.#clock.monotonicMs();
    this.#collection = new HistogramCollection(this.#store);
    this.#runner.start(this.#collection);
  }

  #startRaid(): void {
    if (this.#raid !== undefined && this.#runner.isRunning(this.#raid)) return;
    this.#raid = this.#store.disk === undefined
      ? new TombRaid(this.#store, this.#mayRaid)
      : new DiskTombRaid(this.#store, this.#mayRaid);
    this.#runner.start(this.#raid);
  }

  /** Stops client writes, or lets them in again. */
  #judgeWrites(nowMs: number): void {
    const store = this.#store;
    const { supervision } = store;
    if (nowMs - this.#memoryMs >= MEMORY_PERIOD_MS) {
      this.#memoryMs = nowMs;
      const { systemTotalBytes, systemFreeBytes } = this.#host.memory();
      this.#systemUsedPct = systemTotalBytes > 0 ? 100 - systemFreeBytes * 100 / systemTotalBytes : 0;
    }
    const reason = stopWritesReason(store, this.#systemUsedPct);
    const stops = reason !== undefined;
    supervision.stopWritesReason = reason ?? "";
    if (stops === store.stopWrites) return;
    store.stopWrites = stops;
    const prefix = `{${store.settings.name}}`;
    if (stops) this.#log.write("warning", "nsup", `${prefix} client writes are stopped: ${reason}`);
    else this.#log.write("info", "nsup", `${prefix} client writes are accepted again`);
  }
}
