/**
 * Where an index of cells is looked into for a shape: for a region in the cells that its covering's cells contain, which
 * are those of the points in it; for a point in the cells that contain it, which are those of the regions around it.
 * Source: collection reference, section 9.4.
 *
 * @module
 */

import { type CoverOptions, coverRegion } from "./cover.ts";
import type { GeoShape } from "./geojson.ts";
import { geometry } from "./geometry.ts";
import { pointAt, regionOf } from "./region.ts";

/** Ranges of cells, first and last, in ascending order without overlap. */
export type QueryCells = readonly (readonly [first: bigint, last: bigint])[];

const LEAF_LEVEL = 30;

/**
 * Ranges of cells for a shape; geometry has been loaded.
 *
 * @param covering of a region
 */
export function queryCells(shape: GeoShape, covering: CoverOptions): QueryCells {
  const { cellid } = geometry();
  if (shape.kind !== "point") {
    return coverRegion(regionOf(shape), covering).map((
      cell,
    ) => [cellid.rangeMin(cell), cellid.rangeMax(cell)]);
  }
  const leaf = cellid.fromPoint(pointAt(shape.position));
  const cells: bigint[] = [];
  for (let level = 0; level <= LEAF_LEVEL; level++) cells.push(cellid.parent(leaf, level));
  return cells.sort((left, right) => left < right ? -1 : 1).map((cell) => [cell, cell]);
}
