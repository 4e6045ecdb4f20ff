/**
 * Expressions that were compiled before, by their bytes: clients send the same few again and again.
 *
 * @module
 */

import {
  equalBytes,
  EXP_CACHE_COUNT_MAX,
  EXP_CACHE_SIZE_MAX_BYTES,
  EXP_SIZE_MAX_BYTES,
  ResultCode,
} from "../../base/mod.ts";
import { EXP_TYPE } from "./opcodes.ts";
import { compileExpression, type ExpProgram } from "./program.ts";

/** Compiled expressions of one namespace. */
export class ProgramCache {
  /** Expressions that were not in the cache. */
  compiledCount = 0;
  readonly #programs = new Map<number, ExpProgram>();
  #memoryBytes = 0;

  /** Expressions in the cache. */
  get count(): number {
    return this.#programs.size;
  }

  /**
   * The program for some bytes, which are copied when they are new.
   *
   * @returns the program, or the result code of the refusal
   */
  get(bytes: Uint8Array, at: number, sizeBytes: number): ExpProgram | ResultCode {
    if (sizeBytes > EXP_SIZE_MAX_BYTES) return ResultCode.PARAMETER;
    const hash = hashBytes(bytes, at, sizeBytes);
    const known = this.#programs.get(hash);
    if (
      known !== undefined && known.bytes.length === sizeBytes &&
      equalBytes(known.bytes, 0, bytes, at, sizeBytes)
    ) {
      return known;
    }
    const program = this.#compile(bytes, at, sizeBytes);
    if (typeof program !== "number") this.#keep(hash, program);
    return program;
  }

  /** As `get`, for an expression that has to be a bool. */
  getFilter(bytes: Uint8Array, at: number, sizeBytes: number): ExpProgram | ResultCode {
    const program = this.get(bytes, at, sizeBytes);
    return typeof program === "number" || program.type === EXP_TYPE.BOOL ? program : ResultCode.PARAMETER;
  }

  #compile(bytes: Uint8Array, at: number, sizeBytes: number): ExpProgram | ResultCode {
    this.compiledCount++;
    return compileExpression(bytes.slice(at, at + sizeBytes));
  }

  /** Keeps a program; those kept longest make room. */
  #keep(hash: number, program: ExpProgram): void {
    const replaced = this.#programs.get(hash);
    if (replaced !== undefined) this.#forget(hash, replaced);
    this.#programs.set(hash, program);
    this.#memoryBytes += program.memoryBytes;
    for (const [oldHash, oldest] of this.#programs) {
      if (this.#programs.size <= EXP_CACHE_COUNT_MAX && this.#memoryBytes <= EXP_CACHE_SIZE_MAX_BYTES) return;
      this.#forget(oldHash, oldest);
    }
  }

  #forget(hash: number, program: ExpProgram): void {
    this.#programs.delete(hash);
    this.#memoryBytes -= program.memoryBytes;
  }
}

/** FNV-1a. Expressions that collide push each other out; nothing worse. */
function hashBytes(bytes: Uint8Array, at: number, sizeBytes: number): number {
  let hash = 0x811c9dc5;
  for (let index = at; index < at + sizeBytes; index++) hash = Math.imul(hash ^ bytes[index], 0x01000193);
  return hash;
}
