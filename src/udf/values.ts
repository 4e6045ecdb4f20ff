/**
 * Values on their way to Lua: bins and arguments onto a state's stack.
 *
 * | stored as         | in Lua                                                                            |
 * | ----------------- | --------------------------------------------------------------------------------- |
 * | integer           | integer                                                                           |
 * | float             | float                                                                             |
 * | string, bool, nil | string, boolean, nil                                                              |
 * | list              | userdata `List`; its value is a table of elements 1 … `n`                         |
 * | map               | userdata `Map`; tables `v` (values by key) and `k` (keys that are not themselves) |
 * | blob, HLL         | userdata `Bytes`; `s` is the content, `t` the particle type                       |
 * | GeoJSON           | userdata `GeoJSON`; `s` is the text                                               |
 *
 * Keys of maps that Lua's tables can't tell apart or can't compare by content (floats, blobs, lists, strings that begin
 * with a zero) stand in `v` under a zero followed by their msgpack form. Where `v` would need nil it has the value that
 * the prelude calls `NIL`. Lists and maps that are ordered keep their flags in `f`.
 *
 * @module
 */

import { readU16, readU32, UDF_VALUE_DEPTH_MAX } from "../base/mod.ts";
import { isMsgpackList, isMsgpackMap, msgpackSkip, PARTICLE } from "../wire/mod.ts";
import type { LuaEngine, LuaState } from "./engine.ts";
import { REGISTRY } from "./lua_exports.ts";

/** Names of the metatables that the prelude makes, and of its stand-in for nil. */
export const KIND = {
  LIST: "List",
  MAP: "Map",
  BYTES: "Bytes",
  GEOJSON: "GeoJSON",
  RECORD: "Record",
  STREAM: "Stream",
  NIL: "NIL",
} as const;

/** Flags of a list or map that outlive a way through Lua: its order, and that it has a persisted index. */
const FLAGS_KEPT = 0x13;
/** First bytes of extensions: a header element with so many bytes of size. */
const EXTENSION_LEADS: readonly number[] = [0xc7, 0xc8, 0xc9];
const TEXT_PREFIX_SIZE = 1;

const number = new DataView(new ArrayBuffer(8));

/** Pushes values onto a state's stack; makes room there first. Errors are raised in Lua. */
export class ValuePusher {
  readonly #engine: LuaEngine;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** @param engine of the states */
  constructor(engine: LuaEngine) {
    this.#engine = engine;
  }

  /** Pushes an integer given as two words. */
  pushInteger(L: number, high: number, low: number): void {
    this.#engine.lua.lua_pushinteger(L, (BigInt(high | 0) << 32n) | BigInt(low >>> 0));
  }

  /** Pushes a float given as the words of its bits. */
  pushFloat(L: number, high: number, low: number): void {
    number.setInt32(0, high);
    number.setInt32(4, low);
    this.#engine.lua.lua_pushnumber(L, number.getFloat64(0));
  }

  /** Pushes a blob; `type` is its particle type. */
  pushBlob(L: number, type: number, bytes: Uint8Array, at: number, end: number): void {
    const { lua, machine } = this.#engine;
    lua.lua_createtable(L, 0, 2);
    this.#engine.pushBytes(L, bytes, at, end);
    lua.lua_setfield(L, -2, machine.name("s"));
    lua.lua_pushinteger(L, BigInt(type));
    lua.lua_setfield(L, -2, machine.name("t"));
    this.wrap(L, type === PARTICLE.GEOJSON ? KIND.GEOJSON : KIND.BYTES);
  }

  /** Pushes one msgpack value; false, with an undefined stack, when the bytes are not exactly one. */
  pushMsgpack(L: number, bytes: Uint8Array, at: number, end: number): boolean {
    if (msgpackSkip(bytes, at, { end }) !== end) return false;
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.#push(L, 0);
    return this.#at === this.#end;
  }

  /** Pushes the elements of a msgpack list one by one; how many, or -1 when the bytes are no list. */
  pushArguments(L: number, bytes: Uint8Array, at: number, end: number): number {
    if (at >= end || !isMsgpackList(bytes[at]) || msgpackSkip(bytes, at, { end }) !== end) return -1;
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    const count = this.#readCount();
    for (let index = 0; index < count; index++) this.#push(L, 0);
    return count;
  }

  /** Replaces the table on top of the stack by a userdata of a kind that has it as its value. */
  wrap(L: number, kind: string): void {
    const { lua } = this.#engine;
    lua.lua_newuserdatauv(L, 0, 1);
    lua.lua_rotate(L, -2, 1);
    lua.lua_setiuservalue(L, -2, 1);
    this.pushReference(L, kind);
    lua.lua_setmetatable(L, -2);
  }

  /** Pushes what the prelude has made under a name. */
  pushReference(L: number, name: string): void {
    const { active, lua } = this.#engine;
    lua.lua_rawgeti(L, REGISTRY, (active as LuaState).references.get(name)!);
  }

  #push(L: number, depth: number): void {
    const { lua, machine } = this.#engine;
    const bytes = this.#bytes;
    const lead = bytes[this.#at];
    if (depth > UDF_VALUE_DEPTH_MAX) this.#engine.raise(L, "a list or map is nested too deeply for Lua");
    lua.luaL_checkstack(L, 8, machine.name("too many values"));
    if (isMsgpackList(lead)) return this.#pushList(L, depth);
    if (isMsgpackMap(lead)) return this.#pushMap(L, depth);
    if ((lead >= 0xa0 && lead <= 0xbf) || (lead >= 0xc4 && lead <= 0xc6) || (lead >= 0xd9 && lead <= 0xdb)) {
      return this.#pushText(L);
    }
    this.#pushScalar(L, lead);
  }

  /** Numbers, booleans, nil; extensions come as nil. */
  #pushScalar(L: number, lead: number): void {
    const { lua } = this.#engine;
    const bytes = this.#bytes;
    const at = this.#at;
    this.#at = msgpackSkip(bytes, at, { end: this.#end });
    if (lead <= 0x7f) return lua.lua_pushinteger(L, BigInt(lead));
    if (lead >= 0xe0) return lua.lua_pushinteger(L, BigInt(lead - 256));
    switch (lead) {
      case 0xc2:
      case 0xc3:
        return lua.lua_pushboolean(L, lead & 1);
      case 0xca:
        number.setUint32(0, readU32(bytes, at + 1));
        return lua.lua_pushnumber(L, number.getFloat32(0));
      case 0xcb:
        return this.pushFloat(L, readU32(bytes, at + 1), readU32(bytes, at + 5));
      case 0xcc:
        return lua.lua_pushinteger(L, BigInt(bytes[at + 1]));
      case 0xcd:
        return lua.lua_pushinteger(L, BigInt(readU16(bytes, at + 1)));
      case 0xce:
        return lua.lua_pushinteger(L, BigInt(readU32(bytes, at + 1)));
      case 0xd0:
        return lua.lua_pushinteger(L, BigInt((bytes[at + 1] << 24) >> 24));
      case 0xd1:
        return lua.lua_pushinteger(L, BigInt((readU16(bytes, at + 1) << 16) >> 16));
      case 0xd2:
        return lua.lua_pushinteger(L, BigInt(readU32(bytes, at + 1) | 0));
      case 0xcf:
      case 0xd3:
        return this.pushInteger(L, readU32(bytes, at + 1), readU32(bytes, at + 5));
      default:
        return lua.lua_pushnil(L);
    }
  }

  /** A string or blob: its first byte is a particle type. */
  #pushText(L: number): void {
    const bytes = this.#bytes;
    const start = this.#at + textHeadSize(bytes[this.#at]);
    const end = msgpackSkip(bytes, this.#at, { end: this.#end });
    this.#at = end;
    const type = start < end ? bytes[start] : PARTICLE.STRING;
    const contentAt = Math.min(end, start + TEXT_PREFIX_SIZE);
    if (type === PARTICLE.STRING) this.#engine.pushBytes(L, bytes, contentAt, end);
    else this.pushBlob(L, type, bytes, contentAt, end);
  }

  #pushList(L: number, depth: number): void {
    const { lua, machine } = this.#engine;
    let count = this.#readCount();
    let flags = 0;
    if (count > 0 && EXTENSION_LEADS.includes(this.#bytes[this.#at])) {
      flags = this.#readFlags();
      count--;
    }
    lua.lua_createtable(L, count, 2);
    for (let index = 1; index <= count; index++) {
      this.#push(L, depth + 1);
      lua.lua_rawseti(L, -2, BigInt(index));
    }
    lua.lua_pushinteger(L, BigInt(count));
    lua.lua_setfield(L, -2, machine.name("n"));
    this.#setFlags(L, flags);
    this.wrap(L, KIND.LIST);
  }

  #pushMap(L: number, depth: number): void {
    const { lua, machine } = this.#engine;
    let count = this.#readCount();
    let flags = 0;
    if (count > 0 && EXTENSION_LEADS.includes(this.#bytes[this.#at])) {
      flags = this.#readFlags();
      this.#at = msgpackSkip(this.#bytes, this.#at, { end: this.#end });
      count--;
    }
    lua.lua_createtable(L, 0, 4);
    lua.lua_createtable(L, 0, 0);
    lua.lua_createtable(L, 0, count);
    for (let index = 0; index < count; index++) {
      this.#pushKey(L, depth);
      this.#push(L, depth + 1);
      if (lua.lua_type(L, -1) === 0) {
        lua.lua_settop(L, -2);
        this.pushReference(L, KIND.NIL);
      }
      lua.lua_rawset(L, -3);
    }
    lua.lua_setfield(L, -3, machine.name("v"));
    lua.lua_setfield(L, -2, machine.name("k"));
    lua.lua_pushinteger(L, BigInt(count));
    lua.lua_setfield(L, -2, machine.name("n"));
    this.#setFlags(L, flags);
    this.wrap(L, KIND.MAP);
  }

  /** Pushes the key under which a value stands in `v`; the tables `k` and `v` are on top of the stack. */
  #pushKey(L: number, depth: number): void {
    const { lua } = this.#engine;
    const start = this.#at;
    if (isPlainKey(this.#bytes, start)) return this.#push(L, depth + 1);
    this.#push(L, depth + 1);
    const form = new Uint8Array(this.#at - start + 1);
    form.set(this.#bytes.subarray(start, this.#at), 1);
    this.#engine.pushBytes(L, form, 0, undefined);
    lua.lua_pushvalue(L, -1);
    // k, v, key, form, form: the form stays on top of v, the key goes to k.
    lua.lua_rotate(L, -3, 1);
    lua.lua_rotate(L, -2, 1);
    lua.lua_rawset(L, -5);
  }

  #readCount(): number {
    const bytes = this.#bytes;
    const at = this.#at;
    const lead = bytes[at];
    if (lead === 0xdc || lead === 0xde) {
      this.#at = at + 3;
      return readU16(bytes, at + 1);
    }
    if (lead === 0xdd || lead === 0xdf) {
      this.#at = at + 5;
      return readU32(bytes, at + 1);
    }
    this.#at = at + 1;
    return lead & 0x0f;
  }

  /** Reads past the header element, whose data is no business of Lua's. */
  #readFlags(): number {
    const sizeOfSize = 1 << EXTENSION_LEADS.indexOf(this.#bytes[this.#at]);
    const flags = this.#bytes[this.#at + 1 + sizeOfSize];
    this.#at = msgpackSkip(this.#bytes, this.#at, { end: this.#end });
    return flags & FLAGS_KEPT;
  }

  #setFlags(L: number, flags: number): void {
    const { lua, machine } = this.#engine;
    if (flags === 0) return;
    lua.lua_pushinteger(L, BigInt(flags));
    lua.lua_setfield(L, -2, machine.name("f"));
  }
}

/** Whether a key is its own place in a map: an integer, or a string that begins with no zero. */
function isPlainKey(bytes: Uint8Array, at: number): boolean {
  const lead = bytes[at];
  if (lead <= 0x7f || lead >= 0xe0 || (lead >= 0xcc && lead <= 0xd3)) return true;
  const isText = (lead >= 0xa0 && lead <= 0xbf) || (lead >= 0xd9 && lead <= 0xdb);
  if (!isText) return false;
  const start = at + textHeadSize(lead);
  const end = msgpackSkip(bytes, at, { end: bytes.length });
  return end - start < 1 ||
    (bytes[start] === PARTICLE.STRING && (end - start === 1 || bytes[start + 1] !== 0));
}

function textHeadSize(lead: number): number {
  if (lead <= 0xbf) return 1;
  return lead === 0xc4 || lead === 0xd9 ? 2 : lead === 0xc5 || lead === 0xda ? 3 : 5;
}
