/**
 * Operations on one record, for `operate` and for batch writes.
 *
 * @module
 */

import type { RequestWriter } from "../wire/mod.ts";
import { OP, PARTICLE } from "../wire/mod.ts";
import { encodeMsgpack } from "./msgpack_values.ts";
import { appendParticle } from "./particle.ts";
import type { Value } from "./value.ts";

/** One operation. Build it with the functions of {@linkcode ops}. */
export interface Operation {
  /** Operation id of the protocol. */
  readonly op: number;
  /** Bin, empty where the operation concerns the whole record. */
  readonly bin: string;
  /** Value; undefined for none. */
  readonly value?: Value | undefined;
}

const WRITE_OPS: ReadonlySet<number> = new Set([
  OP.WRITE,
  OP.CDT_MODIFY,
  OP.INCR,
  OP.EXP_MODIFY,
  OP.APPEND,
  OP.PREPEND,
  OP.TOUCH,
  OP.BITS_MODIFY,
  OP.DELETE_ALL,
  OP.HLL_MODIFY,
]);

/** Whether an operation changes the record. */
export function isWriteOperation(operation: Operation): boolean {
  return WRITE_OPS.has(operation.op);
}

/** Whether an operation reads all bins. */
export function isReadAll(operation: Operation): boolean {
  return operation.op === OP.READ && operation.bin === "";
}

/** Appends an operation to a request. */
export function appendOperation(writer: RequestWriter, operation: Operation): void {
  const at = writer.beginOp(operation.op, operation.bin);
  const particleType = operation.value === undefined
    ? PARTICLE.NULL
    : appendParticle(writer.buffer, operation.value);
  writer.endOp(at, particleType);
}

/** Step into a nested list or map: its type from the protocol, and the index, rank, key or value. */
export interface ContextStep {
  /** For example 0x10 list index, 0x22 map key. */
  readonly type: number;
  /** Which one. */
  readonly value: Value;
}

/** Call of a list, map, bit or HLL operation. */
export interface Call {
  /** Opcode from the protocol. */
  readonly opcode: number;
  /** Arguments in the protocol's order. */
  readonly args?: readonly Value[];
  /** Way to the nested container, outermost first. */
  readonly context?: readonly ContextStep[];
}

const CONTEXT_OPCODE = 0xff;

function encodeCall(call: Call): Uint8Array {
  const plain: Value = [call.opcode, ...(call.args ?? [])];
  if (call.context === undefined || call.context.length === 0) return encodeMsgpack(plain);
  return encodeMsgpack([CONTEXT_OPCODE, call.context.flatMap((step) => [step.type, step.value]), plain]);
}

function callOperation(op: number, bin: string, call: Call): Operation {
  return { op, bin, value: encodeCall(call) };
}

/** What {@linkcode ops} offers. */
export interface OperationMakers {
  /** Reads a bin. */
  get(bin: string): Operation;
  /** Reads all bins. */
  getAll(): Operation;
  /** Writes a bin; null removes it. */
  put(bin: string, value: Value): Operation;
  /** Adds to a number. */
  increment(bin: string, by: Value): Operation;
  /** Appends to text or to a blob. */
  append(bin: string, value: Value): Operation;
  /** Prepends to text or to a blob. */
  prepend(bin: string, value: Value): Operation;
  /** Renews the TTL. */
  touch(): Operation;
  /** Removes all bins; later operations of the same request may write new ones. */
  deleteAll(): Operation;
  /** Reads from a list or map. */
  cdtRead(bin: string, call: Call): Operation;
  /** Changes a list or map. */
  cdtModify(bin: string, call: Call): Operation;
  /** Reads bits of a blob. */
  bitsRead(bin: string, call: Call): Operation;
  /** Changes bits of a blob. */
  bitsModify(bin: string, call: Call): Operation;
  /** Reads from an HLL. */
  hllRead(bin: string, call: Call): Operation;
  /** Changes an HLL. */
  hllModify(bin: string, call: Call): Operation;
  /** Evaluates an expression into a result named `name`; `call` is msgpack of expression and flags. */
  expressionRead(name: string, call: Uint8Array): Operation;
  /** Evaluates an expression into a bin; `call` is msgpack of expression and flags. */
  expressionModify(bin: string, call: Uint8Array): Operation;
}

/** Makers of operations. */
export const ops: OperationMakers = {
  get(bin: string): Operation {
    return { op: OP.READ, bin };
  },
  getAll(): Operation {
    return { op: OP.READ, bin: "" };
  },
  put(bin: string, value: Value): Operation {
    return { op: OP.WRITE, bin, value };
  },
  increment(bin: string, by: Value): Operation {
    return { op: OP.INCR, bin, value: by };
  },
  append(bin: string, value: Value): Operation {
    return { op: OP.APPEND, bin, value };
  },
  prepend(bin: string, value: Value): Operation {
    return { op: OP.PREPEND, bin, value };
  },
  touch(): Operation {
    return { op: OP.TOUCH, bin: "" };
  },
  deleteAll(): Operation {
    return { op: OP.DELETE_ALL, bin: "" };
  },
  cdtRead(bin: string, call: Call): Operation {
    return callOperation(OP.CDT_READ, bin, call);
  },
  cdtModify(bin: string, call: Call): Operation {
    return callOperation(OP.CDT_MODIFY, bin, call);
  },
  bitsRead(bin: string, call: Call): Operation {
    return callOperation(OP.BITS_READ, bin, call);
  },
  bitsModify(bin: string, call: Call): Operation {
    return callOperation(OP.BITS_MODIFY, bin, call);
  },
  hllRead(bin: string, call: Call): Operation {
    return callOperation(OP.HLL_READ, bin, call);
  },
  hllModify(bin: string, call: Call): Operation {
    return callOperation(OP.HLL_MODIFY, bin, call);
  },
  expressionRead(name: string, call: Uint8Array): Operation {
    return { op: OP.EXP_READ, bin: name, value: call };
  },
  expressionModify(bin: string, call: Uint8Array): Operation {
    return { op: OP.EXP_MODIFY, bin, value: call };
  },
};
