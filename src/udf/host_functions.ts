/**
 * What scripts reach of the world outside Lua: the functions that the prelude gets as `core`. Each runs inside a call
 * of a script: it takes its arguments from the stack, pushes its results and says how many there are.
 *
 * @module
 */

import { UDF_INSTRUCTION_COUNT_MAX, UDF_LOG_LINE_COUNT_MAX, utf8 } from "../base/mod.ts";
import type { Clock, Log, LogLevel } from "../port/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { dateParts, timeOf } from "./calendar.ts";
import type { LuaEngine, LuaFunction } from "./engine.ts";
import { LUA_TYPE, REGISTRY } from "./lua_exports.ts";
import { PatternError, PatternMatcher, WorkExceeded } from "./patterns.ts";
import type { UdfChanges, UdfRecord } from "./record.ts";
import { ValueReader } from "./value_reader.ts";
import { ValuePusher } from "./values.ts";

const CARET = 0x5e;
/** Steps of matching that take as long as an instruction. */
const STEPS_PER_INSTRUCTION = 2;
/** Levels of `aerospike:log` and of the functions named after them. */
const LOG_LEVELS: readonly LogLevel[] = ["critical", "warning", "info", "debug", "detail"];
const LOG_LINE_SIZE_MAX = 1024;

/** What host functions stand on. */
export interface HostOptions {
  /** The engine. */
  engine: LuaEngine;
  /** Time. */
  clock: Clock;
  /** Where scripts log. */
  log: Log;
  /** Text and chunk name of a registered module, for `require`. */
  findModule: (name: string) => { source: Uint8Array; chunkName: string } | undefined;
}

/** See the module's text. */
export class HostFunctions {
  /** Pushes values. */
  readonly pusher: ValuePusher;
  /** Reads values. */
  readonly reader: ValueReader;
  /** The record of the present call. */
  record: UdfRecord | undefined;
  /** What the script wants done with it; undefined when it may only read. */
  changes: UdfChanges | undefined;
  /** Takes what a stream gives out; the value is on top of the stack. */
  emit: ((L: number) => void) | undefined;
  /** Name of the running module, for log lines. */
  moduleName = "";
  /** Lines that the present call has logged. */
  logLineCount = 0;
  /** Number of the present record: records of earlier calls are closed. */
  recordId = 0;
  readonly #engine: LuaEngine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #findModule: HostOptions["findModule"];

  /** @param options what to stand on */
  constructor(options: HostOptions) {
    this.#engine = options.engine;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#findModule = options.findModule;
    this.pusher = new ValuePusher(options.engine);
    this.reader = new ValueReader(options.engine);
  }

  /** All functions by name. */
  table(): Record<string, LuaFunction> {
    return {
      userdata: (L) => this.#userdata(L),
      define: (L) => this.#define(L),
      keep: (L) => this.#keep(L, this.#text(L, 1)),
      charge: (L) => this.#charge(L),
      stopped: (L) => this.#pushBoolean(L, this.#engine.active!.stopped !== undefined),
      search: (L) => this.#search(L),
      plain: (L) => this.#plain(L),
      form: (L) => this.#form(L),
      log: (L) => this.#writeLog(L),
      module: (L) => this.#module(L),
      clock: (L) => this.#pushNumber(L, this.#clock.monotonicMs() / 1000),
      time: (L) => this.#time(L),
      date: (L) => this.#date(L),
      is_open: (L) =>
        this.#pushBoolean(L, this.record !== undefined && this.#integer(L, 1) === this.recordId),
      bin: (L) => this.#bin(L),
      names: (L) => this.#names(L),
      fact: (L) => this.#fact(L),
      exists: (L) => this.#pushBoolean(L, this.changes?.present ?? this.record!.exists),
      commit: (L) => this.#commit(L),
      put: (L) => this.#put(L),
      set_ttl: (L) => this.#setTtl(L),
      drop_key: (L) => this.#dropKey(L),
      emit: (L) => this.#emit(L),
    };
  }

  #text(L: number, index: number): string {
    if (this.#engine.lua.lua_type(L, index) !== LUA_TYPE.STRING) this.#engine.raise(L, "a text is expected");
    return this.#engine.machine.text(L, index);
  }

  #integer(L: number, index: number): number {
    return Number(this.#engine.lua.lua_tointegerx(L, index, 0));
  }

  #pushBoolean(L: number, value: boolean): number {
    this.#engine.lua.lua_pushboolean(L, value ? 1 : 0);
    return 1;
  }

  #pushNumber(L: number, value: number): number {
    this.#engine.lua.lua_pushnumber(L, value);
    return 1;
  }

  #pushWhole(L: number, value: number): number {
    this.#engine.lua.lua_pushinteger(L, BigInt(Math.floor(value)));
    return 1;
  }

  /** `userdata(value, metatable)`: an object whose content is `value`. */
  #userdata(L: number): number {
    const { lua } = this.#engine;
    lua.lua_newuserdatauv(L, 0, 1);
    lua.lua_pushvalue(L, 1);
    lua.lua_setiuservalue(L, -2, 1);
    lua.lua_pushvalue(L, 2);
    lua.lua_setmetatable(L, -2);
    return 1;
  }

  /** `define(name, metatable)`: objects with this metatable are of that kind. */
  #define(L: number): number {
    const name = this.#text(L, 1);
    this.#engine.active!.kinds.set(this.#engine.lua.lua_topointer(L, 2), name);
    return this.#keep(L, name);
  }

  /** `keep(name, value)`: keeps a value for our own use. */
  #keep(L: number, name: string): number {
    const { lua, active } = this.#engine;
    lua.lua_settop(L, 2);
    active!.references.set(name, BigInt(lua.luaL_ref(L, REGISTRY)));
    return 0;
  }

  #charge(L: number): number {
    const count = this.#engine.lua.lua_tonumberx(L, 1, 0);
    this.#engine.charge(L, count > 0 ? count : 0);
    return 0;
  }

  /** `search(text, pattern, init, last, anchors)`: first match from `init` on that does not end at `last`. */
  #search(L: number): number {
    const { machine, lua } = this.#engine;
    const textAt = lua.lua_tolstring(L, 1, machine.sizeAt);
    const textEnd = textAt + machine.u32(machine.sizeAt);
    const start = lua.lua_tolstring(L, 2, machine.sizeAt);
    const patternEnd = start + machine.u32(machine.sizeAt);
    const last = this.#integer(L, 4);
    const { bytes } = machine;
    const anchored = lua.lua_toboolean(L, 5) !== 0 && start < patternEnd && bytes[start] === CARET;
    const patternAt = anchored ? start + 1 : start;
    const workMax = Math.max(0, UDF_INSTRUCTION_COUNT_MAX - this.#engine.active!.spent) *
      STEPS_PER_INSTRUCTION;
    const matcher = new PatternMatcher(bytes, { textAt, textEnd, patternEnd, workMax: workMax + 1 });
    let fault: string | undefined;
    let first = textAt + this.#integer(L, 3) - 1;
    let end = -1;
    try {
      for (; first <= textEnd; first++) {
        end = matcher.match(first, patternAt);
        if (end >= 0 && end !== textAt + last - 1) break;
        end = -1;
        if (anchored) break;
      }
    } catch (error) {
      if (!(error instanceof PatternError) && !(error instanceof WorkExceeded)) throw error;
      fault = error.message;
    }
    this.#engine.charge(L, matcher.work / STEPS_PER_INSTRUCTION);
    if (fault !== undefined) this.#engine.raise(L, fault);
    if (end < 0) return 0;
    this.#pushWhole(L, first - textAt + 1);
    this.#pushWhole(L, end - textAt + 1);
    const { captureAt, captureSize } = matcher;
    lua.luaL_checkstack(L, captureAt.length + 2, machine.name("too many captures"));
    for (let index = 0; index < captureAt.length; index++) {
      // The text stays where it is: it is on the stack, and Lua does not move strings.
      if (captureSize[index] < 0) this.#pushWhole(L, captureAt[index] - textAt + 1);
      else lua.lua_pushlstring(L, captureAt[index], captureSize[index]);
    }
    return 2 + captureAt.length;
  }

  /** `plain(text, part, init)`: where a part is found, without patterns. */
  #plain(L: number): number {
    const { machine, lua } = this.#engine;
    const textAt = lua.lua_tolstring(L, 1, machine.sizeAt);
    const textEnd = textAt + machine.u32(machine.sizeAt);
    const partAt = lua.lua_tolstring(L, 2, machine.sizeAt);
    const partSize = machine.u32(machine.sizeAt);
    const { bytes } = machine;
    const workMax = Math.max(0, UDF_INSTRUCTION_COUNT_MAX - this.#engine.active!.spent) *
      STEPS_PER_INSTRUCTION;
    let work = 0;
    for (let at = textAt + this.#integer(L, 3) - 1; at + partSize <= textEnd; at++) {
      let same = 0;
      while (same < partSize && bytes[at + same] === bytes[partAt + same]) same++;
      work += same + 1;
      if (same === partSize) {
        this.#engine.charge(L, work / STEPS_PER_INSTRUCTION);
        this.#pushWhole(L, at - textAt + 1);
        return this.#pushWhole(L, at - textAt + 1 + partSize) + 1;
      }
      if (work > workMax) break;
    }
    this.#engine.charge(L, work / STEPS_PER_INSTRUCTION);
    return 0;
  }

  /** `form(key)`: the place of a key in a map that is not its own place. */
  #form(L: number): number {
    this.#engine.lua.lua_settop(L, 1);
    const bytes = this.reader.toMsgpack(L, { keepsOrder: false, what: "the key of a map" });
    const form = new Uint8Array(bytes.length + 1);
    form.set(bytes, 1);
    this.#engine.pushBytes(L, form, 0, undefined);
    return 1;
  }

  #writeLog(L: number): number {
    const level = LOG_LEVELS[Math.min(4, Math.max(0, this.#integer(L, 1)))];
    if (++this.logLineCount > UDF_LOG_LINE_COUNT_MAX || !this.#log.enabled(level, "udf")) return 0;
    const text = this.#text(L, 2).slice(0, LOG_LINE_SIZE_MAX).replace(/\p{Cc}/gu, " ");
    this.#log.write(level, "udf", `(${this.moduleName}) ${text}`);
    return 0;
  }

  #module(L: number): number {
    const name = this.#text(L, 1);
    const found = this.#findModule(name);
    if (found === undefined) {
      this.#engine.raise(L, `module '${name}' not found: register it as ${name}.lua first`);
    }
    this.#engine.charge(L, found.source.length);
    if (!loadChunk(this.#engine, L, found.source, found.chunkName)) this.#engine.lua.lua_error(L);
    return 1;
  }

  #time(L: number): number {
    if (this.#engine.lua.lua_gettop(L) === 0) return this.#pushWhole(L, this.#clock.wallMs() / 1000);
    const parts = [1, 2, 3, 4, 5, 6].map((index) => this.#integer(L, index));
    const seconds = timeOf(parts);
    if (!Number.isSafeInteger(seconds)) this.#engine.raise(L, "time result cannot be represented");
    return this.#pushWhole(L, seconds);
  }

  #date(L: number): number {
    const parts = dateParts(this.#integer(L, 1));
    for (const part of parts) this.#pushWhole(L, part);
    return parts.length;
  }

  #bin(L: number): number {
    const { pusher } = this;
    const { table } = this.record!;
    const name = utf8(this.#text(L, 1));
    const row = table.find(name, 0, name.length);
    if (row < 0) return 0;
    const type = table.type[row];
    const bytes = table.valueBuffer(row);
    const at = table.valueAt[row];
    const end = at + table.valueSize[row];
    switch (type) {
      case PARTICLE.NULL:
        return 0;
      case PARTICLE.INTEGER:
        pusher.pushInteger(L, table.high[row], table.low[row]);
        return 1;
      case PARTICLE.FLOAT:
        pusher.pushFloat(L, table.high[row], table.low[row]);
        return 1;
      case PARTICLE.BOOL:
        return this.#pushBoolean(L, table.low[row] !== 0);
      case PARTICLE.STRING:
        this.#engine.pushBytes(L, bytes, at, end);
        return 1;
      case PARTICLE.LIST:
      case PARTICLE.MAP:
        return pusher.pushMsgpack(L, bytes, at, end) ? 1 : 0;
      case PARTICLE.GEOJSON:
        pusher.pushBlob(L, type, bytes, at + 3 + ((bytes[at + 1] << 8) | bytes[at + 2]) * 8, end);
        return 1;
      default:
        pusher.pushBlob(L, type, bytes, at, end);
        return 1;
    }
  }

  #names(L: number): number {
    const { lua } = this.#engine;
    const { table } = this.record!;
    lua.lua_createtable(L, table.binCount, 0);
    let count = 0;
    for (let row = 0; row < table.rowCount; row++) {
      if (table.type[row] === PARTICLE.NULL) continue;
      const at = table.nameAt[row];
      this.#engine.pushBytes(L, table.nameBuffer(row), at, at + table.nameSize[row]);
      lua.lua_rawseti(L, -2, BigInt(++count));
    }
    return 1;
  }

  #fact(L: number): number {
    const record = this.record!;
    switch (this.#text(L, 1)) {
      case "generation":
        return this.#pushWhole(L, record.generation);
      case "ttl":
        return this.#pushWhole(L, record.ttlS);
      case "lastUpdate":
        return this.#pushWhole(L, record.lastUpdateMs);
      case "size":
        return this.#pushWhole(L, record.sizeBytes);
      case "deviceSize":
        return this.#pushWhole(L, 0);
      case "digest":
        this.#engine.pushBytes(L, record.digest, 0, undefined);
        return 1;
      case "set":
        if (record.setName === undefined) return 0;
        this.#engine.pushBytes(L, record.setName, 0, undefined);
        return 1;
      default:
        return this.#pushKey(L, record.key);
    }
  }

  #pushKey(L: number, key: Uint8Array | undefined): number {
    if (key === undefined) return 0;
    if (key[0] === PARTICLE.STRING) this.#engine.pushBytes(L, key, 1, undefined);
    else if (key[0] === PARTICLE.INTEGER && key.length === 9) {
      const view = new DataView(key.buffer, key.byteOffset, key.length);
      this.#engine.lua.lua_pushinteger(L, view.getBigInt64(1));
    } else this.pusher.pushBlob(L, PARTICLE.BLOB, key, 1, key.length);
    return 1;
  }

  #writable(L: number): UdfChanges {
    return this.changes ?? this.#engine.raise(L, "a stream function can't change records");
  }

  #commit(L: number): number {
    return this.#pushWhole(L, this.#writable(L).commit(this.#text(L, 1)));
  }

  #put(L: number): number {
    const changes = this.#writable(L);
    const name = this.#text(L, 1);
    this.#engine.lua.lua_settop(L, 2);
    const { out } = this.reader;
    const start = out.length;
    const type = this.reader.readParticle(L, { keepsOrder: true, what: `bin "${name}"` });
    changes.bins.set(
      name,
      type === PARTICLE.NULL ? undefined : { type, bytes: out.bytes.slice(start, out.length) },
    );
    out.length = start;
    return 0;
  }

  #setTtl(L: number): number {
    this.#writable(L).ttl = this.#integer(L, 1);
    return 0;
  }

  #dropKey(L: number): number {
    this.#writable(L).dropsKey = true;
    return 0;
  }

  #emit(L: number): number {
    this.#engine.lua.lua_settop(L, 1);
    this.emit!(L);
    return 0;
  }
}

/** Pushes a compiled chunk, or the error that says why there is none; false then. */
export function loadChunk(engine: LuaEngine, L: number, source: Uint8Array, chunkName: string): boolean {
  const { lua, machine } = engine;
  const at = machine.copyIn(source);
  const name = machine.copyIn(utf8(`${chunkName}\0`));
  const mode = machine.name("t");
  try {
    return lua.luaL_loadbufferx(L, at, source.length, name, mode) === 0;
  } finally {
    lua.free(at);
    lua.free(name);
  }
}
