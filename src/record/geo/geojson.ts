/**
 * GeoJSON texts: which ones the database understands, and what they describe.
 *
 * | type         | coordinates                                                                               |
 * | ------------ | ----------------------------------------------------------------------------------------- |
 * | Point        | `[longitude, latitude]` in degrees                                                        |
 * | Polygon      | rings, the outer one first, then holes; each closed, of four positions or more, not crossing itself |
 * | MultiPolygon | polygons                                                                                  |
 * | AeroCircle   | `[[longitude, latitude], radius in metres]`                                               |
 * | Feature      | one of these as its `geometry`                                                            |
 *
 * Source: collection reference, section 9.2.
 *
 * @module
 */

import { GEO_VERTEX_COUNT_MAX, utf8Decode } from "../../base/mod.ts";
import { crossesItself } from "./crossing.ts";

/** Longest GeoJSON text, as the stock server limits it. */
const GEOJSON_SIZE_MAX = 1024 * 1024;

/** Longitude and latitude in degrees. */
export type Position = readonly [longitude: number, latitude: number];

/** The vertices of a ring; the first is not repeated at the end. */
export type Ring = readonly Position[];

/** What a text describes. */
export type GeoShape =
  | { kind: "point"; position: Position }
  | { kind: "polygons"; polygons: readonly (readonly Ring[])[] }
  | { kind: "circle"; center: Position; radiusM: number };

/**
 * Reads a GeoJSON text.
 *
 * @returns what it describes, or undefined when the database does not understand it
 */
export function parseGeoJson(bytes: Uint8Array, at: number, sizeBytes: number): GeoShape | undefined {
  if (sizeBytes === 0 || sizeBytes >= GEOJSON_SIZE_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(utf8Decode(bytes.subarray(at, at + sizeBytes)));
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  if (value.type !== "Feature") return geometryOf(value);
  return isObject(value.geometry) ? geometryOf(value.geometry) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function geometryOf({ type, coordinates }: Record<string, unknown>): GeoShape | undefined {
  switch (type) {
    case "Point":
      return isPosition(coordinates) ? { kind: "point", position: coordinates } : undefined;
    case "Polygon":
      return polygonsOf([coordinates]);
    case "MultiPolygon":
      return Array.isArray(coordinates) ? polygonsOf(coordinates) : undefined;
    case "AeroCircle":
      return circleOf(coordinates);
    default:
      return undefined;
  }
}

function isPosition(value: unknown): value is Position {
  return Array.isArray(value) && value.length === 2 && isDegrees(value[0], 180) && isDegrees(value[1], 90);
}

function isDegrees(value: unknown, max: number): boolean {
  return typeof value === "number" && value >= -max && value <= max;
}

function circleOf(value: unknown): GeoShape | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [center, radiusM] = value;
  if (!isPosition(center) || typeof radiusM !== "number" || !Number.isFinite(radiusM)) return undefined;
  return { kind: "circle", center, radiusM };
}

/** A ring has its first position again at its end, so four positions are a triangle. */
const RING_POSITION_COUNT_MIN = 4;

function polygonsOf(values: readonly unknown[]): GeoShape | undefined {
  const polygons: Ring[][] = [];
  let vertexCount = 0;
  for (const value of values) {
    if (!Array.isArray(value) || value.length === 0) return undefined;
    const rings: Ring[] = [];
    for (const positions of value) {
      if (!Array.isArray(positions) || positions.length < RING_POSITION_COUNT_MIN) return undefined;
      vertexCount += positions.length;
      if (vertexCount > GEO_VERTEX_COUNT_MAX || !positions.every(isPosition)) return undefined;
      const first = positions[0];
      const last = positions[positions.length - 1];
      if (first[0] !== last[0] || first[1] !== last[1]) return undefined;
      const ring = positions.slice(0, -1);
      if (crossesItself(ring)) return undefined;
      rings.push(ring);
    }
    polygons.push(rings);
  }
  return polygons.length > 0 ? { kind: "polygons", polygons } : undefined;
}
