/**
 * What expressions can call: operations on lists and maps, on bits and on HLLs, each over a value of an expression.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { modifyBits, readBits } from "../bits/mod.ts";
import { ByteRange, CallResult, ValueEdit } from "../call.ts";
import { CdtMachine, type CdtRequest, type CdtTarget, runCdt } from "../cdt/mod.ts";
import { modifyHll, readHll } from "../hll/mod.ts";
import { particleOfType } from "./encode.ts";
import { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import { PathEvaluator } from "./path.ts";
import type { ExpScope } from "./scope.ts";
import { type ExpValue, wordsToFloat } from "./value.ts";

/** One call. */
export interface Call {
  /** What is built is built in its scratch space. */
  readonly scope: ExpScope;
  /** The operation's list. */
  readonly call: ExpValue;
  /** The value that it is about. */
  readonly bin: ExpValue;
  /** Type of that value; NIL for a bin that is not there. */
  readonly binType: number;
  /** The value after the operation is meant, else the operation's answer. */
  readonly isModify: boolean;
  /** Filled with the result. */
  readonly out: ExpValue;
}

/** One of the things that can be called. */
export interface CallSystem {
  /** Types of value that it works on. */
  readonly binTypes: readonly number[];
  /** Its calls may have a context. */
  readonly hasContext: boolean;
  /** Runs a call; the result's type, or UNKNOWN. Undefined where there is no such thing yet. */
  readonly run: ((call: Call) => number) | undefined;
}

const { NIL, LIST, MAP, BLOB, HLL } = EXP_TYPE;

/** Systems by number. */
export const CALL_SYSTEMS: readonly CallSystem[] = [
  { binTypes: [NIL, LIST, MAP], hasContext: true, run: callContainer },
  { binTypes: [NIL, BLOB], hasContext: false, run: (call) => callBytes(call, BITS) },
  { binTypes: [NIL, HLL], hasContext: false, run: (call) => callBytes(call, HLLS) },
];

/** Largest value that an operation may build, in bytes: that of a record. */
const BUILT_SIZE_MAX_BYTES = 8 * 1024 * 1024;

/** Types of expression by particle type; UNKNOWN for particles that expressions don't know. */
const TYPE_OF_PARTICLE = new Int8Array(256).fill(UNKNOWN);
for (const type of Object.values(EXP_TYPE)) {
  const particle = particleOfType(type);
  if (particle !== PARTICLE.NULL) TYPE_OF_PARTICLE[particle] = type;
}

/** An answer as calls give it: words of a number, or a range. */
interface Answer {
  type: number;
  high: number;
  low: number;
  at: number;
  sizeBytes: number;
}

/** Bytes of a GeoJSON particle before its text, when it has no cells. */
const GEOJSON_HEAD_SIZE = 3;

/** Takes over an answer; its type, or UNKNOWN. No answer is nil. */
function takeAnswer(out: ExpValue, answer: Answer, bytes: Uint8Array): number {
  if (answer.type === PARTICLE.NULL) return NIL;
  const type = TYPE_OF_PARTICLE[answer.type];
  switch (type) {
    case EXP_TYPE.INT:
    case EXP_TYPE.BOOL:
      out.high = answer.high;
      out.low = answer.low;
      break;
    case EXP_TYPE.FLOAT:
      out.float = wordsToFloat(answer.high, answer.low);
      break;
    case EXP_TYPE.GEOJSON:
      out.setRange(bytes, answer.at + GEOJSON_HEAD_SIZE, answer.sizeBytes - GEOJSON_HEAD_SIZE);
      break;
    default:
      out.setRange(bytes, answer.at, answer.sizeBytes);
  }
  return type;
}

/** Machines for calls within calls, by depth. A path selection evaluates expressions, which may call in turn. */
const machines: CdtMachine[] = [];
/** Scopes that those calls belong to. */
const scopes: ExpScope[] = [];
let depth = 0;

function machineAt(place: number): CdtMachine {
  const machine = new CdtMachine();
  machine.makeExpressions = () => new PathEvaluator(scopes[place]);
  return machine;
}

function callContainer(call: Call): number {
  const machine = machines[depth] ??= machineAt(depth);
  scopes[depth] = call.scope;
  depth++;
  try {
    return runContainer(machine, call);
  } finally {
    depth--;
  }
}

function runContainer(machine: CdtMachine, { scope, call, bin, binType, isModify, out }: Call): number {
  const target: CdtTarget = {
    type: particleOfType(binType),
    bytes: bin.bytes,
    at: bin.at,
    end: bin.at + bin.size,
  };
  const request: CdtRequest = {
    bytes: call.bytes,
    at: call.at,
    end: call.at + call.size,
    mayModify: isModify,
  };
  if (runCdt(machine, target, request, scope.scratch) !== ResultCode.OK) return UNKNOWN;
  if (!isModify) return takeAnswer(out, machine.result, machine.result.bytes);
  if (!machine.isChanged) {
    out.copy(bin);
    return binType;
  }
  // A list that is appended to itself again and again doubles each time.
  if (machine.newSize > BUILT_SIZE_MAX_BYTES) return UNKNOWN;
  out.setRange(scope.scratch.bytes, machine.newAt, machine.newSize);
  return machine.newIsMap ? MAP : LIST;
}

const range = new ByteRange();
const answer = new CallResult();
let edit: ValueEdit | undefined;

/** Operations on a value that is a range of bytes. */
interface ByteOperations {
  /** Type of the value. */
  readonly type: number;
  /** Answers a reading call. */
  readonly read: typeof readHll;
  /** Applies a modifying call. */
  readonly modify: typeof modifyHll;
}

const BITS: ByteOperations = { type: BLOB, read: readBits, modify: modifyBits };
const HLLS: ByteOperations = { type: HLL, read: readHll, modify: modifyHll };

function callBytes({ scope, call, bin, binType, isModify, out }: Call, operations: ByteOperations): number {
  const { scratch } = scope;
  edit ??= new ValueEdit(scratch);
  edit.out = scratch;
  edit.old.set(bin.bytes, bin.at, binType === NIL ? 0 : bin.size);
  edit.start(particleOfType(binType), false, BUILT_SIZE_MAX_BYTES);
  range.set(call.bytes, call.at, call.size);
  answer.setNone();
  if (!isModify) {
    if (binType === NIL) return NIL;
    const code = operations.read(range, edit, answer);
    return code === ResultCode.OK ? takeAnswer(out, answer, scratch.bytes) : UNKNOWN;
  }
  if (operations.modify(range, edit, answer) !== ResultCode.OK) return UNKNOWN;
  if (!edit.isChanged) {
    out.copy(bin);
    return binType;
  }
  out.setRange(scratch.bytes, edit.newAt, edit.newSizeBytes);
  return operations.type;
}
