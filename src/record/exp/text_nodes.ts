/**
 * Regular expressions over texts. Source: the expression reference, section 8.7.
 *
 * @module
 */

import { giveBool, type MaybeNode, type NodeSource, type Run } from "./node.ts";
import { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import { compileRegex } from "./regex.ts";
import { ExpValue } from "./value.ts";

/** Instructions whose steps cost about as much as looking at one byte elsewhere. */
const STEPS_PER_BYTE = 64;

/** Makes a regular expression over the next argument. */
export function regexNode(compiler: NodeSource, flags: number, pattern: Uint8Array): MaybeNode {
  const text = compiler.expression();
  if (text === undefined || text.type !== EXP_TYPE.STRING) return undefined;
  const regex = compileRegex(pattern, flags);
  if (regex === undefined || !compiler.addRegex(regex)) return undefined;
  const subject = new ExpValue();
  const costPerByte = 1 + Math.floor(regex.programSize / STEPS_PER_BYTE);
  const run: Run = (scope, out) => {
    if (text.run(scope, subject) !== EXP_TYPE.STRING) return UNKNOWN;
    if (!scope.spend(subject.size * costPerByte)) return UNKNOWN;
    return giveBool(out, regex.test(subject.bytes, subject.at, subject.size));
  };
  return { type: EXP_TYPE.BOOL, run };
}
