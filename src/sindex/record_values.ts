/**
 * The values of one record that an index is of: what stands in the bin, where a context leads to, what an expression
 * gives; itself or each of its elements. Who builds the index and who asks whether an entry is right see the same ones.
 *
 * @module
 */

import { GEO_INDEXED_REGION_COUNT_MAX, GEO_INDEXED_SIZE_MAX_BYTES, readU16, utf8 } from "../base/mod.ts";
import {
  type BinTable,
  cellsOf,
  type Element,
  ElementReader,
  EXP_TYPE,
  ExpScope,
  ExpValue,
  GEOJSON_HEADER_SIZE,
  type GeoShape,
  geoTextAt,
  isGeometryLoaded,
  isNumberParticle,
  NO_FACTS,
  parseGeoJson,
  type RecordFacts,
} from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { COLLECTION } from "./definition.ts";
import type { ValueIndex } from "./secondary_index.ts";

/** Longest text or blob that is indexed; longer ones are passed over. */
export const INDEXED_SIZE_MAX_BYTES = 2048;
const CELL_SIZE_BYTES = 8;

/** Particle types of what expressions give; floats and the like are in no index. */
const PARTICLE_OF_EXP: ReadonlyMap<number, number> = new Map<number, number>([
  [EXP_TYPE.INT, PARTICLE.INTEGER],
  [EXP_TYPE.STRING, PARTICLE.STRING],
  [EXP_TYPE.BLOB, PARTICLE.BLOB],
  [EXP_TYPE.GEOJSON, PARTICLE.GEOJSON],
  [EXP_TYPE.LIST, PARTICLE.LIST],
  [EXP_TYPE.MAP, PARTICLE.MAP],
]);

/** Looks at the values of record after record. */
export class RecordValues {
  /** Cells of a GeoJSON value that stands in a bin itself; -1 for all others, whose cells have to be worked out. */
  cellCount = -1;
  /** Offset of these cells in the value's buffer. */
  cellsAt = 0;
  readonly #reader = new ElementReader();
  readonly #whole: Element = { type: 0, high: 0, low: 0, bytes: new Uint8Array(0), at: 0, size: 0 };
  readonly #facts = { ...NO_FACTS };
  readonly #value = new ExpValue();
  #scope: ExpScope | undefined;
  #index: ValueIndex | undefined;
  #visit: (element: Element) => void = () => {};
  #geoSizeBytes = 0;
  #geoRegionCount = 0;

  /**
   * Visits the values of a record, those of the index's type only. A text of GeoJSON is given without its head.
   *
   * @param table the record's bins
   * @param digestTail bytes 16 to 19 of the digest as a little-endian number
   * @param visit must not keep the element
   */
  forEach(
    index: ValueIndex,
    record: { table: BinTable; digestTail: number },
    visit: (element: Element) => void,
  ): void {
    const { definition } = index;
    this.cellCount = -1;
    this.#geoSizeBytes = 0;
    this.#geoRegionCount = 0;
    const isThere = definition.expression === undefined
      ? this.#readBin(index, record.table)
      : this.#evaluate(index, record);
    if (!isThere) return;
    let element = this.#whole;
    if (definition.context !== undefined) {
      if (!this.#reader.find(element, definition.context)) return;
      element = this.#reader.element;
    }
    this.#index = index;
    this.#visit = visit;
    if (definition.collection === COLLECTION.DEFAULT) this.#give(element);
    else this.#reader.forEach(element, definition.collection, this.#give);
  }

  /**
   * The shape of a GeoJSON value that is visited; asked once for each that is.
   *
   * @returns undefined when the database does not understand it, or it is beyond what an index takes in of one record
   */
  shape({ bytes, at, size }: Element): GeoShape | undefined {
    const isInside = this.cellCount < 0;
    this.#geoSizeBytes += size;
    if (isInside && this.#geoSizeBytes > GEO_INDEXED_SIZE_MAX_BYTES) return undefined;
    const shape = parseGeoJson(bytes, at, size);
    const isRegion = shape !== undefined && shape.kind !== "point";
    if (!isInside || !isRegion) return shape;
    return ++this.#geoRegionCount > GEO_INDEXED_REGION_COUNT_MAX ? undefined : shape;
  }

  /**
   * Visits the cells that a GeoJSON value lies in, in two words each.
   *
   * @param shape of the value
   */
  forEachCell(
    element: Element,
    shape: () => GeoShape | undefined,
    visit: (high: number, low: number) => void,
  ): void {
    if (this.cellCount >= 0) {
      const view = new DataView(element.bytes.buffer, element.bytes.byteOffset);
      for (
        let at = this.cellsAt;
        at < this.cellsAt + this.cellCount * CELL_SIZE_BYTES;
        at += CELL_SIZE_BYTES
      ) {
        visit(view.getUint32(at), view.getUint32(at + 4));
      }
      return;
    }
    const known = isGeometryLoaded() ? shape() : undefined;
    if (known === undefined) return;
    for (const cell of cellsOf(known)) visit(Number(cell >> 32n), Number(cell & 0xffff_ffffn));
  }

  readonly #give = (element: Element): void => {
    const { type } = this.#index!.definition;
    if (element.type !== type) return;
    const isText = type === PARTICLE.STRING || type === PARTICLE.BLOB;
    if (isText && element.size > INDEXED_SIZE_MAX_BYTES) return;
    this.#visit(element);
  };

  #readBin(index: ValueIndex, table: BinTable): boolean {
    const name = index.binName;
    const row = table.find(name, 0, name.length);
    if (row < 0) return false;
    const whole = this.#whole;
    const type = table.type[row];
    whole.type = type;
    if (isNumberParticle(type)) {
      whole.high = table.high[row];
      whole.low = table.low[row];
      return true;
    }
    whole.bytes = table.valueBuffer(row);
    whole.at = table.valueAt[row];
    whole.size = table.valueSize[row];
    if (type === PARTICLE.GEOJSON) this.#skipCells();
    return true;
  }

  #skipCells(): void {
    const whole = this.#whole;
    const textAt = geoTextAt(whole.bytes, whole.at, whole.size);
    if (textAt < 0) {
      whole.type = PARTICLE.NULL;
      return;
    }
    this.cellCount = readU16(whole.bytes, whole.at + 1);
    this.cellsAt = textAt - this.cellCount * CELL_SIZE_BYTES;
    whole.size -= GEOJSON_HEADER_SIZE + this.cellCount * CELL_SIZE_BYTES;
    whole.at = textAt;
    // A value that was taken out of a list has no cells of its own.
    if (this.cellCount === 0) this.cellCount = -1;
  }

  #evaluate(index: ValueIndex, record: { table: BinTable; digestTail: number }): boolean {
    const scope = this.#scope ??= new ExpScope(this.#facts satisfies RecordFacts, record.table);
    this.#facts.digestTail = record.digestTail;
    scope.table = record.table;
    scope.hasBins = true;
    scope.beginWork();
    const value = this.#value;
    const whole = this.#whole;
    const type = PARTICLE_OF_EXP.get(index.program!.run(scope, value));
    if (type === undefined) return false;
    whole.type = type;
    whole.high = value.high;
    whole.low = value.low;
    whole.bytes = value.bytes;
    whole.at = value.at;
    whole.size = value.size;
    return true;
  }
}

/** A bin's name as bytes. */
export function binNameBytes(name: string | undefined): Uint8Array {
  return utf8(name ?? "");
}
