/**
 * Regions on the sphere, made of what a GeoJSON text describes.
 *
 * @module
 */

import { geometry, type S2 } from "./geometry.ts";
import type { GeoShape, Position, Ring } from "./geojson.ts";

/** Radius of the Earth of circles, in metres; a value's own cells don't heed `earth-radius-meters`. */
const EARTH_RADIUS_M = 6_371_000;

/** A point of the sphere. */
export type SpherePoint = InstanceType<S2["Point"]>;
/** A cell of the sphere. */
export type SphereCell = InstanceType<S2["Cell"]>;

/** What a covering asks of a region. */
export interface Region {
  /** Whether a cell lies in it wholly. */
  containsCell(cell: SphereCell): boolean;
  /** Whether a cell has a part in it. */
  intersectsCell(cell: SphereCell): boolean;
  /** Whether a point lies in it. */
  containsPoint(point: SpherePoint): boolean;
  /** A circle around it. */
  capBound(): InstanceType<S2["Cap"]>;
}

/** The point at a position. */
export function pointAt([longitude, latitude]: Position): SpherePoint {
  const s2 = geometry();
  return s2.Point.fromLatLng(s2.LatLng.fromDegrees(latitude, longitude));
}

/** The region of a shape that is no point. */
export function regionOf(shape: Exclude<GeoShape, { kind: "point" }>): Region {
  const s2 = geometry();
  if (shape.kind === "circle") {
    return shape.radiusM < 0
      ? s2.Cap.emptyCap()
      : s2.Cap.fromCenterAngle(pointAt(shape.center), shape.radiusM / EARTH_RADIUS_M);
  }
  const polygons = shape.polygons.map(polygonOf);
  return polygons.length === 1 ? polygons[0] : new Union(polygons);
}

/** Rings may turn either way: each is taken as the smaller of the two parts that it cuts the sphere into. */
function polygonOf(rings: readonly Ring[]): Region & Bounded {
  const s2 = geometry();
  const loops = rings.map((ring) => {
    const loop = new s2.Loop(ring.map(pointAt));
    loop.normalize();
    return loop;
  });
  return loops.length === 1 ? loops[0] : new s2.Polygon(loops);
}

interface Bounded {
  rectBound(): InstanceType<S2["Rect"]>;
}

/** Several regions as one. */
class Union implements Region {
  readonly #parts: readonly (Region & Bounded)[];

  constructor(parts: readonly (Region & Bounded)[]) {
    this.#parts = parts;
  }

  containsCell(cell: SphereCell): boolean {
    return this.#parts.some((part) => part.containsCell(cell));
  }

  intersectsCell(cell: SphereCell): boolean {
    return this.#parts.some((part) => part.intersectsCell(cell));
  }

  containsPoint(point: SpherePoint): boolean {
    return this.#parts.some((part) => part.containsPoint(point));
  }

  capBound(): InstanceType<S2["Cap"]> {
    return this.#parts.map((part) => part.rectBound()).reduce((bound, rect) => bound.union(rect)).capBound();
  }
}
