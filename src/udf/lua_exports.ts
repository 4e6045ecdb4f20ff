/**
 * The functions of Lua's C interface that are used, as the WebAssembly build exports them: pointers and sizes are
 * numbers, 64-bit integers are bigints. Source: the Lua 5.4 reference manual, sections 4 and 5.
 *
 * @module
 */

/** Pseudo-index of the registry. */
export const REGISTRY = -1_001_000;
/** Key of the table of globals in the registry. */
export const REGISTRY_GLOBALS = 2n;
/** Hook events: every so many instructions. */
export const MASK_COUNT = 8;
/** All results of a call. */
export const MULTIPLE_RESULTS = -1;
/** Types of values. */
export const LUA_TYPE = {
  NIL: 0,
  BOOLEAN: 1,
  LIGHT_USERDATA: 2,
  NUMBER: 3,
  STRING: 4,
  TABLE: 5,
  FUNCTION: 6,
  USERDATA: 7,
  THREAD: 8,
} as const;
/** Results of calls and of loading. */
export const STATUS = { OK: 0, YIELD: 1, RUN: 2, SYNTAX: 3, MEMORY: 4, IN_HANDLER: 5 } as const;

/** See the module's text. */
export interface LuaExports {
  readonly memory: WebAssembly.Memory;
  readonly __indirect_function_table: WebAssembly.Table;
  __wasm_call_ctors(): void;
  emscripten_stack_init(): void;
  stackSave(): number;
  stackRestore(at: number): void;
  setThrew(threw: number, value: number): void;
  malloc(sizeBytes: number): number;
  realloc(at: number, sizeBytes: number): number;
  free(at: number): void;
  lua_newstate(allocator: number, context: number): number;
  lua_close(L: number): void;
  lua_gettop(L: number): number;
  lua_settop(L: number, index: number): void;
  lua_absindex(L: number, index: number): number;
  lua_rotate(L: number, index: number, count: number): void;
  lua_pushvalue(L: number, index: number): void;
  lua_type(L: number, index: number): number;
  lua_isinteger(L: number, index: number): number;
  lua_toboolean(L: number, index: number): number;
  lua_tonumberx(L: number, index: number, isNumber: number): number;
  lua_tointegerx(L: number, index: number, isInteger: number): bigint;
  lua_tolstring(L: number, index: number, size: number): number;
  lua_topointer(L: number, index: number): number;
  lua_pushnil(L: number): void;
  lua_pushboolean(L: number, value: number): void;
  lua_pushinteger(L: number, value: bigint): void;
  lua_pushnumber(L: number, value: number): void;
  lua_pushlstring(L: number, at: number, sizeBytes: number): number;
  lua_pushcclosure(L: number, pointer: number, upvalueCount: number): void;
  lua_createtable(L: number, itemCount: number, fieldCount: number): void;
  lua_newuserdatauv(L: number, sizeBytes: number, valueCount: number): number;
  lua_setiuservalue(L: number, index: number, value: number): number;
  lua_getiuservalue(L: number, index: number, value: number): number;
  lua_getmetatable(L: number, index: number): number;
  lua_setmetatable(L: number, index: number): number;
  lua_getfield(L: number, index: number, name: number): number;
  lua_setfield(L: number, index: number, name: number): void;
  lua_rawget(L: number, index: number): number;
  lua_rawset(L: number, index: number): void;
  lua_rawgeti(L: number, index: number, key: bigint): number;
  lua_rawseti(L: number, index: number, key: bigint): void;
  lua_next(L: number, index: number): number;
  lua_callk(L: number, argumentCount: number, resultCount: number, context: number, next: number): void;
  lua_pcallk(
    L: number,
    argumentCount: number,
    resultCount: number,
    handler: number,
    context: number,
    next: number,
  ): number;
  lua_error(L: number): number;
  lua_sethook(L: number, hook: number, mask: number, count: number): void;
  lua_gethookcount(L: number): number;
  luaL_loadbufferx(L: number, at: number, sizeBytes: number, name: number, mode: number): number;
  luaL_checkstack(L: number, count: number, message: number): void;
  luaL_ref(L: number, index: number): number;
  luaL_requiref(L: number, name: number, open: number, isGlobal: number): void;
  luaL_tolstring(L: number, index: number, size: number): number;
  luaL_traceback(L: number, from: number, message: number, level: number): void;
  luaopen_base(L: number): number;
  luaopen_coroutine(L: number): number;
  luaopen_table(L: number): number;
  luaopen_string(L: number): number;
  luaopen_math(L: number): number;
  luaopen_utf8(L: number): number;
  luaopen_debug(L: number): number;
}
