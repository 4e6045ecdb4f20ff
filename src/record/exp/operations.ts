/**
 * The table of operations: how many arguments each takes, and who makes its node.
 * Source: the expression reference, section 8.4.
 *
 * @module
 */

import { callNode } from "./call.ts";
import { compareNode } from "./compare.ts";
import type { Compiler } from "./compiler.ts";
import { inListNode, mapHalfNode } from "./containers.ts";
import {
  condNode,
  letNode,
  loopNode,
  REMOVE_NODE,
  UNKNOWN_NODE,
  type Variable,
  variableNode,
} from "./flow.ts";
import { geoCompareNode } from "./geo_node.ts";
import { listLiteral } from "./literals.ts";
import { logicNode } from "./logic.ts";
import type { ExpNode, MaybeNode } from "./node.ts";
import { floatPairNode, foldNode, integerPairNode, unaryNode } from "./number.ts";
import { EXP } from "./opcodes.ts";
import { binNode, binTypeNode, digestModuloNode, factNode, keyNode } from "./record_nodes.ts";
import { regexNode } from "./text_nodes.ts";
import { ExpValue } from "./value.ts";

interface Shape {
  /** Fewest arguments. */
  readonly argCountMin: number;
  /** Most arguments. */
  readonly argCountMax: number;
  /** It looks at what is known of a record besides its bins. */
  readonly usesFacts?: boolean;
}

/** An operation whose arguments are all expressions. */
interface PlainOperation extends Shape {
  readonly parse?: undefined;
  /** Makes the node; undefined when types don't fit. */
  readonly make: (op: number, args: readonly ExpNode[]) => MaybeNode;
}

/** An operation that reads its arguments itself. */
interface SpecialOperation extends Shape {
  /** Reads the arguments and makes the node. */
  readonly parse: (compiler: Compiler, op: number, argCount: number) => MaybeNode;
}

type Make = PlainOperation["make"];
type Parse = SpecialOperation["parse"];

function plain(
  ops: readonly number[],
  counts: readonly [number, number],
  make: Make,
): [number, PlainOperation][] {
  return ops.map((op) => [op, { argCountMin: counts[0], argCountMax: counts[1], make }]);
}

function special(op: number, counts: readonly [number, number], parse: Parse): [number, SpecialOperation] {
  return [op, { argCountMin: counts[0], argCountMax: counts[1], parse }];
}

const FACT_OPS = [
  EXP.DEVICE_SIZE,
  EXP.LAST_UPDATE,
  EXP.SINCE_UPDATE,
  EXP.VOID_TIME,
  EXP.TTL,
  EXP.SET_NAME,
  EXP.KEY_EXISTS,
  EXP.IS_TOMBSTONE,
  EXP.MEMORY_SIZE,
  EXP.RECORD_SIZE,
];
const FOLD_OPS = [EXP.ADD, EXP.SUB, EXP.MUL, EXP.DIV, EXP.INT_AND, EXP.INT_OR, EXP.INT_XOR, EXP.MIN, EXP.MAX];
const UNARY_OPS = [EXP.ABS, EXP.FLOOR, EXP.CEIL, EXP.TO_INT, EXP.TO_FLOAT, EXP.INT_NOT, EXP.BIT_COUNT];
const PAIR_OPS = [EXP.MOD, EXP.LSHIFT, EXP.RSHIFT, EXP.ARSHIFT, EXP.LSCAN, EXP.RSCAN];
const MANY = Infinity;

/** Operations by number. */
export const OPERATIONS: Readonly<Record<number, PlainOperation | SpecialOperation>> = Object.fromEntries([
  ...plain([EXP.UNKNOWN], [0, 0], () => UNKNOWN_NODE),
  ...plain([EXP.EQ, EXP.NE, EXP.GT, EXP.GE, EXP.LT, EXP.LE], [2, 2], compareNode),
  special(EXP.REGEX, [3, 3], parseRegex),
  special(EXP.GEO_COMPARE, [2, 2], parseGeoCompare),
  ...plain([EXP.IN_LIST], [2, 2], (_op, args) => inListNode(args)),
  ...plain([EXP.AND, EXP.OR, EXP.EXCLUSIVE], [2, MANY], logicNode),
  ...plain([EXP.NOT], [1, 1], logicNode),
  ...plain(FOLD_OPS, [1, MANY], foldNode),
  ...plain([EXP.POW, EXP.LOG], [2, 2], floatPairNode),
  ...plain(PAIR_OPS, [2, 2], integerPairNode),
  ...plain(UNARY_OPS, [1, 1], unaryNode),
  [EXP.DIGEST_MODULO, { argCountMin: 1, argCountMax: 1, usesFacts: true, parse: parseDigestModulo }],
  ...FACT_OPS.map((op) => [op, { argCountMin: 0, argCountMax: 0, usesFacts: true, make: factNode }] as const),
  special(EXP.KEY, [1, 1], (compiler) => keyNode(compiler.parameter())),
  special(EXP.BIN, [2, 2], parseBin),
  special(EXP.BIN_TYPE, [1, 1], parseBinType),
  ...plain([EXP.REMOVE_RESULT], [0, 0], () => REMOVE_NODE),
  ...plain([EXP.MAP_KEYS, EXP.MAP_VALUES], [1, 1], mapHalfNode),
  special(EXP.LOOP_VARIABLE, [2, 2], parseLoopVariable),
  special(EXP.COND, [3, MANY], parseCond),
  special(EXP.VAR, [1, 1], parseVariable),
  special(EXP.LET, [3, MANY], parseLet),
  special(EXP.QUOTE, [1, 1], ({ reader }) => listLiteral(reader)),
  special(EXP.CALL, [4, 4], callNode),
]);

function parseRegex(compiler: Compiler): MaybeNode {
  const flags = compiler.parameter();
  const pattern = compiler.text();
  return Number.isNaN(flags) || pattern === undefined ? undefined : regexNode(compiler, flags, pattern);
}

function parseGeoCompare(compiler: Compiler): MaybeNode {
  const args = compiler.expressions(2);
  return args === undefined ? undefined : geoCompareNode(compiler.reader.bytes, args);
}

function parseDigestModulo({ reader }: Compiler): MaybeNode {
  return reader.integer() ? digestModuloNode(reader.low) : undefined;
}

function parseBin(compiler: Compiler): MaybeNode {
  const type = compiler.parameter();
  const name = compiler.text();
  return type >= 0 && name !== undefined ? binNode(type, name) : undefined;
}

function parseBinType(compiler: Compiler): MaybeNode {
  const name = compiler.text();
  return name === undefined ? undefined : binTypeNode(name);
}

function parseLoopVariable(compiler: Compiler): MaybeNode {
  const type = compiler.parameter();
  const which = compiler.parameter();
  return type >= 0 && which >= 0 ? loopNode(type, which) : undefined;
}

function parseCond(compiler: Compiler, _op: number, argCount: number): MaybeNode {
  const args = argCount % 2 === 1 ? compiler.expressions(argCount) : undefined;
  return args === undefined ? undefined : condNode(args);
}

/** The name of a variable: letters, digits and underscore, no digit first; undefined for anything else. */
function variableName(compiler: Compiler): string | undefined {
  const bytes = compiler.text();
  if (bytes === undefined || bytes.length > VARIABLE_NAME_SIZE_MAX) return undefined;
  const name = String.fromCharCode(...bytes);
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : undefined;
}

/** Longest name of a variable; the stock server has no limit but the expression's size. */
const VARIABLE_NAME_SIZE_MAX = 1024;

function parseVariable(compiler: Compiler): MaybeNode {
  const name = variableName(compiler);
  if (name === undefined) return undefined;
  const variable = compiler.variables.find((visible) => visible.name === name);
  return variable === undefined ? undefined : variableNode(variable);
}

function parseLet(compiler: Compiler, _op: number, argCount: number): MaybeNode {
  if (argCount % 2 === 0) return undefined;
  const { variables } = compiler;
  const visibleCount = variables.length;
  const definitions: { slot: ExpValue; node: ExpNode }[] = [];
  for (let left = argCount; left > 1; left -= 2) {
    const name = variableName(compiler);
    if (name === undefined || variables.some((visible) => visible.name === name)) return undefined;
    const node = compiler.expression();
    if (node === undefined) return undefined;
    const variable: Variable = { name, type: node.type, slot: new ExpValue() };
    definitions.push({ slot: variable.slot, node });
    variables.push(variable);
  }
  const body = compiler.expression();
  variables.length = visibleCount;
  return body === undefined ? undefined : letNode(definitions, body);
}
