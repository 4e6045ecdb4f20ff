/**
 * Reads backup files piece by piece. What is wrong is said with the offset in the file; nothing is guessed.
 *
 * @module
 */

import { ByteBuffer, decodeBase64, utf8Decode } from "../../src/base/mod.ts";
import { PARTICLE } from "../../src/wire/mod.ts";
import {
  ASB_HEADER,
  ASB_HEADER_WITH_EXPRESSIONS,
  type AsbBin,
  type AsbIndexType,
  type AsbItem,
  type AsbRecord,
  BYTES_TOKENS,
} from "./asb.ts";

/** Largest item: a record with its bins in base64, or a module. */
const ITEM_SIZE_MAX_BYTES = 256 * 1024 * 1024;
const NAME_SIZE_MAX_BYTES = 4096;
const BIN_COUNT_MAX = 65_535;
const DIGEST_SIZE_BYTES = 20;
const SPACE = 0x20;
const LINE_FEED = 0x0a;
const BACKSLASH = 0x5c;
const TYPES_BY_TOKEN: ReadonlyMap<string, number> = new Map(
  [...BYTES_TOKENS].map(([type, token]) => [token, type]),
);

/** Floats that are no digits, in lower case: tools of the field write them in either case. */
const NAMED_FLOATS: ReadonlyMap<string, number> = new Map([
  ["nan", NaN],
  ["-nan", NaN],
  ["inf", Infinity],
  ["+inf", Infinity],
  ["-inf", -Infinity],
]);

/** What is wrong with a file. */
export class AsbFormatError extends Error {
  /** Name of the class. */
  override readonly name = "AsbFormatError";
}

/** Thrown inside when the bytes at hand end in the middle of an item. */
const INCOMPLETE = Symbol("incomplete");

/** See the head of the file. */
export class AsbReader {
  readonly #input = new ByteBuffer(64 * 1024);
  /** Offset in the file of the input's first byte. */
  #consumed = 0;
  /** Offset in the input of the item that is read next. */
  #itemAt = 0;
  #at = 0;
  /** Byte behind the last token. */
  #lastDelimiter = 0;
  #isStarted = false;

  /** Adds bytes of the file. */
  push(bytes: Uint8Array): void {
    this.#input.consume(this.#itemAt);
    this.#consumed += this.#itemAt;
    this.#itemAt = 0;
    this.#input.append(bytes);
    if (this.#input.length > ITEM_SIZE_MAX_BYTES) this.#fail("an item has more than 256 MiB");
  }

  /**
   * The next item; undefined when more bytes are needed.
   *
   * @throws {AsbFormatError} when the file is damaged or no backup
   */
  next(): AsbItem | undefined {
    this.#at = this.#itemAt;
    try {
      if (!this.#isStarted) {
        this.#header();
        this.#isStarted = true;
        this.#itemAt = this.#at;
      }
      if (this.#at === this.#input.length) return undefined;
      const item = this.#item();
      this.#itemAt = this.#at;
      return item;
    } catch (error) {
      if (error === INCOMPLETE) return undefined;
      throw error;
    }
  }

  /** @throws {AsbFormatError} when the file ends in the middle of an item */
  end(): void {
    if (this.#input.length > this.#itemAt || !this.#isStarted) {
      this.#fail("the file ends in the middle of an item");
    }
  }

  /** Any of the versions, which differ in one digit. */
  #header(): void {
    const complaint = "this is no backup of version 3.1 or 3.2";
    for (let index = 0; index < ASB_HEADER.length; index++) {
      const byte = this.#byte();
      if (
        byte !== ASB_HEADER.charCodeAt(index) && byte !== ASB_HEADER_WITH_EXPRESSIONS.charCodeAt(index)
      ) this.#fail(complaint);
    }
  }

  #item(): AsbItem {
    const mark = this.#byte();
    this.#expect(" ");
    switch (String.fromCharCode(mark)) {
      case "#":
        return this.#meta();
      case "*":
        return this.#global();
      case "+":
        return this.#record();
      default:
        return this.#fail(`a line begins with byte ${mark}, not with #, * or +`);
    }
  }

  #meta(): AsbItem {
    const word = this.#word();
    if (word === "first-file") return { kind: "first-file" };
    if (word !== "namespace") return this.#fail(`"# ${word}" is unknown`);
    return { kind: "namespace", name: this.#word() };
  }

  #global(): AsbItem {
    const what = this.#word();
    if (what === "i" || what === "e") {
      const [namespace, set, name, type, count, bin, dataType] = Array.from(
        { length: 7 },
        () => this.#word(),
      );
      const way = this.#lastDelimiter === SPACE ? this.#word() : undefined;
      const isExpression = what === "e";
      if (
        count !== "1" || !/^[NLKV]$/.test(type) || this.#lastDelimiter !== LINE_FEED ||
        isExpression && way === undefined
      ) return this.#fail("the line of a secondary index is malformed");
      const common = { kind: "index", namespace, set, name, type: type as AsbIndexType, dataType } as const;
      return isExpression
        ? { ...common, bin: "", context: undefined, expression: way }
        : { ...common, bin, context: way, expression: undefined };
    }
    if (what !== "u" || this.#word() !== "L") return this.#fail(`"* ${what}" is unknown`);
    const name = this.#word();
    const content = this.#sized();
    this.#expect("\n");
    return { kind: "module", name, content: content.slice() };
  }

  #record(): AsbRecord {
    let field = this.#word();
    let key: AsbRecord["key"];
    if (field === "k") {
      key = this.#key();
      field = this.#field();
    }
    if (field !== "n") return this.#fail(`"+ n" is missing, there is "+ ${field}"`);
    const namespace = this.#word();
    if (this.#field() !== "d") return this.#fail('"+ d" is missing');
    const digest = this.#base64(this.#word());
    if (digest.length !== DIGEST_SIZE_BYTES) return this.#fail("a digest has 20 bytes");
    let set = "";
    field = this.#field();
    if (field === "s") {
      set = this.#word();
      field = this.#field();
    }
    if (field !== "g") return this.#fail(`"+ g" is missing, there is "+ ${field}"`);
    const generation = this.#number(65_535);
    if (this.#field() !== "t") return this.#fail('"+ t" is missing');
    const voidTime = this.#number(0xffff_ffff);
    if (this.#field() !== "b") return this.#fail('"+ b" is missing');
    const bins: AsbBin[] = [];
    for (let count = this.#number(BIN_COUNT_MAX); count > 0; count--) bins.push(this.#bin());
    return { kind: "record", namespace, set, digest, key, generation, voidTime, bins };
  }

  #field(): string {
    this.#expect("+ ");
    return this.#word();
  }

  #key(): AsbRecord["key"] {
    const token = this.#word();
    switch (token) {
      case "I": {
        const value = this.#bigInt();
        return Number.isSafeInteger(Number(value)) ? Number(value) : value;
      }
      case "D":
        return { float: this.#float() };
      case "S": {
        const text = utf8Decode(this.#sized());
        this.#expect("\n");
        return text;
      }
      case "B":
      case "B!": {
        const bytes = this.#bytes(token === "B!");
        this.#expect("\n");
        return bytes;
      }
      default:
        return this.#fail(`"${token}" is no type of a key`);
    }
  }

  #bin(): AsbBin {
    this.#expect("- ");
    const token = this.#word();
    const name = this.#word();
    switch (token) {
      case "N":
        return { name, type: PARTICLE.NULL, bytes: new Uint8Array(0) };
      case "I":
        return {
          name,
          type: PARTICLE.INTEGER,
          bytes: eightBytes((view) => view.setBigInt64(0, this.#bigInt())),
        };
      case "D":
        return { name, type: PARTICLE.FLOAT, bytes: eightBytes((view) => view.setFloat64(0, this.#float())) };
      case "Z": {
        const word = this.#word();
        if (word !== "T" && word !== "F") return this.#fail(`a boolean is T or F, not "${word}"`);
        return { name, type: PARTICLE.BOOL, bytes: Uint8Array.of(word === "T" ? 1 : 0) };
      }
      case "S":
      case "G": {
        const bytes = this.#sized().slice();
        this.#expect("\n");
        return { name, type: token === "S" ? PARTICLE.STRING : PARTICLE.GEOJSON, bytes };
      }
      default: {
        const type = TYPES_BY_TOKEN.get(token.replace("!", ""));
        if (type === undefined) return this.#fail(`"${token}" is no type of a bin`);
        const bytes = this.#bytes(token.endsWith("!"));
        this.#expect("\n");
        return { name, type, bytes };
      }
    }
  }

  #bytes(isCompact: boolean): Uint8Array {
    const bytes = this.#sized();
    return isCompact ? bytes.slice() : this.#base64(utf8Decode(bytes));
  }

  #base64(text: string): Uint8Array {
    return decodeBase64(text) ?? this.#fail("base64 text is malformed");
  }

  /** A length and so many bytes; lent until the next item. */
  #sized(): Uint8Array {
    const size = this.#number(ITEM_SIZE_MAX_BYTES);
    if (this.#at + size > this.#input.length) throw INCOMPLETE;
    const bytes = this.#input.bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return bytes;
  }

  #number(max: number): number {
    const word = this.#word();
    const value = Number(word);
    return /^\d{1,10}$/.test(word) && value <= max
      ? value
      : this.#fail(`"${word}" is no number from 0 to ${max}`);
  }

  #bigInt(): bigint {
    const word = this.#word();
    if (!/^-?\d{1,19}$/.test(word)) return this.#fail(`"${word}" is no 64-bit integer`);
    const value = BigInt(word);
    return value === BigInt.asIntN(64, value) ? value : this.#fail(`${word} does not fit into 64 bits`);
  }

  #float(): number {
    const word = this.#word();
    const known = NAMED_FLOATS.get(word.toLowerCase());
    const value = known ?? Number(word);
    return known !== undefined || (word !== "" && !Number.isNaN(value))
      ? value
      : this.#fail(`"${word}" is no float`);
  }

  /** A token up to a space or line feed, which is taken too, without its escapes. */
  #word(): string {
    const { bytes, length } = this.#input;
    const start = this.#at;
    let escapeCount = 0;
    for (let at = start; at < length; at++) {
      const byte = bytes[at];
      if (byte === SPACE || byte === LINE_FEED) {
        this.#at = at + 1;
        this.#lastDelimiter = byte;
        const word = bytes.subarray(start, at);
        return utf8Decode(escapeCount === 0 ? word : unescape(word));
      }
      if (at - start > NAME_SIZE_MAX_BYTES) this.#fail("a token has more than 4 KiB");
      if (byte !== BACKSLASH) continue;
      escapeCount++;
      at++;
    }
    throw INCOMPLETE;
  }

  #byte(): number {
    if (this.#at >= this.#input.length) throw INCOMPLETE;
    return this.#input.bytes[this.#at++];
  }

  #expect(text: string, complaint = `${JSON.stringify(text)} is missing`): void {
    for (let index = 0; index < text.length; index++) {
      if (this.#byte() !== text.charCodeAt(index)) this.#fail(complaint);
    }
  }

  #fail(why: string): never {
    throw new AsbFormatError(`${why}, at byte ${this.#consumed + this.#at}`);
  }
}

function unescape(word: Uint8Array): Uint8Array {
  const plain: number[] = [];
  for (let at = 0; at < word.length; at++) {
    if (word[at] === BACKSLASH) at++;
    plain.push(word[at]);
  }
  return Uint8Array.from(plain);
}

function eightBytes(write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(8);
  write(new DataView(bytes.buffer));
  return bytes;
}
