/**
 * Values on their way from Lua: from a state's stack to particles and msgpack. See `values.ts` for what is what.
 *
 * @module
 */

import { ByteBuffer, UDF_VALUE_DEPTH_MAX, UDF_VALUE_SIZE_MAX_BYTES } from "../base/mod.ts";
import { sortContent } from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import type { LuaEngine } from "./engine.ts";
import { LUA_TYPE } from "./lua_exports.ts";
import { KIND } from "./values.ts";

/** Flag of lists and maps that are sorted. */
const ORDERED = 0x01;

const number = new DataView(new ArrayBuffer(8));

/** Options of a {@linkcode ValueReader}. */
export interface ReadOptions {
  /** Whether the marks of ordered lists and maps go along: to bins they do, to clients they don't. */
  keepsOrder: boolean;
  /** What the value is for, in errors, for example `bin "a"`. */
  what: string;
}

/** Reads values from a state's stack. */
export class ValueReader {
  /** Where values are written. */
  readonly out: ByteBuffer = new ByteBuffer(1024);
  readonly #engine: LuaEngine;
  #options: ReadOptions = { keepsOrder: false, what: "" };

  /** @param engine of the states */
  constructor(engine: LuaEngine) {
    this.#engine = engine;
  }

  /**
   * Appends the value on top of the stack to `out` as a particle; an error is raised when it can't be stored.
   *
   * @returns the particle type
   */
  readParticle(L: number, options: ReadOptions): number {
    const { lua } = this.#engine;
    this.#options = options;
    const { out } = this;
    switch (lua.lua_type(L, -1)) {
      case LUA_TYPE.NIL:
        return PARTICLE.NULL;
      case LUA_TYPE.BOOLEAN:
        out.appendU8(lua.lua_toboolean(L, -1));
        return PARTICLE.BOOL;
      case LUA_TYPE.NUMBER: {
        const isInteger = lua.lua_isinteger(L, -1) !== 0;
        if (isInteger) number.setBigInt64(0, lua.lua_tointegerx(L, -1, 0));
        else number.setFloat64(0, lua.lua_tonumberx(L, -1, 0));
        this.#appendNumber();
        return isInteger ? PARTICLE.INTEGER : PARTICLE.FLOAT;
      }
      case LUA_TYPE.STRING:
        out.append(this.#engine.machine.stringBytes(L, -1));
        return PARTICLE.STRING;
      default:
        return this.#readObject(L);
    }
  }

  /** The value on top of the stack in msgpack. */
  toMsgpack(L: number, options: ReadOptions): Uint8Array {
    this.#options = options;
    const start = this.out.length;
    this.#append(L, 0);
    const bytes = this.out.bytes.slice(start, this.out.length);
    this.out.length = start;
    return bytes;
  }

  /** Kind of the userdata on top of the stack, undefined for what is none of ours. */
  kindAt(L: number, index: number): string | undefined {
    const { lua, active } = this.#engine;
    if (lua.lua_type(L, index) !== LUA_TYPE.USERDATA || lua.lua_getmetatable(L, index) === 0) {
      return undefined;
    }
    const kind = active!.kinds.get(lua.lua_topointer(L, -1));
    lua.lua_settop(L, -2);
    return kind;
  }

  #readObject(L: number): number {
    const { lua, machine } = this.#engine;
    const kind = this.kindAt(L, -1);
    switch (kind) {
      case KIND.LIST:
      case KIND.MAP:
        this.#append(L, 0);
        return kind === KIND.LIST ? PARTICLE.LIST : PARTICLE.MAP;
      case KIND.BYTES: {
        const type = this.#openBlob(L);
        this.out.append(machine.stringBytes(L, -1));
        lua.lua_settop(L, -3);
        return type;
      }
      case KIND.GEOJSON:
        this.#openBlob(L);
        // Flags and number of cells; the cells are computed by who stores the value.
        for (let index = 0; index < 3; index++) this.out.appendU8(0);
        this.out.append(machine.stringBytes(L, -1));
        lua.lua_settop(L, -3);
        return PARTICLE.GEOJSON;
      default:
        return this.#refuse(L, kind);
    }
  }

  #refuse(L: number, kind: string | undefined): never {
    const { lua, machine } = this.#engine;
    if (kind === undefined) lua.luaL_tolstring(L, -1, 0);
    const text = kind === undefined ? machine.text(L, -1).slice(0, 64) : `a ${kind}`;
    this.#engine.raise(
      L,
      `${this.#options.what} can't hold ${text}: use a number, text, boolean, list() or map()`,
    );
  }

  /** Pushes the table and content of the Bytes or GeoJSON on top of the stack; its particle type. */
  #openBlob(L: number): number {
    const { lua, machine } = this.#engine;
    lua.lua_getiuservalue(L, -1, 1);
    lua.lua_getfield(L, -1, machine.name("t"));
    const type = Number(lua.lua_tointegerx(L, -1, 0)) || PARTICLE.BLOB;
    lua.lua_settop(L, -2);
    lua.lua_getfield(L, -1, machine.name("s"));
    return type;
  }

  #append(L: number, depth: number): void {
    const { lua, machine } = this.#engine;
    const { out } = this;
    if (depth > UDF_VALUE_DEPTH_MAX) {
      this.#engine.raise(
        L,
        `${this.#options.what}: lists and maps are nested too deeply, or contain themselves`,
      );
    }
    if (out.length > UDF_VALUE_SIZE_MAX_BYTES) this.#engine.raise(L, `${this.#options.what} is too large`);
    lua.luaL_checkstack(L, 8, machine.name("too many values"));
    switch (lua.lua_type(L, -1)) {
      case LUA_TYPE.NIL:
        return out.appendU8(0xc0);
      case LUA_TYPE.BOOLEAN:
        return out.appendU8(0xc2 + lua.lua_toboolean(L, -1));
      case LUA_TYPE.NUMBER:
        return this.#appendMsgpackNumber(L);
      case LUA_TYPE.STRING:
        return this.#appendText(PARTICLE.STRING, machine.stringBytes(L, -1));
      default:
        return this.#appendObject(L, depth);
    }
  }

  #appendObject(L: number, depth: number): void {
    const { lua, machine } = this.#engine;
    const kind = this.kindAt(L, -1);
    switch (kind) {
      case KIND.LIST:
        return this.#appendList(L, depth);
      case KIND.MAP:
        return this.#appendMap(L, depth);
      case KIND.NIL:
        return this.out.appendU8(0xc0);
      case KIND.BYTES:
      case KIND.GEOJSON: {
        const type = this.#openBlob(L);
        this.#appendText(kind === KIND.GEOJSON ? PARTICLE.GEOJSON : type, machine.stringBytes(L, -1));
        return lua.lua_settop(L, -3);
      }
      default:
        this.#refuse(L, kind);
    }
  }

  #appendList(L: number, depth: number): void {
    const { lua } = this.#engine;
    lua.lua_getiuservalue(L, -1, 1);
    const count = this.#field(L, "n");
    const flags = this.#options.keepsOrder ? this.#field(L, "f") : 0;
    this.#appendHead(flags === 0 ? count : count + 1, 0x90);
    if (flags !== 0) this.#appendFlags(flags);
    const at = this.out.length;
    for (let index = 1; index <= count; index++) {
      lua.lua_rawgeti(L, -1, BigInt(index));
      this.#append(L, depth + 1);
      lua.lua_settop(L, -2);
    }
    if ((flags & ORDERED) !== 0) this.#sort(at, count, false);
    lua.lua_settop(L, -2);
  }

  #appendMap(L: number, depth: number): void {
    const { lua, machine } = this.#engine;
    lua.lua_getiuservalue(L, -1, 1);
    const count = this.#field(L, "n");
    const flags = this.#options.keepsOrder ? this.#field(L, "f") : 0;
    this.#appendHead(flags === 0 ? count : count + 1, 0x80);
    if (flags !== 0) {
      this.#appendFlags(flags);
      this.out.appendU8(0xc0);
    }
    const at = this.out.length;
    lua.lua_getfield(L, -1, machine.name("v"));
    lua.lua_pushnil(L);
    while (lua.lua_next(L, -2) !== 0) {
      lua.lua_rotate(L, -2, 1);
      this.#appendKey(L);
      lua.lua_rotate(L, -2, 1);
      this.#append(L, depth + 1);
      lua.lua_settop(L, -2);
    }
    if ((flags & ORDERED) !== 0) this.#sort(at, count, true);
    lua.lua_settop(L, -3);
  }

  /** Brings what was appended since `at` into the order that its mark promises: Lua has another one, or none. */
  #sort(at: number, count: number, isMap: boolean): void {
    const { bytes, length } = this.out;
    sortContent({ bytes, at, end: length }, count, isMap);
  }

  /** Appends the key on top of the stack; keys that begin with a zero carry their msgpack form. */
  #appendKey(L: number): void {
    const { lua, machine } = this.#engine;
    if (lua.lua_type(L, -1) === LUA_TYPE.NUMBER) return this.#appendMsgpackNumber(L);
    const bytes = machine.stringBytes(L, -1);
    if (bytes.length > 0 && bytes[0] === 0) this.out.append(bytes, 1);
    else this.#appendText(PARTICLE.STRING, bytes);
  }

  /** An integer field of the table on top of the stack, 0 when there is none. */
  #field(L: number, name: string): number {
    const { lua, machine } = this.#engine;
    lua.lua_getfield(L, -1, machine.name(name));
    const value = Number(lua.lua_tointegerx(L, -1, 0));
    lua.lua_settop(L, -2);
    return value;
  }

  #appendHead(count: number, lead: number): void {
    const { out } = this;
    if (count < 16) return out.appendU8(lead | count);
    const isList = lead === 0x90;
    out.appendU8((isList ? 0xdc : 0xde) + (count < 0x10000 ? 0 : 1));
    if (count < 0x10000) out.appendU16(count);
    else out.appendU32(count);
  }

  #appendFlags(flags: number): void {
    this.out.appendU8(0xc7);
    this.out.appendU8(0);
    this.out.appendU8(flags);
  }

  #appendText(type: number, bytes: Uint8Array): void {
    const { out } = this;
    const sizeBytes = bytes.length + 1;
    if (sizeBytes < 32) out.appendU8(0xa0 | sizeBytes);
    else if (sizeBytes < 0x100) {
      out.appendU8(0xd9);
      out.appendU8(sizeBytes);
    } else if (sizeBytes < 0x10000) {
      out.appendU8(0xda);
      out.appendU16(sizeBytes);
    } else {
      out.appendU8(0xdb);
      out.appendU32(sizeBytes);
    }
    out.appendU8(type);
    out.append(bytes);
  }

  /** The shortest form of an integer, unsigned where it is not negative. */
  #appendMsgpackNumber(L: number): void {
    const { lua } = this.#engine;
    const { out } = this;
    if (lua.lua_isinteger(L, -1) === 0) {
      number.setFloat64(0, lua.lua_tonumberx(L, -1, 0));
      out.appendU8(0xcb);
      return this.#appendNumber();
    }
    const value = lua.lua_tointegerx(L, -1, 0);
    if (value >= -32n && value <= 127n) return out.appendU8(Number(value) & 0xff);
    if (value > 0xffff_ffffn || value < -0x8000_0000n) {
      number.setBigInt64(0, value);
      out.appendU8(value < 0n ? 0xd3 : 0xcf);
      return this.#appendNumber();
    }
    const small = Number(value);
    const isNegative = small < 0;
    if (isNegative ? small >= -128 : small <= 0xff) {
      out.appendU8(isNegative ? 0xd0 : 0xcc);
      out.appendU8(small & 0xff);
    } else if (isNegative ? small >= -0x8000 : small <= 0xffff) {
      out.appendU8(isNegative ? 0xd1 : 0xcd);
      out.appendU16(small & 0xffff);
    } else {
      out.appendU8(isNegative ? 0xd2 : 0xce);
      out.appendU32(small >>> 0);
    }
  }

  #appendNumber(): void {
    this.out.appendU32(number.getUint32(0));
    this.out.appendU32(number.getUint32(4));
  }
}
