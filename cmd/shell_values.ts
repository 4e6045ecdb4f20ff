/**
 * Words and values of the shell's language. A value is JSON with a few liberties: names of maps and simple texts need no
 * quotes, text may stand in single quotes, integers have 64 bits, and what JSON lacks is written as an object with one
 * name that begins with `$`:
 *
 * | written                | value                                           |
 * | ---------------------- | ----------------------------------------------- |
 * | `3`, `-7`              | integer                                         |
 * | `3.0`, `1e3`           | float                                           |
 * | `{"$double": 3}`       | float                                           |
 * | `{"$blob": "00ff"}`    | bytes, as hexadecimal text; `0x00ff` is the same |
 * | `{"$geo": {…}}`        | GeoJSON                                         |
 * | `{"$map": [[1, "a"]]}` | map whose keys are no texts                     |
 * | `{"$hll": "00ff"}`     | HyperLogLog, as hexadecimal text                |
 *
 * Values are printed in the same form, so that what was printed can be put back; only floats without a fraction come
 * back from the client as integers.
 *
 * @module
 */

import { Double, GeoJson, Hll, TypedBlob, type Value } from "../src/client/mod.ts";
import { fromHex, toHex } from "../src/base/mod.ts";

/** What is wrong with a line. */
export class ShellSyntaxError extends Error {
  /** Name of the class. */
  override readonly name = "ShellSyntaxError";
}

const NESTING_MAX = 64;
const NUMBER = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;
const BARE = /[^\s,:(){}[\]"'=]+/y;
const INTEGER_MAX = 2n ** 63n - 1n;
const INTEGER_MIN = -(2n ** 63n);
const BARE_VALUES: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["null", null],
  ["true", true],
  ["false", false],
]);
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f", 0: "\0" };

/** Reads a line from left to right. */
export class LineReader {
  readonly #text: string;
  #at = 0;

  /** @param text the line */
  constructor(text: string) {
    this.#text = text;
  }

  /** Nothing but spaces is left. */
  get isAtEnd(): boolean {
    this.#skipSpace();
    return this.#at >= this.#text.length;
  }

  /** What is left, without spaces around it; then nothing is. */
  rest(): string {
    const rest = this.#text.slice(this.#at).trim();
    this.#at = this.#text.length;
    return rest;
  }

  /** Whether the next character is `mark`; takes it if so. */
  takes(mark: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(mark, this.#at)) return false;
    this.#at += mark.length;
    return true;
  }

  /** Whether the next word is `word`, in any case; takes it if so. */
  takesWord(word: string): boolean {
    this.#skipSpace();
    const found = this.#match(BARE);
    if (found?.toLowerCase() !== word) return false;
    this.#at += found.length;
    return true;
  }

  /**
   * Takes a mark that must be there.
   *
   * @throws {ShellSyntaxError} when it is not
   */
  expect(mark: string): void {
    if (!this.takes(mark)) this.fail(`"${mark}" is missing`);
  }

  /** The next word or quoted text. */
  word(what: string): string {
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#quoted(first);
    const word = this.#match(BARE);
    if (word === undefined) return this.fail(`${what} is missing`);
    this.#at += word.length;
    return word;
  }

  /** The next value. A bare word is a text. */
  value(what = "a value", depth = 0): Value {
    if (depth > NESTING_MAX) return this.fail("the value is nested too deeply");
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === undefined) return this.fail(`${what} is missing`);
    if (first === "[") return this.#list(depth);
    if (first === "{") return this.#object(depth);
    if (first === '"' || first === "'") return this.#quoted(first);
    return this.#bareValue(what);
  }

  /** @throws {ShellSyntaxError} always, with the place */
  fail(why: string): never {
    throw new ShellSyntaxError(`${why}, at column ${Math.min(this.#at, this.#text.length) + 1}`);
  }

  #bareValue(what: string): Value {
    const number = this.#match(NUMBER);
    const word = this.#match(BARE);
    if (number !== undefined && number === word) {
      this.#at += number.length;
      if (/[.eE]/.test(number)) return new Double(Number(number));
      return this.#integer(number);
    }
    if (word === undefined) return this.fail(`${what} is missing`);
    this.#at += word.length;
    if (/^0x([0-9a-fA-F]{2})*$/.test(word)) return fromHex(word.slice(2));
    return BARE_VALUES.has(word) ? BARE_VALUES.get(word)! : word;
  }

  #integer(text: string): number | bigint {
    const value = BigInt(text);
    if (value > INTEGER_MAX || value < INTEGER_MIN) return this.fail(`${text} does not fit into 64 bits`);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #list(depth: number): Value {
    this.expect("[");
    const items: Value[] = [];
    while (!this.takes("]")) {
      if (items.length > 0) this.expect(",");
      items.push(this.value("an element", depth + 1));
    }
    return items;
  }

  #object(depth: number): Value {
    this.expect("{");
    const entries = new Map<Value, Value>();
    while (!this.takes("}")) {
      if (entries.size > 0) this.expect(",");
      const name = this.word("a name");
      this.expect(":");
      entries.set(name, this.value("a value", depth + 1));
    }
    const [first] = entries;
    if (entries.size === 1 && typeof first[0] === "string" && first[0].startsWith("$")) {
      return this.#special(first[0], first[1]);
    }
    return entries;
  }

  #special(name: string, value: Value): Value {
    switch (name) {
      case "$double": {
        const number = value instanceof Double ? value.value : Number(value);
        if (value === null || (Number.isNaN(number) && value !== "NaN")) {
          return this.fail(`$double takes a number`);
        }
        return new Double(number);
      }
      case "$blob":
        return this.#bytes(name, value);
      case "$hll":
        return new Hll(this.#bytes(name, value));
      case "$geo":
        return new GeoJson(typeof value === "string" ? value : valueText(value));
      case "$map": {
        if (!Array.isArray(value) || !value.every((pair) => Array.isArray(pair) && pair.length === 2)) {
          return this.fail("$map takes a list of [key, value]");
        }
        return new Map(value as [Value, Value][]);
      }
      default:
        return this.fail(`${name} is no kind of value: $double, $blob, $geo, $map and $hll are`);
    }
  }

  #bytes(name: string, value: Value): Uint8Array {
    if (value instanceof Uint8Array) return value;
    if (typeof value === "string" && /^([0-9a-fA-F]{2})*$/.test(value)) return fromHex(value);
    return this.fail(`${name} takes hexadecimal text`);
  }

  #quoted(quote: string): string {
    let text = "";
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const character = this.#text[at];
      if (character === quote) {
        this.#at = at + 1;
        return text;
      }
      if (character !== "\\") {
        text += character;
        continue;
      }
      const next = this.#text[++at] ?? "";
      if (next === "u") {
        const code = this.#text.slice(at + 1, at + 5);
        if (!/^[0-9a-fA-F]{4}$/.test(code)) return this.fail("\\u takes four hexadecimal digits");
        text += String.fromCharCode(parseInt(code, 16));
        at += 4;
      } else text += ESCAPES[next] ?? next;
    }
    return this.fail("the quote does not end");
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }
}

/** A value as JSON, in the form that {@linkcode LineReader.value} reads. */
export function valueText(value: Value): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return numberText(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(valueText).join(",")}]`;
  if (value instanceof Uint8Array) return `{"$blob":"${toHex(value)}"}`;
  if (value instanceof Double) return numberText(value.value, true);
  if (value instanceof GeoJson) return `{"$geo":${geoText(value)}}`;
  if (value instanceof Hll) return `{"$hll":"${toHex(value.bytes)}"}`;
  if (value instanceof TypedBlob) return `{"$blob":"${toHex(value.bytes)}"}`;
  if (value instanceof Map) return mapText(value);
  return `{${
    Object.entries(value as object).map(([name, one]) => `${JSON.stringify(name)}:${valueText(one as Value)}`)
      .join(",")
  }}`;
}

function numberText(value: number, isFloat = !Number.isInteger(value) || Object.is(value, -0)): string {
  if (!isFloat) return String(value);
  if (!Number.isFinite(value)) return `{"$double":"${value}"}`;
  const text = Object.is(value, -0) ? "-0.0" : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** A text that is no JSON stays a text; the server stores only what it understands. */
function geoText(value: GeoJson): string {
  try {
    JSON.parse(value.text);
    return value.text;
  } catch {
    return JSON.stringify(value.text);
  }
}

function mapText(map: ReadonlyMap<Value, Value>): string {
  const entries = [...map];
  const isPlain = entries.every(([key]) =>
    typeof key === "string" && !(map.size === 1 && key.startsWith("$"))
  );
  if (isPlain) {
    return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${valueText(value)}`).join(",")}}`;
  }
  return `{"$map":[${entries.map(([key, value]) => `[${valueText(key)},${valueText(value)}]`).join(",")}]}`;
}
