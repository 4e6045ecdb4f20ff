/**
 * Nodes of a compiled expression: a type that is known beforehand, and a function that gives the value.
 *
 * A function rather than an object with a method: what a node needs (its arguments, places for their values) is in the
 * closure, and all nodes of one operation share their code.
 *
 * @module
 */

import type { ResultCode } from "../../base/mod.ts";
import { EXP_TYPE } from "./opcodes.ts";
import type { ByteRegex } from "./regex.ts";
import type { ExpScope } from "./scope.ts";
import type { ExpValue } from "./value.ts";

/**
 * Evaluates a node.
 *
 * @param out filled with the value
 * @returns the value's type, or UNKNOWN
 */
export type Run = (scope: ExpScope, out: ExpValue) => number;

/** One node. */
export interface ExpNode {
  /** Type of its value; at run time it may be unknown instead. */
  readonly type: number;
  /** Evaluates it. */
  readonly run: Run;
  /** It is the operation "unknown", which goes with every type where alternatives meet. */
  readonly isUnknown?: boolean;
  /** Msgpack of a literal. */
  readonly literal?: { readonly at: number; readonly size: number };
}

/** A node, or undefined when types or counts don't fit: the expression is refused. */
export type MaybeNode = ExpNode | undefined;

/** What the makers of nodes with arguments of their own kind ask of the compiler. */
export interface NodeSource {
  /** Compiles the next argument. */
  expression(): MaybeNode;
  /** Compiles arguments. */
  expressions(count: number): ExpNode[] | undefined;
  /** Takes note of a regular expression; false when there are too many, or they are too large together. */
  addRegex(regex: ByteRegex): boolean;
  /** Takes note of why the expression is refused, where it is not for a mistake in it. */
  refuse(resultCode: ResultCode): undefined;
}

/** Sets a bool; its type. */
export function giveBool(out: ExpValue, value: boolean): number {
  out.low = value ? 1 : 0;
  out.high = 0;
  return EXP_TYPE.BOOL;
}

/** Sets an integer of 32 bits; its type. */
export function giveSmall(out: ExpValue, value: number): number {
  out.low = value | 0;
  out.high = value < 0 ? -1 : 0;
  return EXP_TYPE.INT;
}

/** Sets a float; its type. */
export function giveFloat(out: ExpValue, value: number): number {
  out.float = value;
  return EXP_TYPE.FLOAT;
}
