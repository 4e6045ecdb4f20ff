/**
 * The GeoJSON particle.
 *
 * | offset    | bytes | field                                   |
 * | --------- | ----- | --------------------------------------- |
 * | 0         | 1     | flags: bit 0 set for a region           |
 * | 1         | 2     | n, number of cells                      |
 * | 3         | 8 n   | cells that the value lies in, ascending |
 * | 3 + 8 n   | rest  | the text as the client sent it          |
 *
 * Source: collection reference, sections 9.1 and 9.3.
 *
 * @module
 */

import { type ByteBuffer, copyBytes, readU16, writeU16, writeU32 } from "../../base/mod.ts";
import { type CoverOptions, coverRegion } from "./cover.ts";
import { type GeoShape, parseGeoJson } from "./geojson.ts";
import { geometry } from "./geometry.ts";
import { pointAt, regionOf } from "./region.ts";

/** Bytes before the cells. */
export const GEOJSON_HEADER_SIZE = 3;
const CELL_SIZE_BYTES = 8;
const REGION_FLAG = 0x01;

/** Coverings of stored regions; those of queries follow the configuration. */
const STORED_COVERING: CoverOptions = { minLevel: 1, maxLevel: 30, levelMod: 1, maxCells: 12 };

/** Offset of the text in a particle, -1 when the particle is too short for what its header says. */
export function geoTextAt(bytes: Uint8Array, at: number, sizeBytes: number): number {
  if (sizeBytes < GEOJSON_HEADER_SIZE) return -1;
  const headSize = GEOJSON_HEADER_SIZE + readU16(bytes, at + 1) * CELL_SIZE_BYTES;
  return headSize < sizeBytes ? at + headSize : -1;
}

/** The cells of a shape; geometry has been loaded. */
export function cellsOf(shape: GeoShape): bigint[] {
  if (shape.kind === "point") return [geometry().cellid.fromPoint(pointAt(shape.position))];
  return coverRegion(regionOf(shape), STORED_COVERING);
}

/**
 * Appends the particle of a text; geometry has been loaded.
 *
 * @returns bytes of the particle, 0 when the database does not understand the text
 */
export function appendGeoParticle(out: ByteBuffer, bytes: Uint8Array, at: number, sizeBytes: number): number {
  const shape = parseGeoJson(bytes, at, sizeBytes);
  if (shape === undefined) return 0;
  const cells = cellsOf(shape);
  const headSize = GEOJSON_HEADER_SIZE + cells.length * CELL_SIZE_BYTES;
  const start = out.reserve(headSize + sizeBytes);
  const to = out.bytes;
  to[start] = shape.kind === "point" ? 0 : REGION_FLAG;
  writeU16(to, start + 1, cells.length);
  cells.forEach((cell, index) => {
    const cellAt = start + GEOJSON_HEADER_SIZE + index * CELL_SIZE_BYTES;
    writeU32(to, cellAt, Number(cell >> 32n));
    writeU32(to, cellAt + 4, Number(cell & 0xffff_ffffn));
  });
  copyBytes(bytes, at, to, start + headSize, sizeBytes);
  out.length = start + headSize + sizeBytes;
  return headSize + sizeBytes;
}
