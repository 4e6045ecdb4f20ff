/**
 * From the fields that name an index and a range of values to where in which index a query looks.
 *
 * | bytes   | field INDEX_RANGE                             |
 * | ------- | --------------------------------------------- |
 * | 1       | ranges, always 1                              |
 * | 1 + n   | bin name; empty when the index is named in another way |
 * | 1       | particle type                                 |
 * | 4 + n   | begin: integer in 8 bytes, text, GeoJSON      |
 * | 4 + n   | end: of integers; otherwise not looked at     |
 *
 * What follows is ignored. Source: collection reference, section 10.4.
 *
 * @module
 */

import { BIN_NAME_SIZE_MAX, readU32, ResultCode, utf8Decode } from "../base/mod.ts";
import { type GeoShape, isGeometryLoaded, parseGeoJson, queryCells } from "../record/mod.ts";
import {
  COLLECTION,
  flipSign,
  hashed,
  hashValue,
  INDEXED_SIZE_MAX_BYTES,
  type ValueIndex,
} from "../sindex/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { FIELD, PARTICLE, type RecordRequest } from "../wire/mod.ts";

const RANGE_COUNT_AT = 0;
const NAME_SIZE_AT = 1;
const INTEGER_SIZE_BYTES = 8;
/** Radius with which circles are made into regions. */
const EARTH_RADIUS_M = 6_371_000;

/** Values from one to another, both included; upper words with their top bit turned over. */
export interface ValueRange {
  /** Upper word of the first value. */
  fromHigh: number;
  /** Lower word of the first value. */
  fromLow: number;
  /** Upper word of the last value. */
  toHigh: number;
  /** Lower word of the last value. */
  toLow: number;
}

/** What a query asks of an index. */
export interface IndexQuery {
  /** The index. */
  index: ValueIndex;
  /** Where to look, in ascending order; of GeoJSON they are known once geometry is loaded. */
  ranges: ValueRange[];
  /** Text or blob that the value must be equal to. */
  text: Uint8Array | undefined;
  /** Shape that contains the value or lies in it. */
  shape: GeoShape | undefined;
}

/** Whether a query names an index. */
export function namesIndex(request: RecordRequest): boolean {
  return request.has(FIELD.INDEX_NAME) || request.has(FIELD.INDEX_RANGE);
}

/** The parts of a range field. */
interface RangeField {
  binName: string;
  type: number;
  begin: Uint8Array;
  end: Uint8Array;
}

/**
 * Finds the index that a query names, and where in it to look.
 *
 * @param request names an index
 * @param setName set that the query names
 * @returns what is asked, or a result code
 */
export function planIndexQuery(
  request: RecordRequest,
  namespace: Namespace,
  setName: string | undefined,
): IndexQuery | number {
  const field = request.field(FIELD.INDEX_RANGE);
  const range = field === undefined ? undefined : readRange(field);
  if (range === undefined) return ResultCode.PARAMETER;
  const hasName = request.has(FIELD.INDEX_NAME);
  const hasExpression = request.has(FIELD.INDEX_EXPRESSION);
  if (hasName && (request.has(FIELD.INDEX_CONTEXT) || hasExpression)) return ResultCode.PARAMETER;
  if ((range.binName === "") !== (hasName || hasExpression)) return ResultCode.PARAMETER;
  const query: IndexQuery | number = rangesOf(range);
  if (typeof query === "number") return query;
  const index = findIndex(request, { namespace, range, setName });
  if (index === undefined) return ResultCode.SINDEX_NOT_FOUND;
  if (!index.isReady) return ResultCode.SINDEX_NOT_READABLE;
  query.index = index;
  return query;
}

function readRange(field: Uint8Array): RangeField | undefined {
  if (field.length < 2 || field[RANGE_COUNT_AT] !== 1) return undefined;
  const nameSize = field[NAME_SIZE_AT];
  const typeAt = NAME_SIZE_AT + 1 + nameSize;
  if (nameSize > BIN_NAME_SIZE_MAX || field.length < typeAt + 5) return undefined;
  const beginAt = typeAt + 5;
  const endSizeAt = beginAt + readU32(field, typeAt + 1);
  if (field.length < endSizeAt + 4) return undefined;
  const endAt = endSizeAt + 4;
  const end = endAt + readU32(field, endSizeAt);
  if (field.length < end) return undefined;
  return {
    binName: utf8Decode(field.subarray(NAME_SIZE_AT + 1, typeAt)),
    type: field[typeAt],
    begin: field.subarray(beginAt, endSizeAt),
    end: field.subarray(endAt, end),
  };
}

/** Where to look; the index is not known yet. */
function rangesOf({ type, begin, end }: RangeField): IndexQuery | number {
  const query = { index: undefined as unknown as ValueIndex, ranges: [] as ValueRange[] };
  switch (type) {
    case PARTICLE.INTEGER: {
      if (begin.length !== INTEGER_SIZE_BYTES || end.length !== INTEGER_SIZE_BYTES) {
        return ResultCode.PARAMETER;
      }
      const range = {
        fromHigh: flipSign(readU32(begin, 0)),
        fromLow: readU32(begin, 4),
        toHigh: flipSign(readU32(end, 0)),
        toLow: readU32(end, 4),
      };
      const isEmpty = range.fromHigh > range.toHigh ||
        (range.fromHigh === range.toHigh && range.fromLow > range.toLow);
      if (isEmpty) return ResultCode.PARAMETER;
      query.ranges.push(range);
      return { ...query, text: undefined, shape: undefined };
    }
    case PARTICLE.STRING:
    case PARTICLE.BLOB: {
      if (begin.length >= INDEXED_SIZE_MAX_BYTES) return ResultCode.PARAMETER;
      hashValue(begin, 0, begin.length);
      const [high, low] = [flipSign(hashed.high), hashed.low];
      query.ranges.push({ fromHigh: high, fromLow: low, toHigh: high, toLow: low });
      return { ...query, text: begin, shape: undefined };
    }
    case PARTICLE.GEOJSON: {
      const shape = parseGeoJson(begin, 0, begin.length);
      return shape === undefined ? ResultCode.PARAMETER : { ...query, text: undefined, shape };
    }
    default:
      return ResultCode.PARAMETER;
  }
}

function findIndex(
  request: RecordRequest,
  { namespace, range, setName }: { namespace: Namespace; range: RangeField; setName: string | undefined },
): ValueIndex | undefined {
  const { bytes, fieldAt } = request;
  const collection = request.has(FIELD.INDEX_TYPE) ? bytes[fieldAt[FIELD.INDEX_TYPE]] : COLLECTION.DEFAULT;
  const name = request.field(FIELD.INDEX_NAME);
  const { indexes } = namespace;
  if (name === undefined) {
    return indexes.find({
      setName,
      binName: range.binName === "" ? undefined : range.binName,
      type: range.type,
      collection,
      context: request.field(FIELD.INDEX_CONTEXT),
      expression: request.field(FIELD.INDEX_EXPRESSION),
    });
  }
  const index = indexes.byName(utf8Decode(name));
  const definition = index?.definition;
  if (definition?.kind !== "value" || definition.type !== range.type) return undefined;
  if (definition.collection !== collection) return undefined;
  const isOfSet = definition.setName === undefined || definition.setName === setName;
  return isOfSet ? index as ValueIndex : undefined;
}

/** Works out where to look for a shape; geometry has been loaded. */
export function fillGeoRanges(query: IndexQuery, namespace: Namespace): void {
  const { shape } = query;
  if (shape === undefined || query.ranges.length > 0 || !isGeometryLoaded()) return;
  const { geo2dsphereWithin: settings } = namespace.settings;
  const scaled = shape.kind === "circle"
    ? { ...shape, radiusM: shape.radiusM * EARTH_RADIUS_M / settings.earthRadiusMeters }
    : shape;
  query.shape = scaled;
  const { minLevel, maxLevel, levelMod, maxCells } = settings;
  const ranges = queryCells(scaled, { minLevel, maxLevel, levelMod, maxCells }).map(([first, last]) => ({
    fromHigh: flipSign(upper(first)),
    fromLow: lower(first),
    toHigh: flipSign(upper(last)),
    toLow: lower(last),
  }));
  query.ranges = ranges.sort((left, right) => left.fromHigh - right.fromHigh || left.fromLow - right.fromLow);
  if (shape.kind === "point") return;
  const { geoStats } = namespace.indexes;
  geoStats.reqs++;
  geoStats.cells += ranges.length;
}

function upper(cell: bigint): number {
  return Number(cell >> 32n);
}

function lower(cell: bigint): number {
  return Number(cell & 0xffff_ffffn);
}
