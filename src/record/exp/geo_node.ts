/**
 * Geo comparison: whether one of two GeoJSON values is a region that contains the other, a point.
 * Source: the expression reference, section 9.5.
 *
 * @module
 */

import { type GeoShape, isGeometryLoaded, parseGeoJson, pointAt, type Region, regionOf } from "../geo/mod.ts";
import { type ExpNode, giveBool, type MaybeNode, type Run } from "./node.ts";
import { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import type { ExpScope } from "./scope.ts";
import { ExpValue } from "./value.ts";

/** Bytes that are looked at elsewhere in the time in which one byte of GeoJSON is read. */
const PARSE_WORK = 8;
/** Looking for edges that cross takes the square of a text's bytes; that many of these pairs cost as much as a byte. */
const PAIRS_PER_BYTE = 4096;

/** One side of a comparison. */
interface Side {
  readonly node: ExpNode;
  readonly value: ExpValue;
  /** Shape of a literal. */
  readonly literal: GeoShape | undefined;
  /** Region of a literal, made at the first need. */
  region: Region | undefined;
}

/**
 * Makes a geo comparison.
 *
 * @param bytes the expression that literals point into
 */
export function geoCompareNode(bytes: Uint8Array, args: readonly ExpNode[]): MaybeNode {
  if (args.some((node) => node.type !== EXP_TYPE.GEOJSON)) return undefined;
  const [left, right] = args.map((node) => sideOf(bytes, node));
  const run: Run = (scope, out) => {
    if (!isGeometryLoaded()) return UNKNOWN;
    const first = shapeOf(left, scope);
    const second = first === undefined ? undefined : shapeOf(right, scope);
    if (first === undefined || second === undefined) return UNKNOWN;
    if (first.kind === "point") {
      return giveBool(out, second.kind !== "point" && contains(right, second, first));
    }
    return giveBool(out, second.kind === "point" && contains(left, first, second));
  };
  return { type: EXP_TYPE.BOOL, run };
}

function sideOf(bytes: Uint8Array, node: ExpNode): Side {
  const { literal } = node;
  const shape = literal === undefined ? undefined : parseGeoJson(bytes, literal.at, literal.size);
  return { node, value: new ExpValue(), literal: shape, region: undefined };
}

/** The shape of a side; undefined when it is unknown, no GeoJSON that the database understands, or too much work. */
function shapeOf({ node, value, literal }: Side, scope: ExpScope): GeoShape | undefined {
  if (literal !== undefined) return literal;
  if (node.run(scope, value) !== EXP_TYPE.GEOJSON) return undefined;
  const { size } = value;
  if (!scope.spend(size * PARSE_WORK + size * size / PAIRS_PER_BYTE)) return undefined;
  return parseGeoJson(value.bytes, value.at, size);
}

type PointShape = Extract<GeoShape, { kind: "point" }>;

function contains(side: Side, shape: Exclude<GeoShape, PointShape>, point: PointShape): boolean {
  const region = side.region ?? regionOf(shape);
  if (side.literal !== undefined) side.region = region;
  return region.containsPoint(pointAt(point.position));
}
