/**
 * Whether one GeoJSON value lies in another. Source: collection reference, sections 9.4 and 9.5.
 *
 * @module
 */

import type { GeoShape } from "./geojson.ts";
import { pointAt, regionOf } from "./region.ts";

/**
 * Whether one of two shapes is a region that contains the other, a point. Two points or two regions never match.
 * Geometry has been loaded.
 */
export function isWithin(left: GeoShape, right: GeoShape): boolean {
  if (left.kind === "point") {
    return right.kind !== "point" && regionOf(right).containsPoint(pointAt(left.position));
  }
  return right.kind === "point" && regionOf(left).containsPoint(pointAt(right.position));
}
