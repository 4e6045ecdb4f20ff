/**
 * Histograms of remaining life and of record size, per namespace and per set, collected by a walk every
 * `nsup-hist-period` and shown by the info command `histogram`. Source: wire-protocol reference, section 9.11.
 *
 * A collection fills a fresh object, which replaces the shown one when the walk is done.
 *
 * @module
 */

import { Histogram } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "./background.ts";
import type { EntryRef } from "./entry.ts";
import { UNIT_SIZE_BYTES } from "./flat.ts";
import { LinearHistogram } from "./linear_histogram.ts";
import { RecordWalk } from "./record_walk.ts";
import { NO_SET } from "./sets.ts";
import type { NamespaceStore } from "./store.ts";

const TTL_BUCKET_COUNT = 100;
const SIZE_BUCKET_COUNT = 1024;

/** Answer to an unknown type. */
const UNKNOWN_TYPE = "ERROR:4:unknown hist name";
/** Answer while nothing was collected and nothing will be. */
const UNAVAILABLE = "hist-unavailable";

/** Histograms of one namespace or set. */
export class RecordHistograms {
  /** Remaining life of records with a void-time, in seconds. */
  readonly ttl: LinearHistogram = new LinearHistogram(TTL_BUCKET_COUNT, { bucketWidth: 1, adapts: true });
  /** Sizes by magnitude. */
  readonly size: Histogram = new Histogram();
  /** Sizes in equal steps up to max-record-size. */
  readonly sizeLinear: LinearHistogram;

  /** @param recordSizeMax largest record in bytes */
  constructor(recordSizeMax: number) {
    const bucketWidth = Math.max(1, Math.ceil(recordSizeMax / SIZE_BUCKET_COUNT));
    this.sizeLinear = new LinearHistogram(SIZE_BUCKET_COUNT, { bucketWidth, adapts: false });
  }

  /** Counts a record; `lifeS` is -1 when it lives for ever. */
  add(sizeBytes: number, lifeS: number): void {
    this.size.add(sizeBytes);
    this.sizeLinear.add(sizeBytes);
    if (lifeS >= 0) this.ttl.add(lifeS);
  }
}

/** The histograms that are shown. */
export class SizeHistograms {
  /** Called when a histogram is asked for before the first collection. */
  onDemand: (() => void) | undefined;
  #namespace: RecordHistograms | undefined;
  #sets: ReadonlyMap<number, RecordHistograms> = new Map();

  /** Replaces what is shown. */
  show(namespace: RecordHistograms, sets: ReadonlyMap<number, RecordHistograms>): void {
    this.#namespace = namespace;
    this.#sets = sets;
  }

  /**
   * The text of a histogram.
   *
   * @param type `ttl`, `object-size` or `object-size-linear`
   * @param setId of the set, 0 for the whole namespace
   * @returns the text, `hist-unavailable` before the first collection, or the error text for an unknown type
   */
  text(type: string, setId: number): string {
    const found = setId === NO_SET ? this.#namespace : this.#sets.get(setId);
    if (this.#namespace === undefined) this.onDemand?.();
    switch (type) {
      case "ttl":
        return found === undefined ? UNAVAILABLE : found.ttl.text("seconds");
      case "object-size-linear":
        return found === undefined ? UNAVAILABLE : found.sizeLinear.text("bytes");
      case "object-size":
        return found === undefined ? UNAVAILABLE : `units=bytes:${powersText(found.size)}`;
      default:
        return UNKNOWN_TYPE;
    }
  }
}

/** Buckets that hold something, as `[64-128)=N`. */
function powersText(histogram: Histogram): string {
  const parts: string[] = [];
  histogram.buckets.forEach((count, bucket) => {
    if (count > 0) parts.push(`[${bucket === 0 ? 0 : 2 ** (bucket - 1)}-${2 ** bucket})=${count}`);
  });
  return parts.join(":");
}

/** One collection. */
export class HistogramCollection implements BackgroundTask {
  readonly #store: NamespaceStore;
  readonly #namespace: RecordHistograms;
  readonly #sets = new Map<number, RecordHistograms>();
  readonly #walk: RecordWalk;
  readonly #nowS: number;

  /** @param store whose records */
  constructor(store: NamespaceStore) {
    this.#store = store;
    this.#nowS = Math.floor(store.nowMs() / 1000);
    this.#namespace = new RecordHistograms(store.settings.maxRecordSize);
    this.#walk = new RecordWalk(store, (entry) => {
      this.#add(entry);
      return undefined;
    });
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    if (!this.#walk.step(clock, deadlineMs)) return SLICE_PAUSE_MS;
    // Sets that exist but have no records show empty histograms.
    for (const set of this.#store.sets) this.#ofSet(set.id);
    this.#store.histograms.show(this.#namespace, this.#sets);
    return undefined;
  }

  #add(entry: EntryRef): void {
    if (!this.#store.isLive(entry, this.#nowS * 1000)) return;
    const sizeBytes = entry.sizeUnits * UNIT_SIZE_BYTES;
    const { voidTime, setId } = entry;
    const lifeS = voidTime === 0 ? -1 : Math.max(0, voidTime - this.#nowS);
    this.#namespace.add(sizeBytes, lifeS);
    if (setId !== NO_SET) this.#ofSet(setId).add(sizeBytes, lifeS);
  }

  #ofSet(setId: number): RecordHistograms {
    let histograms = this.#sets.get(setId);
    if (histograms === undefined) {
      histograms = new RecordHistograms(this.#store.settings.maxRecordSize);
      this.#sets.set(setId, histograms);
    }
    return histograms;
  }
}
