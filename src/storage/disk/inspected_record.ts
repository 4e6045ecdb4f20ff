/**
 * One record of a data file, for people: head, bins, sizes.
 *
 * @module
 */

import { fromHex, toHex, utf8Decode } from "../../base/mod.ts";
import type { Compute } from "../../port/mod.ts";
import { BinTable } from "../../record/mod.ts";
import { FlatRecord, flatSizeUnits, UNIT_SIZE_BYTES } from "../flat.ts";
import { measureFlat } from "../flat_check.ts";
import type { InspectedFault } from "./inspection.ts";
import { storedSize } from "./layout.ts";
import {
  COMPRESSION_METHOD,
  isCompressed,
  METHOD_NONE,
  methodOf,
  RecordCompression,
} from "./record_compression.ts";

/** A bin, without its value. */
export interface InspectedBin {
  /** Name. */
  name: string;
  /** Particle type, a number of the wire protocol. */
  particle: number;
  /** Bytes of the value. */
  sizeBytes: number;
}

/** Looks into one record after the other. */
export class RecordInspection {
  /** Number of the record's block. */
  block = 0;
  /** Offset of the record on the device. */
  offsetBytes = 0;
  /** Bytes that it takes on the device, with its trailer. */
  storedBytes = 0;
  /** The head. */
  readonly head: FlatRecord = new FlatRecord();
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #expanded: Uint8Array | undefined;
  readonly #compression: RecordCompression;
  readonly #table = new BinTable();

  /** @param compute expands records */
  constructor(compute: Compute) {
    const settings = { compression: "none", compressionLevel: 0, compressionAcceleration: 0 } as const;
    this.#compression = new RecordCompression(settings, compute);
  }

  /**
   * Looks at a record.
   *
   * @param bytes the block, decrypted; kept by reference
   * @param at offset of the record in it
   * @param place where it is on the device
   */
  open(bytes: Uint8Array, at: number, place: { block: number; offsetBytes: number }): void {
    this.block = place.block;
    this.offsetBytes = place.offsetBytes;
    this.storedBytes = storedSize(flatSizeUnits(bytes, at));
    this.#bytes = bytes;
    this.#at = at;
    this.head.open(bytes, at);
    this.#expanded = isCompressed(bytes, at) ? this.#compression.expand(bytes, at) : undefined;
  }

  /** Digest in hexadecimal. */
  get digest(): string {
    return toHex(this.#bytes.subarray(this.head.digestAt, this.head.digestAt + 20));
  }

  /** Whether the digest begins with some hexadecimal digits, an even number of them. */
  hasDigest(beginning: string): boolean {
    return fromHex(beginning).every((byte, index) => this.#bytes[this.head.digestAt + index] === byte);
  }

  /** Name of the set, empty for none. */
  get set(): string {
    const { setAt, setSize } = this.head;
    return setAt < 0 ? "" : utf8Decode(this.#bytes.subarray(setAt, setAt + setSize));
  }

  /** How the bins are compressed. */
  get compression(): "none" | keyof typeof COMPRESSION_METHOD | "unknown" {
    if (!isCompressed(this.#bytes, this.#at)) return "none";
    const number = methodOf(this.head);
    if (number === METHOD_NONE) return "none";
    const names = Object.keys(COMPRESSION_METHOD) as (keyof typeof COMPRESSION_METHOD)[];
    return names.find((name) => COMPRESSION_METHOD[name] === number) ?? "unknown";
  }

  /** Bytes of the flat record when it is expanded; undefined when it can't be. */
  get sizeBytes(): number | undefined {
    if (this.#expanded !== undefined) return this.#expanded.length;
    if (isCompressed(this.#bytes, this.#at)) return undefined;
    return flatSizeUnits(this.#bytes, this.#at) * UNIT_SIZE_BYTES;
  }

  /** The bins, undefined when the record can't be expanded. */
  bins(): InspectedBin[] | undefined {
    if (this.fault() !== undefined) return undefined;
    const bytes = this.#expanded ?? this.#bytes;
    const record = new FlatRecord();
    record.open(bytes, this.#expanded === undefined ? this.#at : 0);
    const table = this.#table;
    table.reset(bytes, bytes);
    record.loadBins(table);
    return Array.from({ length: table.rowCount }, (_, row) => {
      const nameAt = table.nameAt[row];
      return {
        name: utf8Decode(bytes.subarray(nameAt, nameAt + table.nameSize[row])),
        particle: table.type[row],
        sizeBytes: table.wireSize(row),
      };
    });
  }

  /** What is wrong with the form of the record, whose checksum is right. */
  fault(): InspectedFault | undefined {
    const { offsetBytes } = this;
    if (isCompressed(this.#bytes, this.#at) && this.#expanded === undefined) {
      return {
        offsetBytes,
        expected: "bins that expand to the size that their record names",
        found: `others (method ${this.compression})`,
      };
    }
    const bytes = this.#expanded ?? this.#bytes;
    const at = this.#expanded === undefined ? this.#at : 0;
    const end = at + flatSizeUnits(bytes, at) * UNIT_SIZE_BYTES;
    if (measureFlat(bytes, at, end) >= 0) return undefined;
    return { offsetBytes, expected: "a flat record", found: "fields that don't fit into it" };
  }
}
