/**
 * A module that is loaded: a Lua state with the prelude and the module's functions, and the calls of those.
 *
 * @module
 */

import { utf8 } from "../base/mod.ts";
import type { CallEnd, LuaEngine, LuaState } from "./engine.ts";
import { type HostFunctions, loadChunk } from "./host_functions.ts";
import { LUA_TYPE, REGISTRY, REGISTRY_GLOBALS } from "./lua_exports.ts";
import { PRELUDE_BASE } from "./prelude_base.ts";
import { PRELUDE_BYTES } from "./prelude_bytes.ts";
import { PRELUDE_COLLECTIONS } from "./prelude_collections.ts";
import { PRELUDE_RECORD } from "./prelude_record.ts";
import type { UdfChanges, UdfRecord } from "./record.ts";

const PRELUDES: readonly (readonly [name: string, source: Uint8Array])[] = [
  ["=collections", utf8(PRELUDE_COLLECTIONS)],
  ["=bytes", utf8(PRELUDE_BYTES)],
  ["=record", utf8(PRELUDE_RECORD)],
];
const BASE = utf8(PRELUDE_BASE);
/** Lua's own libraries that the prelude takes from. */
const LIBRARIES = ["coroutine", "table", "string", "math", "utf8", "debug"] as const;
/** What C functions of `debug` the prelude needs. */
const DEBUG_FUNCTIONS = ["getuservalue", "getmetatable"] as const;

/** What scripts of one engine share. */
export interface ScriptHost {
  /** The engine. */
  engine: LuaEngine;
  /** What scripts reach. */
  functions: HostFunctions;
  /** Pointers of those functions, by name. */
  pointers: Readonly<Record<string, number>>;
}

/** A result: particle type and bytes as a client gets them. */
export interface UdfValue {
  /** Particle type. */
  type: number;
  /** Particle. */
  bytes: Uint8Array;
}

/** How a call of a script ended. */
export type ScriptEnd = { ok: true; value: UdfValue } | { ok: false; text: string };

/** The text that the stock server answers for a function that a module lacks. */
const FUNCTION_NOT_FOUND = "function not found";

/** See the module's text. */
export class Script {
  readonly #host: ScriptHost;
  readonly #state: LuaState;
  readonly #name: string;

  /**
   * Loads a module.
   *
   * @param module its name, text, and what Lua calls it in errors
   * @returns the script, or the error of its text or of its main part
   */
  static load(
    host: ScriptHost,
    module: { name: string; source: Uint8Array; chunkName: string },
  ): Script | { error: string } {
    const script = new Script(host, module.name);
    const end = script.#prepare(module);
    if (end.ok) return script;
    script.close();
    return { error: end.text };
  }

  private constructor(host: ScriptHost, name: string) {
    this.#host = host;
    this.#name = name;
    this.#state = host.engine.newState();
  }

  /** Whether the module's text is Lua; the error otherwise. Nothing of it runs. */
  static check(host: ScriptHost, source: Uint8Array, chunkName: string): CallEnd {
    const state = host.engine.newState();
    try {
      return state.protect((L) => {
        if (!loadChunk(host.engine, L, source, chunkName)) host.engine.lua.lua_error(L);
        return 0;
      });
    } finally {
      state.close();
    }
  }

  /**
   * Calls a function on a record.
   *
   * @param call the function's name, a msgpack list of further arguments, the record, and what becomes of it
   */
  apply(
    call: {
      functionName: Uint8Array;
      arguments: Uint8Array;
      record: UdfRecord;
      changes: UdfChanges;
    },
  ): ScriptEnd {
    const { engine, functions } = this.#host;
    const { lua } = engine;
    const { out } = functions.reader;
    out.reset();
    let type = 0;
    functions.changes = call.changes;
    call.changes.reset(call.record.exists);
    const end = this.#run((L) => {
      if (!this.#pushFunction(L, call.functionName)) engine.raise(L, FUNCTION_NOT_FOUND);
      this.#pushRecord(L, call.record);
      const count = functions.pusher.pushArguments(L, call.arguments, 0, call.arguments.length);
      lua.lua_callk(L, count + 1, 1, 0, 0);
      // A record can't be sent: what is asked for then is its effect alone.
      if (functions.reader.kindAt(L, -1) === "Record") return 0;
      type = functions.reader.readParticle(L, { keepsOrder: false, what: "the result" });
      return 0;
    });
    functions.changes = undefined;
    return end.ok ? { ok: true, value: { type, bytes: out.view() } } : end;
  }

  /**
   * Begins a stream.
   *
   * @returns undefined, or the error
   */
  openStream(functionName: Uint8Array, argumentList: Uint8Array): string | undefined {
    const { engine, functions } = this.#host;
    const { lua } = engine;
    return this.#outcome((L) => {
      functions.pusher.pushReference(L, "stream");
      if (!this.#pushFunction(L, functionName)) engine.raise(L, FUNCTION_NOT_FOUND);
      const count = functions.pusher.pushArguments(L, argumentList, 0, argumentList.length);
      lua.lua_callk(L, count + 1, 1, 0, 0);
      lua.lua_rawseti(L, REGISTRY, this.#streamReference(L));
      return 0;
    });
  }

  /** Gives a record to the stream; results go to `emit`. Undefined, or the error. */
  feedStream(record: UdfRecord, emit: (value: UdfValue) => void): string | undefined {
    return this.#push(record, emit);
  }

  /** Ends the stream; results go to `emit`. Undefined, or the error. */
  endStream(emit: (value: UdfValue) => void): string | undefined {
    return this.#push(undefined, emit);
  }

  /** Frees the module's state. */
  close(): void {
    this.#state.close();
  }

  #push(record: UdfRecord | undefined, emit: (value: UdfValue) => void): string | undefined {
    const { engine, functions } = this.#host;
    const { lua } = engine;
    const { reader } = functions;
    functions.emit = (L) => {
      reader.out.reset();
      const type = reader.readParticle(L, { keepsOrder: false, what: "a result" });
      emit({ type, bytes: reader.out.view() });
    };
    return this.#outcome((L) => {
      lua.lua_rawgeti(L, REGISTRY, this.#streamReference(L));
      if (record !== undefined) this.#pushRecord(L, record);
      lua.lua_callk(L, record === undefined ? 0 : 1, 0, 0, 0);
      return 0;
    });
  }

  #outcome(run: (L: number) => number): string | undefined {
    const end = this.#run(run);
    return end.ok ? undefined : end.text;
  }

  /** A place in the registry for the stream's function; made at the first use. */
  #streamReference(L: number): bigint {
    const { references } = this.#state;
    let reference = references.get("open stream");
    if (reference === undefined) {
      this.#host.engine.lua.lua_pushboolean(L, 0);
      reference = BigInt(this.#host.engine.lua.luaL_ref(L, REGISTRY));
      references.set("open stream", reference);
    }
    return reference;
  }

  #run(run: (L: number) => number, options?: { readonly isOurs: boolean }): CallEnd {
    const { functions } = this.#host;
    functions.moduleName = this.#name;
    functions.logLineCount = 0;
    try {
      return this.#state.protect(run, options);
    } finally {
      functions.record = undefined;
    }
  }

  #pushFunction(L: number, name: Uint8Array): boolean {
    const { engine } = this.#host;
    engine.lua.lua_rawgeti(L, REGISTRY, REGISTRY_GLOBALS);
    engine.pushBytes(L, name, 0, undefined);
    const type = engine.lua.lua_rawget(L, -2);
    engine.lua.lua_rotate(L, -2, 1);
    engine.lua.lua_settop(L, -2);
    return type === LUA_TYPE.FUNCTION;
  }

  #pushRecord(L: number, record: UdfRecord): void {
    const { engine, functions } = this.#host;
    functions.record = record;
    functions.recordId++;
    functions.pusher.pushReference(L, "record");
    engine.lua.lua_pushinteger(L, BigInt(functions.recordId));
    engine.lua.lua_callk(L, 1, 1, 0, 0);
  }

  /** Opens libraries, runs the prelude, then the module's main part. */
  #prepare(module: { source: Uint8Array; chunkName: string }): CallEnd {
    const prepared = this.#run((L) => this.#runPrelude(L), { isOurs: true });
    if (!prepared.ok) throw new Error(`The prelude of Lua modules is wrong: ${prepared.text}`);
    return this.#run((L) => {
      if (!loadChunk(this.#host.engine, L, module.source, module.chunkName)) {
        this.#host.engine.lua.lua_error(L);
      }
      this.#host.engine.lua.lua_callk(L, 0, 0, 0, 0);
      return 0;
    });
  }

  #runPrelude(L: number): number {
    const { engine, pointers } = this.#host;
    const { lua, machine } = engine;
    openLibrary(engine, L, "_G", "base");
    for (const name of LIBRARIES) openLibrary(engine, L, name, name);
    lua.lua_settop(L, 0);
    lua.lua_createtable(L, 0, 64);
    for (const [name, pointer] of Object.entries(pointers)) {
      lua.lua_pushcclosure(L, pointer, 0);
      lua.lua_setfield(L, 1, machine.name(name));
    }
    lua.lua_rawgeti(L, REGISTRY, REGISTRY_GLOBALS);
    lua.lua_getfield(L, 2, machine.name("debug"));
    for (const name of DEBUG_FUNCTIONS) {
      lua.lua_getfield(L, 3, machine.name(name));
      lua.lua_setfield(L, 1, machine.name(name));
    }
    lua.lua_settop(L, 2);
    this.#runPart(L, "=base", BASE, 1);
    // Scripts see what the prelude returned in the place of Lua's own globals, which nothing refers to any more but
    // the prelude; the library table in the registry goes as well.
    lua.lua_pushvalue(L, 3);
    lua.lua_rawseti(L, REGISTRY, REGISTRY_GLOBALS);
    lua.lua_rotate(L, 2, 1);
    for (const [name, source] of PRELUDES) this.#runPart(L, name, source, 0);
    for (const name of ["stream", "record"]) {
      lua.lua_getfield(L, 1, machine.name(name));
      this.#state.references.set(name, BigInt(lua.luaL_ref(L, REGISTRY)));
    }
    lua.lua_pushnil(L);
    lua.lua_setfield(L, REGISTRY, machine.name("_LOADED"));
    return 0;
  }

  /** Runs a part of the prelude with the two values on top of the stack's first places. */
  #runPart(L: number, name: string, source: Uint8Array, resultCount: number): void {
    const { engine } = this.#host;
    const { lua } = engine;
    if (!loadChunk(engine, L, source, name)) lua.lua_error(L);
    lua.lua_pushvalue(L, 1);
    lua.lua_pushvalue(L, 2);
    lua.lua_callk(L, 2, resultCount, 0, 0);
  }
}

const libraryPointers = new WeakMap<LuaEngine, Map<string, number>>();

function openLibrary(engine: LuaEngine, L: number, name: string, exported: string): void {
  let pointers = libraryPointers.get(engine);
  if (pointers === undefined) libraryPointers.set(engine, pointers = new Map());
  let pointer = pointers.get(exported);
  if (pointer === undefined) {
    const functions = engine.lua as unknown as WebAssembly.Exports;
    pointer = engine.machine.pointerOf(functions[`luaopen_${exported}`]);
    pointers.set(exported, pointer);
  }
  engine.lua.luaL_requiref(L, engine.machine.name(name), pointer, 1);
}
