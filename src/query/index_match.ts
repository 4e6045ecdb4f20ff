/**
 * Whether an entry of an index is one that a query sends its record for. The record's values are asked again: texts with
 * one hash may differ, cells reach over the edge of a region, and a record with several values in the range is sent for
 * the lowest of them only.
 *
 * @module
 */

import { type BinTable, type Element, type GeoShape, pointAt, type Region, regionOf } from "../record/mod.ts";
import { equalBytes } from "../base/mod.ts";
import { flipSign, hashed, hashValue, RecordValues } from "../sindex/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import type { IndexQuery, ValueRange } from "./index_range.ts";

/** Asks records of one query. */
export class IndexMatch {
  readonly #query: IndexQuery;
  readonly #namespace: Namespace;
  readonly #values = new RecordValues();
  #region: Region | undefined;
  #isFound = false;
  #lowestHigh = 0;
  #lowestLow = 0;

  /** @param query its ranges need not be known yet */
  constructor(query: IndexQuery, namespace: Namespace) {
    this.#query = query;
    this.#namespace = namespace;
  }

  /**
   * Whether the record is to be sent for an entry.
   *
   * @param table the record's bins
   * @param digestTail bytes 16 to 19 of its digest as a little-endian number
   * @param entry value of the entry, upper word with its top bit turned over
   */
  matches(
    record: { table: BinTable; digestTail: number },
    entry: { high: number; low: number },
  ): boolean {
    this.#isFound = false;
    this.#values.forEach(this.#query.index, record, this.#look);
    return this.#isFound && this.#lowestHigh === entry.high && this.#lowestLow === entry.low;
  }

  readonly #look = (element: Element): void => {
    const { text, shape: wanted } = this.#query;
    if (wanted !== undefined) {
      const shape = this.#values.shape(element);
      if (shape !== undefined && this.#fits(shape, wanted)) {
        this.#values.forEachCell(element, () => shape, this.#offer);
      }
    } else if (text === undefined) {
      this.#offer(element.high, element.low);
    } else if (
      element.size === text.length && equalBytes(element.bytes, element.at, text, 0, text.length)
    ) {
      hashValue(text, 0, text.length);
      this.#offer(hashed.high, hashed.low);
    }
  };

  /** Takes note of a value, if it is in the query's ranges and lower than those before. */
  readonly #offer = (signedHigh: number, signedLow: number): void => {
    const high = flipSign(signedHigh);
    const low = signedLow >>> 0;
    const isLower = !this.#isFound || high < this.#lowestHigh ||
      (high === this.#lowestHigh && low < this.#lowestLow);
    if (!isLower || !this.#query.ranges.some((range) => isInside(range, high, low))) return;
    this.#isFound = true;
    this.#lowestHigh = high;
    this.#lowestLow = low;
  };

  /** Whether a GeoJSON value is the point in the query's region, or the region around its point. */
  #fits(shape: GeoShape, wanted: GeoShape): boolean {
    if ((shape.kind === "point") === (wanted.kind === "point")) return false;
    const { settings, indexes: { geoStats } } = this.#namespace;
    const isStrict = settings.geo2dsphereWithin.strict;
    if (wanted.kind === "point") {
      return !isStrict || (shape.kind !== "point" && regionOf(shape).containsPoint(pointAt(wanted.position)));
    }
    if (shape.kind !== "point") return false;
    this.#region ??= regionOf(wanted);
    const isWithin = !isStrict || this.#region.containsPoint(pointAt(shape.position));
    if (isWithin) geoStats.points++;
    else geoStats.falsepos++;
    return isWithin;
  }
}

function isInside({ fromHigh, fromLow, toHigh, toLow }: ValueRange, high: number, low: number): boolean {
  if (high < fromHigh || (high === fromHigh && low < fromLow)) return false;
  return high < toHigh || (high === toHigh && low <= toLow);
}

/** Whether entries of a query are asked of their records at all; those of an index of plain integers are always right. */
export function needsMatch({ index, shape, text }: IndexQuery): boolean {
  const { collection, type } = index.definition;
  return type !== PARTICLE.INTEGER || collection !== 0 || shape !== undefined || text !== undefined;
}
