/**
 * Lua states and the limits under which they run. A state has its own globals and its own memory; all states share one
 * machine.
 *
 * How a script is kept from running for ever. Lua calls `#onCount` after every so many instructions, which adds them
 * to what the call has spent; JavaScript functions add the work that they do, and so does the allocator. When a call
 * has spent its share, each following instruction raises an error again, so that no `pcall`, coroutine or message
 * handler of the script can go on. What Lua's C library does within one instruction can't be interrupted: functions
 * that could take long there are replaced (see `prelude_base.ts`), and finalizers, which run without counting, can't
 * be made at all. The clock is asked as well, for scripts whose few instructions are slow ones.
 *
 * @module
 */

import {
  assert,
  UDF_CALL_TIME_MAX_MS,
  UDF_INSTRUCTION_COUNT_MAX,
  UDF_STATE_SIZE_MAX_BYTES,
  UDF_VALUE_SIZE_MAX_BYTES,
  utf8,
} from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { LUA_TYPE, type LuaExports, MASK_COUNT, STATUS } from "./lua_exports.ts";
import { LuaMachine, type LuaMachineOptions } from "./lua_machine.ts";
import { SIGNATURE } from "./trampoline.ts";

/** Instructions between two counts. */
const COUNT_INTERVAL = 1000;
/** The same when the state is large: then single instructions may be slow, as a comparison of long texts is. */
const COUNT_INTERVAL_LARGE = 20;
const LARGE_STATE_SIZE_BYTES = 2 * 1024 * 1024;
/** Bytes of new memory that cost as much as an instruction. */
const BYTES_PER_INSTRUCTION = 128;

/** A JavaScript function that Lua calls with its state; returns how many results it has pushed. */
export type LuaFunction = (L: number) => number;

/** How a call ended. */
export type CallEnd =
  | { ok: true }
  | { ok: false; text: string };

/** What a state has been told to do less of. */
const STOPPED_TEXT = `the call was stopped: it ran for longer than ${UDF_INSTRUCTION_COUNT_MAX} instructions`;
const SLOW_TEXT = `the call was stopped: it ran for longer than ${UDF_CALL_TIME_MAX_MS} ms`;

/** One Lua state. */
export class LuaState {
  /** Pointer to the state. */
  readonly L: number;
  /** Memory in use. */
  usedBytes = 0;
  /** Instructions that the present call has spent. */
  spent = 0;
  /** Why the present call is stopped, undefined while it is not. */
  stopped: string | undefined;
  /** Monotonic time at which the present call is stopped. */
  deadlineMs = 0;
  /** References to metatables and functions that the prelude has made. */
  readonly references: Map<string, bigint> = new Map();
  /** Addresses of those, to tell values by. */
  readonly kinds: Map<number, string> = new Map();
  readonly #engine: LuaEngine;

  /** Use {@linkcode LuaEngine.newState}. */
  constructor(engine: LuaEngine, allocator: number) {
    this.#engine = engine;
    engine.active = this;
    this.L = engine.lua.lua_newstate(allocator, 0);
    if (this.L === 0) throw new Error("Cannot make a Lua state: out of memory");
  }

  /**
   * Runs a function in which Lua may raise errors.
   *
   * @param run called once, with the state; what it leaves on the stack is dropped
   * @param options `isOurs`: it runs code of this project alone, which is stopped by its count but not by the clock, as
   * a pause of the process would make it fail
   * @returns how it ended; the error's text is the script's
   */
  protect(run: LuaFunction, options: { readonly isOurs?: boolean } = {}): CallEnd {
    return this.#engine.protect(this, run, options);
  }

  /** Frees the state. */
  close(): void {
    this.#engine.active = this;
    this.#engine.lua.lua_close(this.L);
  }
}

/** See the module's text. */
export class LuaEngine {
  /** The machine. */
  readonly machine: LuaMachine;
  /** Lua's C interface. */
  readonly lua: LuaExports;
  /** The state that runs. */
  active: LuaState | undefined;
  readonly #clock: Clock;
  readonly #hook: number;
  readonly #allocator: number;
  readonly #entry: number;
  #run: LuaFunction | undefined;

  /** Compiles Lua at the first use in the process. */
  constructor(options: LuaMachineOptions) {
    this.#clock = options.clock;
    this.machine = new LuaMachine(options);
    this.lua = this.machine.lua;
    const [hook, allocator, entry] = this.machine.install([
      { signature: SIGNATURE.HOOK, run: (L) => this.#onCount(L) },
      {
        signature: SIGNATURE.ALLOCATOR,
        run: (_context, at, oldSize, newSize) => this.#allocate(at, oldSize >>> 0, newSize >>> 0),
      },
      { signature: SIGNATURE.FUNCTION, run: (L) => this.#enter(L) },
    ]);
    this.#hook = hook;
    this.#allocator = allocator;
    this.#entry = entry;
  }

  /** Makes an empty state. */
  newState(): LuaState {
    return new LuaState(this, this.#allocator);
  }

  /** See {@linkcode LuaState.protect}. */
  protect(
    state: LuaState,
    run: LuaFunction,
    { isOurs = false }: { readonly isOurs?: boolean } = {},
  ): CallEnd {
    assert(this.#run === undefined, "Lua runs one call at a time");
    const { lua } = this;
    const { L } = state;
    this.active = state;
    this.#run = run;
    state.spent = 0;
    state.stopped = undefined;
    state.deadlineMs = isOurs ? Infinity : this.#clock.monotonicMs() + UDF_CALL_TIME_MAX_MS;
    lua.lua_sethook(L, this.#hook, MASK_COUNT, isLarge(state) ? COUNT_INTERVAL_LARGE : COUNT_INTERVAL);
    lua.lua_settop(L, 0);
    lua.lua_pushcclosure(L, this.#entry, 0);
    try {
      const status = lua.lua_pcallk(L, 0, 0, 0, 0, 0);
      return status === STATUS.OK ? { ok: true } : { ok: false, text: this.#errorText(state) };
    } finally {
      this.#run = undefined;
      this.active = undefined;
    }
  }

  /** Adds work to what the running call has spent; raises an error when that is too much. */
  charge(L: number, instructionCount: number): void {
    const state = this.active!;
    state.spent += instructionCount;
    if (state.spent > UDF_INSTRUCTION_COUNT_MAX) this.#stop(L, state, STOPPED_TEXT);
  }

  /** Raises an error of Lua's; never returns. The caller's JavaScript is jumped out of. */
  raise(L: number, text: string): never {
    this.pushText(L, text);
    this.lua.lua_error(L);
    throw new Error("Lua's errors don't return");
  }

  /** Pushes a text. */
  pushText(L: number, text: string): void {
    this.pushBytes(L, utf8(text), 0, undefined);
  }

  /** Pushes a range of some bytes as a string. */
  pushBytes(L: number, bytes: Uint8Array, start: number, end: number | undefined): void {
    const sizeBytes = (end ?? bytes.length) - start;
    const { lua } = this;
    // Lua copies from a place of its own: jumps out of lua_pushlstring must not leak it, so it is kept and reused.
    const at = this.#transfer(L, sizeBytes);
    this.machine.bytes.set(bytes.subarray(start, start + sizeBytes), at);
    lua.lua_pushlstring(L, at, sizeBytes);
  }

  #transferAt = 0;
  #transferSize = 0;

  #transfer(L: number, sizeBytes: number): number {
    if (sizeBytes > this.#transferSize) {
      if (this.#transferAt !== 0) this.lua.free(this.#transferAt);
      const wanted = Math.max(4096, sizeBytes);
      this.#transferAt = this.lua.malloc(wanted);
      this.#transferSize = this.#transferAt === 0 ? 0 : wanted;
      if (this.#transferAt === 0) {
        this.lua.lua_pushnil(L);
        this.lua.lua_error(L);
      }
    }
    return this.#transferAt;
  }

  #enter(L: number): number {
    const run = this.#run!;
    return run(L);
  }

  #errorText(state: LuaState): string {
    const { lua, machine } = this;
    if (state.stopped !== undefined) return state.stopped;
    const text = lua.lua_type(state.L, -1) === LUA_TYPE.STRING
      ? machine.text(state.L, -1)
      : "the error is not a text";
    lua.lua_settop(state.L, 0);
    return text;
  }

  #onCount(L: number): void {
    const state = this.active!;
    const interval = isLarge(state) ? COUNT_INTERVAL_LARGE : COUNT_INTERVAL;
    if (state.stopped !== undefined) return this.#stop(L, state, state.stopped);
    // A state that becomes large counts in small steps from then on, a coroutine of it from its second count on.
    state.spent += interval;
    if (state.spent > UDF_INSTRUCTION_COUNT_MAX) return this.#stop(L, state, STOPPED_TEXT);
    if (this.#clock.monotonicMs() > state.deadlineMs) return this.#stop(L, state, SLOW_TEXT);
    this.#countEvery(L, interval);
  }

  /** Sets the interval of counts; setting it walks the whole call stack, so it is set only when it changes. */
  #countEvery(L: number, interval: number): void {
    if (this.lua.lua_gethookcount(L) !== interval) this.lua.lua_sethook(L, this.#hook, MASK_COUNT, interval);
  }

  #stop(L: number, state: LuaState, text: string): void {
    state.stopped = text;
    this.#countEvery(L, 1);
    this.raise(L, text);
  }

  #allocate(at: number, oldSize: number, newSize: number): number {
    const state = this.active!;
    if (newSize === 0) {
      if (at !== 0) {
        state.usedBytes -= oldSize;
        this.lua.free(at);
      }
      return 0;
    }
    const growth = newSize - (at === 0 ? 0 : oldSize);
    if (growth > 0) {
      if (newSize > UDF_VALUE_SIZE_MAX_BYTES || state.usedBytes + growth > UDF_STATE_SIZE_MAX_BYTES) return 0;
      state.spent += growth / BYTES_PER_INSTRUCTION;
    }
    const moved = this.lua.realloc(at, newSize);
    if (moved === 0) return 0;
    const wasLarge = isLarge(state);
    state.usedBytes += growth;
    if (!wasLarge && isLarge(state) && state.stopped === undefined) {
      // What had not been counted yet is, at most.
      state.spent += COUNT_INTERVAL;
      this.#countEvery(state.L, COUNT_INTERVAL_LARGE);
    }
    return moved;
  }
}

function isLarge({ usedBytes }: LuaState): boolean {
  return usedBytes > LARGE_STATE_SIZE_BYTES;
}
