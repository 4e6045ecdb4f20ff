/**
 * Operations as the shell writes them: `incr(visits, 1)`, `list.append(tags, "new")`, `map.get(scores, "ann")`.
 * Source of codes and arguments: wire-protocol reference, appendix A.
 *
 * @module
 */

import { Double, type Operation, ops, type Value } from "../src/client/mod.ts";
import type { LineReader } from "./shell_values.ts";

/** How an operation is written and what it becomes. */
interface OperationForm {
  /** Names of its arguments; those that end in `?` may be left out. */
  readonly args: readonly string[];
  readonly make: (args: readonly Value[]) => Operation;
}

const RETURN_NONE = 0;
const RETURN_COUNT = 5;
const RETURN_VALUE = 7;
const RETURN_MAP = 8;

type Shape = (args: readonly Value[]) => Value[];
const asGiven: Shape = (args) => [...args];
const returning = (type: number): Shape => (args) => [type, ...args];

function cdt(modifies: boolean, opcode: number, argNames: string, shape: Shape = asGiven): OperationForm {
  const make = modifies ? ops.cdtModify : ops.cdtRead;
  return {
    args: ["bin", ...argNames.split(" ").filter((name) => name !== "")],
    make: ([bin, ...rest]) => make(textOf(bin), { opcode, args: shape(rest) }),
  };
}

const read = (opcode: number, args: string, shape?: Shape): OperationForm => cdt(false, opcode, args, shape);
const change = (opcode: number, args: string, shape?: Shape): OperationForm => cdt(true, opcode, args, shape);

function textOf(value: Value): string {
  return typeof value === "string" ? value : String(value instanceof Double ? value.value : value);
}

/** Operations by name. */
const FORMS: ReadonlyMap<string, OperationForm> = new Map<string, OperationForm>([
  ["get", { args: ["bin?"], make: ([bin]) => bin === undefined ? ops.getAll() : ops.get(textOf(bin)) }],
  ["put", { args: ["bin", "value"], make: ([bin, value]) => ops.put(textOf(bin), value) }],
  ["incr", { args: ["bin", "by?"], make: ([bin, by]) => ops.increment(textOf(bin), by ?? 1) }],
  ["append", { args: ["bin", "value"], make: ([bin, value]) => ops.append(textOf(bin), value) }],
  ["prepend", { args: ["bin", "value"], make: ([bin, value]) => ops.prepend(textOf(bin), value) }],
  ["touch", { args: [], make: () => ops.touch() }],
  ["delete", { args: [], make: () => ops.deleteAll() }],
  ["list.append", change(1, "value")],
  ["list.append_items", change(2, "values")],
  ["list.insert", change(3, "index value")],
  ["list.pop", change(5, "index")],
  ["list.remove", change(7, "index")],
  ["list.set", change(9, "index value")],
  ["list.trim", change(10, "index count")],
  ["list.clear", change(11, "")],
  ["list.increment", change(12, "index by?")],
  ["list.sort", change(13, "")],
  ["list.remove_value", change(35, "value", returning(RETURN_COUNT))],
  ["list.size", read(16, "")],
  ["list.get", read(17, "index")],
  ["list.get_range", read(18, "index count?")],
  ["list.get_by_rank", read(21, "rank", returning(RETURN_VALUE))],
  ["list.get_value_range", read(25, "from to?", returning(RETURN_VALUE))],
  ["map.put", change(67, "key value")],
  ["map.put_items", change(68, "map")],
  ["map.increment", change(73, "key by?")],
  ["map.clear", change(75, "")],
  ["map.remove", change(76, "key", returning(RETURN_VALUE))],
  ["map.remove_keys", change(81, "keys", returning(RETURN_COUNT))],
  ["map.remove_key_range", change(84, "from to?", returning(RETURN_COUNT))],
  ["map.sort", change(64, "", () => [1])],
  ["map.size", read(96, "")],
  ["map.get", read(97, "key", returning(RETURN_VALUE))],
  ["map.get_by_index", read(98, "index", returning(RETURN_MAP))],
  ["map.get_by_rank", read(100, "rank", returning(RETURN_MAP))],
  ["map.get_key_range", read(103, "from to?", returning(RETURN_MAP))],
  ["map.get_value_range", read(105, "from to?", returning(RETURN_MAP))],
  ["map.get_rank_range", read(106, "rank count?", returning(RETURN_MAP))],
  ["map.remove_by_rank", change(79, "rank", returning(RETURN_NONE))],
]);

/** Names of the operations, for help and completion. */
export const OPERATION_NAMES: readonly string[] = [...FORMS.keys()];

/** One line per operation, for help. */
export function operationUsages(): string[] {
  return [...FORMS].map(([name, { args }]) => `${name}(${args.join(", ")})`);
}

/**
 * Reads operations up to the end of the line.
 *
 * @throws {ShellSyntaxError} when one is unknown or has too few or too many arguments
 */
export function readOperations(line: LineReader): Operation[] {
  const operations: Operation[] = [];
  while (!line.isAtEnd) operations.push(readOperation(line));
  if (operations.length === 0) line.fail("operations are missing, for example incr(visits, 1) get(visits)");
  return operations;
}

function readOperation(line: LineReader): Operation {
  const name = line.word("an operation").toLowerCase();
  const form = FORMS.get(name) ?? line.fail(`there is no operation "${name}"; "help operate" lists them`);
  line.expect("(");
  const args: Value[] = [];
  while (!line.takes(")")) {
    if (args.length > 0) line.expect(",");
    args.push(line.value("an argument"));
  }
  line.takes(",");
  const required = form.args.filter((arg) => !arg.endsWith("?")).length;
  if (args.length < required || args.length > form.args.length) {
    line.fail(`${name}(${form.args.join(", ")}) has ${args.length} argument${args.length === 1 ? "" : "s"}`);
  }
  return form.make(args);
}
