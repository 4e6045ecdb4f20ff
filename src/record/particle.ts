/**
 * Particles: what a bin's value may be, and whether bytes from a client are a good one.
 * Source: wire-protocol reference, sections 4.3 to 4.6.
 *
 * @module
 */

import { ResultCode } from "../base/mod.ts";
import { isMsgpackList, isMsgpackMap, msgpackSkip, PARTICLE } from "../wire/mod.ts";
import { geoTextAt, parseGeoJson } from "./geo/mod.ts";
import { isHll } from "./hll/layout.ts";

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
      return isGeoJson(bytes, at, sizeBytes) ? ResultCode.OK : ResultCode.GEO_INVALID_GEOJSON;
    default:
      return isBlobParticle(type) ? ResultCode.OK : ResultCode.PARAMETER;
  }
}

function isContainer(type: number, value: Uint8Array): boolean {
  if (value.length === 0) return false;
  const opens = type === PARTICLE.LIST ? isMsgpackList(value[0]) : isMsgpackMap(value[0]);
  return opens && msgpackSkip(value, 0, { end: value.length }) === value.length;
}

function isGeoJson(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
  const textAt = geoTextAt(bytes, at, sizeBytes);
  return textAt >= 0 && parseGeoJson(bytes, textAt, at + sizeBytes - textAt) !== undefined;
}
