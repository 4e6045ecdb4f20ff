/**
 * The WebAssembly instance in which all Lua states of a node live. Its imports are ours: nothing in it can reach a
 * file, the network, the process or the environment, and the time that it sees is the clock that it is given.
 *
 * Lua raises errors by jumping out of C code; here that is an exception which `invoke_vii`, the call that Lua marks
 * its protected calls with, catches. JavaScript functions that Lua calls may be jumped over in the same way.
 *
 * @module
 */

import { assert, decodeBase64, UDF_MACHINE_SIZE_MAX_BYTES, utf8, utf8Decode } from "../base/mod.ts";
import type { Clock, Compute } from "../port/mod.ts";
import type { LuaExports } from "./lua_exports.ts";
import { LUA_WASM_BASE64, LUA_WASM_SHA1, LUA_WASM_SIZE_BYTES } from "./lua_wasm.ts";
import { type Callback, typedFunctions } from "./trampoline.ts";

/** What a machine gets from outside. */
export interface LuaMachineOptions {
  /** The time of day, for `os.time` and for the seed of `math.random`. */
  clock: Clock;
  /** Inflates the machine's code. */
  compute: Compute;
}

/** What a jump out of C code looks like from outside. */
const JUMP = Symbol("jump");
const PAGE_SIZE_BYTES = 65_536;
/** Memory grows by this much at least. */
const GROWTH_PAGE_COUNT_MIN = 16;

let compiled: WebAssembly.Module | undefined;

/** Compiles Lua: some milliseconds, once per process. */
function luaModule(compute: Compute): WebAssembly.Module {
  if (compiled === undefined) {
    const bytes = compute.inflate(decodeBase64(LUA_WASM_BASE64)!, LUA_WASM_SIZE_BYTES);
    assert(
      bytes !== undefined && compute.sha1Hex(bytes) === LUA_WASM_SHA1,
      "The Lua module is as it was built",
    );
    compiled = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  }
  return compiled;
}

/** See the module's text. */
export class LuaMachine {
  /** Lua's C interface. */
  readonly lua: LuaExports;
  /** Where Lua writes the size of a text. */
  readonly sizeAt: number;
  #bytes: Uint8Array;
  readonly #names = new Map<string, number>();

  /** Compiles Lua at the first use in the process and makes an instance. */
  constructor(options: LuaMachineOptions) {
    const module = luaModule(options.compute);
    const instance = new WebAssembly.Instance(module, this.#imports(module, options.clock));
    this.lua = instance.exports as unknown as LuaExports;
    this.#bytes = new Uint8Array(this.lua.memory.buffer);
    this.lua.__wasm_call_ctors();
    this.lua.emscripten_stack_init();
    this.sizeAt = this.lua.malloc(4);
  }

  /** All memory; replaced when it grows, so not to be kept across a call into Lua. */
  get bytes(): Uint8Array {
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(this.lua.memory.buffer);
    return this.#bytes;
  }

  /** Pointers by which Lua calls JavaScript functions. */
  install(callbacks: readonly Callback[]): number[] {
    return typedFunctions(callbacks).map((typed) => this.pointerOf(typed));
  }

  /** A pointer to an exported function. */
  pointerOf(exported: WebAssembly.ExportValue): number {
    const table = this.lua.__indirect_function_table;
    const pointer = table.grow(1);
    table.set(pointer, exported as () => void);
    return pointer;
  }

  /** A name as a C string that stays; only for names that come from our own code. */
  name(text: string): number {
    let at = this.#names.get(text);
    if (at === undefined) {
      at = this.copyIn(utf8(`${text}\0`));
      this.#names.set(text, at);
    }
    return at;
  }

  /** Copies bytes into memory; the caller frees them. */
  copyIn(source: Uint8Array): number {
    const at = this.lua.malloc(Math.max(1, source.length));
    assert(at !== 0, "There is room for what goes to Lua");
    this.bytes.set(source, at);
    return at;
  }

  /** A text of Lua's at an index of a state's stack; it must be a string. The bytes are a copy. */
  stringBytes(L: number, index: number): Uint8Array {
    const at = this.lua.lua_tolstring(L, index, this.sizeAt);
    return this.bytes.slice(at, at + this.u32(this.sizeAt));
  }

  /** A text of Lua's; it must be a string. */
  text(L: number, index: number): string {
    return utf8Decode(this.stringBytes(L, index));
  }

  /** Reads a word. */
  u32(at: number): number {
    const { bytes } = this;
    return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
  }

  #imports(module: WebAssembly.Module, clock: Clock): WebAssembly.Imports {
    const own: Record<string, (...words: number[]) => number | void> = {
      invoke_vii: (pointer, first, second) => this.#invoke(pointer, first, second),
      _emscripten_throw_longjmp: () => {
        throw JUMP;
      },
      emscripten_date_now: () => Math.floor(clock.wallMs()),
      emscripten_resize_heap: (wantedBytes) => this.#grow(wantedBytes >>> 0) ? 1 : 0,
      abort: () => {
        throw new Error("Lua gave up");
      },
      environ_sizes_get: (countAt, sizeAt) => {
        this.bytes.fill(0, countAt, countAt + 4);
        this.bytes.fill(0, sizeAt, sizeAt + 4);
        return 0;
      },
      fd_write: (_file, vectors, count, writtenAt) => this.#discard(vectors, count, writtenAt),
    };
    const imports: WebAssembly.Imports = {};
    for (const { module: space, name } of WebAssembly.Module.imports(module)) {
      // Everything else is files, processes and calendars, which no library that is opened calls.
      (imports[space] ??= {})[name] = own[name] ?? (() => -1);
    }
    return imports;
  }

  #invoke(pointer: number, first: number, second: number): void {
    const stackAt = this.lua.stackSave();
    try {
      this.lua.__indirect_function_table.get(pointer)!(first, second);
    } catch (error) {
      this.lua.stackRestore(stackAt);
      if (error !== JUMP) throw error;
      this.lua.setThrew(1, 0);
    }
  }

  #grow(wantedBytes: number): boolean {
    const { memory } = this.lua;
    if (wantedBytes > UDF_MACHINE_SIZE_MAX_BYTES) return false;
    const neededPages = Math.ceil((wantedBytes - memory.buffer.byteLength) / PAGE_SIZE_BYTES);
    const pagesLeft = (UDF_MACHINE_SIZE_MAX_BYTES - memory.buffer.byteLength) / PAGE_SIZE_BYTES;
    try {
      memory.grow(Math.max(neededPages, Math.min(GROWTH_PAGE_COUNT_MIN, pagesLeft)));
    } catch {
      return false;
    }
    this.#bytes = new Uint8Array(memory.buffer);
    return true;
  }

  /** Takes what is printed and keeps none of it. */
  #discard(vectors: number, count: number, writtenAt: number): number {
    let written = 0;
    for (let index = 0; index < count; index++) written += this.u32(vectors + index * 8 + 4);
    const { bytes } = this;
    for (let index = 0; index < 4; index++) bytes[writtenAt + index] = written >>> (index * 8);
    return 0;
  }
}
