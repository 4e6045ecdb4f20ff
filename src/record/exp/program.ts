/**
 * A compiled expression, and from its bytes to it.
 *
 * @module
 */

import { EXP_SIZE_MAX_BYTES, ResultCode } from "../../base/mod.ts";
import { Compiler } from "./compiler.ts";
import type { ExpNode } from "./node.ts";
import { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import { emptyScope, type ExpScope, type LoopFrame } from "./scope.ts";
import { ExpValue } from "./value.ts";

/** What a filter says about a record. */
export const TRILEAN = { FALSE: 0, TRUE: 1, UNKNOWN: 2 } as const;
/** What a filter says about a record. */
export type Trilean = (typeof TRILEAN)[keyof typeof TRILEAN];

/** What the compiler finds out besides the nodes. */
export interface ProgramParts {
  /** The msgpack, kept by reference. */
  bytes: Uint8Array;
  /** It looks at what is known of a record besides its bins. */
  usesFacts: boolean;
  /** It looks at bins or the digest. */
  usesRecord: boolean;
  /** It looks at anything else of the record. */
  usesMore: boolean;
  /** It deals in GeoJSON. */
  usesGeometry: boolean;
  /** Memory that it takes, by estimate. */
  memoryBytes: number;
}

/** A compiled expression. It keeps values between steps of an evaluation, so it is not for two threads at once. */
export class ExpProgram {
  /** Type of its value. */
  readonly type: number;
  /** It deals in GeoJSON: geometry must be loaded before it is evaluated, or what needs it is unknown. */
  readonly usesGeometry: boolean;
  /** Its value depends on the record's bins and digest and on nothing else: it may be what an index is of. */
  readonly isIndexable: boolean;
  /** Memory that the program takes, by estimate. */
  readonly memoryBytes: number;
  /** The msgpack that it was compiled from. */
  readonly bytes: Uint8Array;
  readonly #root: ExpNode;
  readonly #out = new ExpValue();
  /** What a filter says without bins, where that is the same for all records. */
  readonly #factsVerdict: Trilean | undefined;

  /** @param parts what the compiler found */
  constructor(root: ExpNode, parts: ProgramParts) {
    this.#root = root;
    this.type = root.type;
    this.bytes = parts.bytes;
    this.usesGeometry = parts.usesGeometry;
    this.isIndexable = parts.usesRecord && !parts.usesMore;
    this.memoryBytes = parts.memoryBytes;
    this.#factsVerdict = parts.usesFacts || parts.usesGeometry || root.type !== EXP_TYPE.BOOL
      ? undefined
      : this.#test(emptyScope());
  }

  /**
   * Evaluates the expression.
   *
   * @param out filled with the value; what it lends is good until the next evaluation in the same scope
   * @returns type of the value, UNKNOWN for none
   */
  run(scope: ExpScope, out: ExpValue): number {
    scope.begin();
    return this.#root.run(scope, out);
  }

  /** Evaluates the expression for an element of a path selection. */
  runLoop(scope: ExpScope, loop: LoopFrame, out: ExpValue): number {
    scope.begin();
    scope.loop = loop;
    return this.#root.run(scope, out);
  }

  /** What the filter says about an element of a path selection. */
  testLoop(scope: ExpScope, loop: LoopFrame): Trilean {
    return this.#trilean(this.runLoop(scope, loop, this.#out));
  }

  /** What the filter says by what is known without the record's bytes. */
  testFacts(scope: ExpScope): Trilean {
    if (this.#factsVerdict !== undefined) return this.#factsVerdict;
    scope.hasBins = false;
    return this.#test(scope);
  }

  /** What the filter says with bins and key at hand. */
  testBins(scope: ExpScope): Trilean {
    scope.hasBins = true;
    return this.#test(scope);
  }

  #test(scope: ExpScope): Trilean {
    scope.beginWork();
    return this.#trilean(this.run(scope, this.#out));
  }

  #trilean(kind: number): Trilean {
    if (kind === UNKNOWN || kind !== EXP_TYPE.BOOL) return TRILEAN.UNKNOWN;
    return this.#out.low === 1 ? TRILEAN.TRUE : TRILEAN.FALSE;
  }
}

/**
 * Compiles an expression.
 *
 * @param bytes msgpack of exactly one expression, kept by reference
 * @returns the program, or the result code of the refusal
 */
export function compileExpression(bytes: Uint8Array): ExpProgram | ResultCode {
  if (bytes.length === 0 || bytes.length > EXP_SIZE_MAX_BYTES) return ResultCode.PARAMETER;
  const compiler = new Compiler(bytes);
  const root = compiler.expression();
  if (root === undefined) return compiler.refusal;
  if (!compiler.isAtEnd) return ResultCode.PARAMETER;
  compiler.limitMemory();
  const { usesFacts, usesRecord, usesMore, usesGeometry, memoryBytes } = compiler;
  return new ExpProgram(root, { bytes, usesFacts, usesRecord, usesMore, usesGeometry, memoryBytes });
}
