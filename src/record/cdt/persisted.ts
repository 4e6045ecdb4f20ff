/**
 * What a call does about persisted indexes apart from using them: it starts again without them when one is wrong, and
 * adds one to what was built in another way.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { appendIndexed } from "./builder.ts";
import type { CdtMachine } from "./machine.ts";
import { INDEX_DAMAGE } from "./offset_index.ts";

/**
 * Does something again, without persisted indexes, because one has turned out to be wrong.
 *
 * @param error what was thrown; anything but INDEX_DAMAGE is thrown again
 * @returns the result; PARAMETER when the container itself is damaged
 */
export function againWithoutIndex(machine: CdtMachine, error: unknown, run: () => ResultCode): ResultCode {
  if (error !== INDEX_DAMAGE) throw error;
  machine.usesIndex = false;
  try {
    return run();
  } catch (next) {
    if (next !== INDEX_DAMAGE) throw next;
    return ResultCode.PARAMETER;
  } finally {
    machine.usesIndex = true;
  }
}

/** Gives the container that was made last, which is to be the value of a bin, a persisted index. */
export function addIndex(machine: CdtMachine): void {
  const { newAt, newSize, out } = machine;
  machine.newSize = appendIndexed({ bytes: out.bytes, at: newAt, end: newAt + newSize }, out);
  machine.newAt = out.length - machine.newSize;
}
