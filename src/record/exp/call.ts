/**
 * Calls into list, map, bit and HLL operations. Source: the expression reference, section 8.8.
 *
 * A call is the operation's own msgpack list. Parameters that are lists are expressions; when all of them are literals
 * the list is ready after compiling, else it is put together at each evaluation from the pieces between them.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { CALL_SYSTEMS, type CallSystem } from "./call_systems.ts";
import type { Compiler } from "./compiler.ts";
import { encodeValue } from "./encode.ts";
import type { ExpNode, MaybeNode, Run } from "./node.ts";
import { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import { TOKEN } from "./reader.ts";
import type { ExpScope } from "./scope.ts";
import { ExpValue } from "./value.ts";

/** Bit of the system number: the value after the operation is meant, not the operation's answer. */
const MODIFY = 0x40;

/** Codes of list and map calls that have a form of their own. */
const CALL = { SELECT: 254, CONTEXT: 255 } as const;

/** A call while it is compiled: what is copied, and what is evaluated in between. */
interface Template {
  /** Offsets of ranges of the expression: start and end in turn; between two ranges stands a node. */
  readonly ranges: number[];
  /** Parameters that are evaluated. */
  readonly nodes: ExpNode[];
}

/** Reads the arguments of a call and makes its node. */
export function callNode(compiler: Compiler): MaybeNode {
  const type = compiler.parameter();
  const system = compiler.parameter();
  if (!(type >= EXP_TYPE.NIL && type <= EXP_TYPE.HLL)) return undefined;
  if (type === EXP_TYPE.GEOJSON) compiler.usesGeometry = true;
  const isModify = (system & MODIFY) !== 0;
  const target: CallSystem | undefined = CALL_SYSTEMS[system & ~MODIFY];
  if (target === undefined || !(system >= 0)) return undefined;
  const template = readTemplate(compiler, target);
  if (template === undefined) return undefined;
  const bin = compiler.expression();
  if (bin === undefined || !target.binTypes.includes(bin.type)) return undefined;
  if (target.run === undefined) return compiler.refuse(ResultCode.UNSUPPORTED_FEATURE);
  const call = new ExpValue();
  const place = new ExpValue();
  const build = builderOf(compiler.reader.bytes, template);
  const { run: runCall } = target;
  const run: Run = (scope, out) => {
    const kind = bin.run(scope, place);
    if (kind !== EXP_TYPE.NIL && !target.binTypes.includes(kind)) return UNKNOWN;
    if (!build(scope, call) || !scope.spend(call.size + place.size)) return UNKNOWN;
    const sizeBefore = scope.scratch.length;
    const result = runCall({ scope, call, bin: place, binType: kind, isModify, out });
    if (!scope.spend(Math.max(0, scope.scratch.length - sizeBefore))) return UNKNOWN;
    return result === type ? result : UNKNOWN;
  };
  return { type: bin.type === EXP_TYPE.NIL ? EXP_TYPE.NIL : type, run };
}

/** Reads the operation's list. */
function readTemplate(compiler: Compiler, target: CallSystem): Template | undefined {
  const { reader } = compiler;
  const template: Template = { ranges: [reader.at], nodes: [] };
  if (!readOperation(compiler, template, { ofContainer: target.hasContext, mayNest: target.hasContext })) {
    return undefined;
  }
  template.ranges.push(reader.at);
  return template;
}

/** Which forms an operation may have. */
interface OperationForm {
  /** It is about a list or map: it may be a selection by path. */
  readonly ofContainer: boolean;
  /** It may be `[255, context, [code, …]]`. */
  readonly mayNest: boolean;
}

/** Reads `[code, parameter, …]`. */
function readOperation(compiler: Compiler, template: Template, form: OperationForm): boolean {
  const { reader } = compiler;
  if (reader.next() !== TOKEN.LIST || reader.low === 0) return false;
  const paramCount = reader.low - 1;
  const code = compiler.parameter();
  if (Number.isNaN(code)) return false;
  if (form.mayNest && code === CALL.CONTEXT) {
    return paramCount === 2 && reader.skip() >= 0 &&
      readOperation(compiler, template, { ofContainer: true, mayNest: false });
  }
  const isSelect = form.ofContainer && code === CALL.SELECT;
  if (isSelect) noteSelect(compiler);
  for (let index = 0; index < paramCount; index++) {
    const isLiteral = !reader.atList() || isSelect;
    if (isLiteral ? reader.skip() < 0 : !readParameter(compiler, template)) return false;
  }
  return true;
}

/** An integer 8, the type GeoJSON, has this as its last byte in every form. */
const GEOJSON_TYPE_BYTE = EXP_TYPE.GEOJSON;

/** Takes note of what the expressions of a selection, which are compiled when it runs, may need. */
function noteSelect(compiler: Compiler): void {
  const { bytes, at, end } = compiler.reader;
  compiler.usesFacts = true;
  if (bytes.subarray(at, end).includes(GEOJSON_TYPE_BYTE)) compiler.usesGeometry = true;
}

/** Reads a parameter that is an expression. */
function readParameter(compiler: Compiler, template: Template): boolean {
  const { reader } = compiler;
  const start = reader.at;
  const node = compiler.expression();
  if (node === undefined) return false;
  template.ranges.push(start, reader.at);
  template.nodes.push(node);
  return true;
}

/** What puts the call together; false when a parameter is unknown. */
type Build = (scope: ExpScope, call: ExpValue) => boolean;

function builderOf(bytes: Uint8Array, { ranges, nodes }: Template): Build {
  if (nodes.length === 0) {
    const [at, end] = ranges;
    return (_scope, call) => {
      call.setRange(bytes, at, end - at);
      return true;
    };
  }
  if (nodes.every((node) => node.literal !== undefined && node.type === EXP_TYPE.LIST)) {
    const whole = spliceLiterals(bytes, ranges, nodes);
    return (_scope, call) => {
      call.setRange(whole, 0, whole.length);
      return true;
    };
  }
  return buildEachTime(bytes, ranges, nodes);
}

/** The call with its literal lists in the places of their quotes. */
function spliceLiterals(bytes: Uint8Array, ranges: readonly number[], nodes: readonly ExpNode[]): Uint8Array {
  const pieces = [bytes.subarray(ranges[0], ranges[1])];
  nodes.forEach(({ literal }, index) => {
    pieces.push(bytes.subarray(literal!.at, literal!.at + literal!.size));
    pieces.push(bytes.subarray(ranges[index * 2 + 2], ranges[index * 2 + 3]));
  });
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function buildEachTime(bytes: Uint8Array, ranges: readonly number[], nodes: readonly ExpNode[]): Build {
  const values = nodes.map(() => new ExpValue());
  const kinds = new Int8Array(nodes.length);
  return (scope, call) => {
    // Evaluated first: a parameter may itself build things in the scratch space.
    for (let index = 0; index < nodes.length; index++) {
      kinds[index] = nodes[index].run(scope, values[index]);
      if (kinds[index] === UNKNOWN) return false;
    }
    const { scratch } = scope;
    const start = scratch.length;
    scratch.append(bytes, ranges[0], ranges[1]);
    for (let index = 0; index < nodes.length; index++) {
      if (!scope.spend(values[index].size)) return false;
      if (encodeValue(scratch, kinds[index], values[index]) < 0) return false;
      scratch.append(bytes, ranges[index * 2 + 2], ranges[index * 2 + 3]);
    }
    call.setRange(scratch.bytes, start, scratch.length - start);
    return true;
  };
}
