/**
 * Particles: what a bin's value may be, and whether bytes from a client are a good one.
 * Source: wire-protocol reference, sections 4.3 to 4.6.
 *
 * @module
 */

import { readU16, ResultCode, utf8Decode } from "../base/mod.ts";
import { isMsgpackList, isMsgpackMap, msgpackSkip, PARTICLE } from "../wire/mod.ts";
import { isHll } from "./hll/layout.ts";

/** Bytes of a GeoJSON particle before its cells. */
const GEOJSON_HEADER_SIZE = 3;
/** Longest GeoJSON text, as the stock server limits it. */
const GEOJSON_SIZE_MAX = 1024 * 1024;

/** Whether values of a type are kept as two 32-bit words rather than as bytes. */
export function isNumberParticle(type: number): boolean {
  return type === PARTICLE.INTEGER || type === PARTICLE.FLOAT || type === PARTICLE.BOOL;
}

/** Whether a type is one of the blobs. */
export function isBlobParticle(type: number): boolean {
  return type === PARTICLE.BLOB || (type >= PARTICLE.JAVA_BLOB && type <= PARTICLE.ERLANG_BLOB) ||
    type === PARTICLE.VECTOR;
}

/**
 * Checks a value that a client wants to store.
 *
 * @param type particle type byte of the operation
 * @param bytes buffer that holds the value
 * @param at offset of the value
 * @param sizeBytes bytes of the value
 * @returns OK, or the result code of the refusal
 */
export function checkParticle(type: number, bytes: Uint8Array, at: number, sizeBytes: number): ResultCode {
  switch (type) {
    case PARTICLE.INTEGER:
      return sizeBytes === 8 || sizeBytes === 4 || sizeBytes === 2 || sizeBytes === 1
        ? ResultCode.OK
        : ResultCode.PARAMETER;
    case PARTICLE.FLOAT:
      return sizeBytes === 8 ? ResultCode.OK : ResultCode.PARAMETER;
    case PARTICLE.BOOL:
      return sizeBytes === 1 && bytes[at] <= 1 ? ResultCode.OK : ResultCode.PARAMETER;
    case PARTICLE.STRING:
      return ResultCode.OK;
    case PARTICLE.HLL:
      return isHll(bytes, at, sizeBytes) ? ResultCode.OK : ResultCode.PARAMETER;
    case PARTICLE.LIST:
    case PARTICLE.MAP:
      return isContainer(type, bytes.subarray(at, at + sizeBytes)) ? ResultCode.OK : ResultCode.UNKNOWN;
    case PARTICLE.GEOJSON:
      return isGeoJson(bytes.subarray(at, at + sizeBytes)) ? ResultCode.OK : ResultCode.GEO_INVALID_GEOJSON;
    default:
      return isBlobParticle(type) ? ResultCode.OK : ResultCode.PARAMETER;
  }
}

function isContainer(type: number, value: Uint8Array): boolean {
  if (value.length === 0) return false;
  const opens = type === PARTICLE.LIST ? isMsgpackList(value[0]) : isMsgpackMap(value[0]);
  return opens && msgpackSkip(value, 0, { end: value.length }) === value.length;
}

/** Geometries that the database understands. */
const GEOMETRIES = new Set(["Point", "Polygon", "MultiPolygon", "AeroCircle"]);

function isGeoJson(value: Uint8Array): boolean {
  if (value.length <= GEOJSON_HEADER_SIZE || value.length > GEOJSON_SIZE_MAX) return false;
  const textAt = GEOJSON_HEADER_SIZE + readU16(value, 1) * 8;
  if (textAt >= value.length) return false;
  let shape: unknown;
  try {
    shape = JSON.parse(utf8Decode(value.subarray(textAt)));
  } catch {
    return false;
  }
  return isGeometry(shape) || isFeature(shape);
}

function isFeature(shape: unknown): boolean {
  return typeof shape === "object" && shape !== null && "type" in shape && shape.type === "Feature" &&
    "geometry" in shape && isGeometry(shape.geometry);
}

function isGeometry(shape: unknown): boolean {
  return typeof shape === "object" && shape !== null && "type" in shape && typeof shape.type === "string" &&
    GEOMETRIES.has(shape.type) && "coordinates" in shape && Array.isArray(shape.coordinates) &&
    shape.coordinates.length > 0;
}
