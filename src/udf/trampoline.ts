/**
 * A WebAssembly module that lends JavaScript functions a WebAssembly type, so that Lua can call them through its
 * function table: it imports each function and exports it again.
 *
 * | section  | content                                       |
 * | -------- | --------------------------------------------- |
 * | 1 type   | one entry per signature                       |
 * | 2 import | `e.0`, `e.1`, … one function each             |
 * | 7 export | `0`, `1`, … the same functions                |
 *
 * Source: the WebAssembly core specification, section 5.
 *
 * @module
 */

import { utf8 } from "../base/mod.ts";

/** Signatures that Lua calls through pointers. All values are 32-bit integers. */
export const SIGNATURE = {
  /** `int f(lua_State*)`: a function of Lua. */
  FUNCTION: 0,
  /** `void f(lua_State*, lua_Debug*)`: a hook. */
  HOOK: 1,
  /** `void* f(void*, void*, size_t, size_t)`: an allocator. */
  ALLOCATOR: 2,
} as const;

const I32 = 0x7f;
const FUNCTION_TYPE = 0x60;
const FUNCTION_KIND = 0x00;
/** Parameters and results per signature. */
const TYPES: readonly (readonly number[])[] = [
  [FUNCTION_TYPE, 1, I32, 1, I32],
  [FUNCTION_TYPE, 2, I32, I32, 0],
  [FUNCTION_TYPE, 4, I32, I32, I32, I32, 1, I32],
];

/** A function and the signature under which Lua calls it. */
export interface Callback {
  /** One of `SIGNATURE`. */
  signature: number;
  /** The function. */
  run: (...words: number[]) => number | void;
}

/** The functions with WebAssembly types, in their order. */
export function typedFunctions(callbacks: readonly Callback[]): WebAssembly.ExportValue[] {
  const names = callbacks.map((_, index) => nameBytes(String(index)));
  const module = nameBytes("e");
  const imports = callbacks.map(({ signature }, index) => [
    ...module,
    ...names[index],
    FUNCTION_KIND,
    signature,
  ]);
  const exports = names.map((name, index) => [...name, FUNCTION_KIND, ...leb128(index)]);
  const bytes = Uint8Array.from([
    0x00,
    ...utf8("asm"),
    0x01,
    0x00,
    0x00,
    0x00,
    ...section(1, TYPES),
    ...section(2, imports),
    ...section(7, exports),
  ]);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    e: Object.fromEntries(callbacks.map(({ run }, index) => [String(index), run])),
  });
  return callbacks.map((_, index) => instance.exports[String(index)]);
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  const content = [...leb128(entries.length), ...entries.flat()];
  return [id, ...leb128(content.length), ...content];
}

function nameBytes(name: string): number[] {
  const bytes = utf8(name);
  return [...leb128(bytes.length), ...bytes];
}

function leb128(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = value >>> 7;
    bytes.push((value & 0x7f) | (rest === 0 ? 0 : 0x80));
    value = rest;
  } while (value !== 0);
  return bytes;
}
