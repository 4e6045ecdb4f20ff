/**
 * The field's text format of backups: what it holds, and how it is written. A file is a header, meta lines (`#`), lines
 * about the cluster (`*`: secondary indexes and Lua modules), and records (`+` header lines, `-` bins). Names are escaped
 * with backslashes; texts and bytes have their length before them. Version 3.2 differs from 3.1 in one line more: an
 * index over an expression (`* e`). `asb_reader.ts` reads both.
 * Source: the format's public description with the stock backup tool.
 *
 * @module
 */

import { type ByteBuffer, encodeBase64, utf8 } from "../../src/base/mod.ts";
import type { UserKey } from "../../src/client/mod.ts";
import { PARTICLE } from "../../src/wire/mod.ts";

/** First line of a file. */
export const ASB_HEADER = "Version 3.1\n";
/** First line of a file that has indexes over expressions. */
export const ASB_HEADER_WITH_EXPRESSIONS = "Version 3.2\n";

/** What stands in the place of the bin in an index over an expression, as in the answer to `sindex-list`. */
export const NO_BIN = "null";

/** A bin as on the wire. */
export interface AsbBin {
  /** Its name. */
  readonly name: string;
  /** Particle type; GeoJSON holds its text alone. */
  readonly type: number;
  /** Value. */
  readonly bytes: Uint8Array;
}

/** A record. */
export interface AsbRecord {
  readonly kind: "record";
  /** Namespace that it was in. */
  readonly namespace: string;
  /** Set, empty for none. */
  readonly set: string;
  /** 20 bytes. */
  readonly digest: Uint8Array;
  /** The user's key, where it was stored; floats as objects, since whole ones would look like integers. */
  readonly key: UserKey | AsbFloatKey | undefined;
  /** 1 to 65535. */
  readonly generation: number;
  /** Seconds since 2010; 0 never. */
  readonly voidTime: number;
  /** Bins in their order. */
  readonly bins: readonly AsbBin[];
}

/** A key that is a float. */
export interface AsbFloatKey {
  /** Its value. */
  readonly float: number;
}

/** What an index is about. */
export type AsbIndexType = "N" | "L" | "K" | "V";

/** A secondary index. */
export interface AsbIndex {
  readonly kind: "index";
  /** Namespace. */
  readonly namespace: string;
  /** Set, empty for none. */
  readonly set: string;
  /** Name. */
  readonly name: string;
  /** N bin, L list elements, K map keys, V map values. */
  readonly type: AsbIndexType;
  /** Bin; empty for an expression. */
  readonly bin: string;
  /** N numeric, S string, G geo, B blob. */
  readonly dataType: string;
  /** Context in base64, where the index has one. */
  readonly context: string | undefined;
  /** Expression in base64, where the index is over one. */
  readonly expression: string | undefined;
}

/** A Lua module. */
export interface AsbModule {
  readonly kind: "module";
  /** File name. */
  readonly name: string;
  /** Source. */
  readonly content: Uint8Array;
}

/** Anything in a file. */
export type AsbItem =
  | AsbRecord
  | AsbIndex
  | AsbModule
  | { readonly kind: "namespace"; readonly name: string }
  | { readonly kind: "first-file" };

/** Tokens of values that are bytes, by particle type. */
export const BYTES_TOKENS: ReadonlyMap<number, string> = new Map<number, string>([
  [PARTICLE.BLOB, "B"],
  [7, "J"],
  [8, "C"],
  [9, "P"],
  [10, "R"],
  [11, "H"],
  [12, "E"],
  [PARTICLE.HLL, "Y"],
  [PARTICLE.MAP, "M"],
  [PARTICLE.LIST, "L"],
]);

/** What a backslash stands before in names. */
const SPECIAL = /[ \n\\]/;
const SPECIALS = /[ \n\\]/g;

/** Writes a file's parts into a buffer. */
export class AsbWriter {
  readonly #out: ByteBuffer;
  readonly #isCompact: boolean;
  /** Text that is not in the buffer yet: one long text is encoded faster than many short ones. */
  #pending = "";

  /** @param options `isCompact`: bytes are written as they are instead of in base64 */
  constructor(out: ByteBuffer, options: { readonly isCompact: boolean }) {
    this.#out = out;
    this.#isCompact = options.isCompact;
  }

  /**
   * Header and meta lines.
   *
   * @param options `isFirst`: the file is the backup's first; `hasExpressions`: indexes over expressions will follow
   */
  begin(namespace: string, options: { readonly isFirst: boolean; readonly hasExpressions?: boolean }): void {
    this.#text(`${options.hasExpressions ? ASB_HEADER_WITH_EXPRESSIONS : ASB_HEADER}# namespace `);
    this.#escaped(namespace);
    this.#text(options.isFirst ? "\n# first-file\n" : "\n");
    this.#flush();
  }

  /** A secondary index. */
  index(index: AsbIndex): void {
    this.#text(index.expression === undefined ? "* i " : "* e ");
    for (const part of [index.namespace, index.set, index.name]) {
      this.#escaped(part);
      this.#text(" ");
    }
    this.#text(`${index.type} 1 `);
    this.#escaped(index.expression === undefined ? index.bin : NO_BIN);
    const way = index.expression ?? index.context;
    this.#text(` ${index.dataType}${way === undefined ? "" : ` ${way}`}\n`);
    this.#flush();
  }

  /** A Lua module. */
  module(module: AsbModule): void {
    this.#text("* u L ");
    this.#escaped(module.name);
    this.#sized(" ", module.content);
    this.#text("\n");
    this.#flush();
  }

  /**
   * A record.
   *
   * @returns names of bins whose type the format does not have; they are left out
   */
  record(record: AsbRecord): string[] {
    const leftOut = record.bins.filter((bin) => !isWritable(bin.type)).map(({ name }) => name);
    this.#key(record.key);
    this.#text("+ n ");
    this.#escaped(record.namespace);
    this.#text(`\n+ d ${encodeBase64(record.digest)}\n`);
    if (record.set !== "") {
      this.#text("+ s ");
      this.#escaped(record.set);
      this.#text("\n");
    }
    this.#text(
      `+ g ${record.generation}\n+ t ${record.voidTime}\n+ b ${record.bins.length - leftOut.length}\n`,
    );
    for (const bin of record.bins) if (isWritable(bin.type)) this.#bin(bin);
    this.#flush();
    return leftOut;
  }

  #key(key: AsbRecord["key"]): void {
    if (key === undefined) return;
    this.#text("+ k ");
    if (typeof key === "string") this.#sized("S ", utf8(key));
    else if (key instanceof Uint8Array) this.#bytes("B", "", key);
    else if (typeof key === "object") this.#text(`D ${floatText(key.float)}`);
    else if (typeof key === "number" && !Number.isInteger(key)) this.#text(`D ${floatText(key)}`);
    else this.#text(`I ${key}`);
    this.#text("\n");
  }

  #bin({ name, type, bytes }: AsbBin): void {
    this.#text("- ");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    switch (type) {
      case PARTICLE.NULL:
        this.#named("N", name);
        break;
      case PARTICLE.INTEGER:
        this.#named("I", name);
        this.#text(` ${view.getBigInt64(0)}`);
        break;
      case PARTICLE.FLOAT:
        this.#named("D", name);
        this.#text(` ${floatText(view.getFloat64(0))}`);
        break;
      case PARTICLE.BOOL:
        this.#named("Z", name);
        this.#text(bytes[0] === 0 ? " F" : " T");
        break;
      case PARTICLE.STRING:
      case PARTICLE.GEOJSON:
        this.#named(type === PARTICLE.STRING ? "S" : "G", name);
        this.#sized(" ", bytes);
        break;
      default:
        this.#bytes(BYTES_TOKENS.get(type)!, name, bytes);
    }
    this.#text("\n");
  }

  #named(token: string, name: string): void {
    this.#text(`${token} `);
    this.#escaped(name);
  }

  /** Bytes of a bin, or of a key when there is no name. */
  #bytes(token: string, name: string, bytes: Uint8Array): void {
    this.#text(token + (this.#isCompact ? "!" : ""));
    if (name !== "") {
      this.#text(" ");
      this.#escaped(name);
    }
    if (this.#isCompact) return this.#sized(" ", bytes);
    const text = encodeBase64(bytes);
    this.#text(` ${text.length} ${text}`);
  }

  #sized(before: string, bytes: Uint8Array): void {
    this.#text(`${before}${bytes.length} `);
    this.#flush();
    this.#out.append(bytes);
  }

  #escaped(text: string): void {
    this.#text(SPECIAL.test(text) ? text.replaceAll(SPECIALS, "\\$&") : text);
  }

  #text(text: string): void {
    this.#pending += text;
  }

  #flush(): void {
    this.#out.appendText(this.#pending);
    this.#pending = "";
  }
}

function isWritable(type: number): boolean {
  return type === PARTICLE.NULL || type === PARTICLE.INTEGER || type === PARTICLE.FLOAT ||
    type === PARTICLE.BOOL ||
    type === PARTICLE.STRING || type === PARTICLE.GEOJSON || BYTES_TOKENS.has(type);
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "+inf" : "-inf";
  return Object.is(value, -0) ? "-0" : String(value);
}
