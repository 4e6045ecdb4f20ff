/**
 * The shell's commands about records. Those about the server are in `shell_admin.ts`.
 *
 * @module
 */

import {
  type Bins,
  type ExistsAction,
  GeoJson,
  type IndexCollection,
  type Value,
  type Where,
  type WritePolicy,
} from "../src/client/mod.ts";
import { operationUsages, readOperations } from "./shell_operations.ts";
import { LIMIT_DEFAULT, type ShellSession } from "./shell_session.ts";
import type { LineReader } from "./shell_values.ts";

/** A command of the shell. */
export interface ShellCommand {
  /** How it is written. */
  readonly usage: string;
  /** What it is for, one line. */
  readonly doc: string;
  /** More, for `help COMMAND`. */
  readonly details?: () => string;
  /** Runs it. */
  readonly run: (line: LineReader, session: ShellSession) => Promise<void> | void;
}

/** Commands about records, by name. */
export const RECORD_COMMANDS: Readonly<Record<string, ShellCommand>> = {
  use: {
    usage: "use NAMESPACE[.SET]",
    doc: "set the namespace and set of the keys that follow",
    run: runUse,
  },
  get: { usage: "get KEY [BIN...]", doc: "read a record", run: runGet },
  exists: { usage: "exists KEY", doc: "tell whether a record is there", run: runExists },
  put: {
    usage:
      "put KEY BIN=VALUE... | {BIN: VALUE, ...} [--ttl S] [--gen N] [--create|--update|--replace] [--no-key]",
    doc: "write bins; null removes one",
    run: runPut,
  },
  delete: { usage: "delete KEY [--durable]", doc: "delete a record", run: runDelete },
  touch: { usage: "touch KEY [--ttl S]", doc: "renew a record's TTL", run: runTouch },
  operate: {
    usage: "operate KEY OPERATION(...)...",
    doc: "apply operations to a record, all or none",
    details: () => `Operations:\n  ${operationUsages().join("\n  ")}`,
    run: runOperate,
  },
  execute: {
    usage: "execute KEY MODULE.FUNCTION(ARG, ...)",
    doc: "run a Lua function on a record",
    run: runExecute,
  },
  scan: { usage: "scan [BIN...] [--limit N | --all]", doc: "read all records of the set", run: runScan },
  query: {
    usage:
      "query [list|mapkeys|mapvalues] BIN = VALUE | between LOW and HIGH | geo GEOJSON [--limit N | --all]",
    doc: "read the records that a secondary index finds",
    details: () =>
      'Examples:\n  query age = 42\n  query age between 18 and 30\n  query list tags = "new"\n' +
      '  query place geo {"$geo": {"type": "AeroCircle", "coordinates": [[8.5, 47.4], 1000]}}',
    run: runQuery,
  },
};

function runUse(line: LineReader, session: ShellSession): void {
  const [namespace, set = "", ...more] = line.word("NAMESPACE[.SET]").split(".");
  expectEnd(line);
  if (namespace === "") line.fail("the namespace is missing");
  session.namespace = namespace;
  session.set = [set, ...more].join(".");
}

async function runGet(line: LineReader, session: ShellSession): Promise<void> {
  const key = session.key(line);
  const bins = wordsUntilEnd(line);
  const record = bins.length === 0 ? await session.client.get(key) : await session.client.get(key, { bins });
  if (record === undefined) session.say("there is no such record");
  else session.printRecord(record);
}

async function runExists(line: LineReader, session: ShellSession): Promise<void> {
  const key = session.key(line);
  expectEnd(line);
  const meta = await session.client.exists(key);
  session.printRows([
    new Map<string, Value>(
      meta === undefined
        ? [["exists", false]]
        : [["exists", true], ["generation", meta.generation], ["ttl", meta.ttlS]],
    ),
  ]);
}

async function runPut(line: LineReader, session: ShellSession): Promise<void> {
  const key = session.key(line);
  const bins: Bins = {};
  const policy: WritePolicy = { sendKey: !("digest" in key) };
  while (!line.isAtEnd) {
    if (readWriteFlag(line, policy)) continue;
    if (line.takes("{")) {
      while (!line.takes("}")) {
        const name = line.word("a bin");
        line.expect(":");
        bins[name] = line.value();
        line.takes(",");
      }
      continue;
    }
    const name = line.word("a bin");
    line.expect("=");
    bins[name] = line.value();
  }
  if (Object.keys(bins).length === 0) line.fail('bins are missing, for example name="Ann" age=42');
  const { generation } = await session.client.put(key, bins, policy);
  session.say(`written, generation ${generation}`);
}

const EXISTS_FLAGS: Readonly<Record<string, ExistsAction>> = {
  "--create": "create-only",
  "--update": "update-only",
  "--replace": "replace",
};

function readWriteFlag(line: LineReader, policy: WritePolicy): boolean {
  for (const [flag, exists] of Object.entries(EXISTS_FLAGS)) {
    if (line.takesWord(flag)) {
      policy.exists = exists;
      return true;
    }
  }
  if (line.takesWord("--ttl")) policy.ttlS = integer(line, "seconds, -1 for ever, -2 unchanged");
  else if (line.takesWord("--gen")) {
    policy.generation = integer(line, "a generation");
    policy.generationPolicy = "equal";
  } else if (line.takesWord("--durable")) policy.durableDelete = true;
  else if (line.takesWord("--no-key")) policy.sendKey = false;
  else return false;
  return true;
}

async function runDelete(line: LineReader, session: ShellSession): Promise<void> {
  const key = session.key(line);
  const policy = writeFlags(line);
  const existed = await session.client.delete(key, policy);
  session.say(existed ? "deleted" : "there is no such record");
}

async function runTouch(line: LineReader, session: ShellSession): Promise<void> {
  const key = session.key(line);
  const meta = await session.client.touch(key, writeFlags(line));
  session.say(meta === undefined ? "there is no such record" : `touched, generation ${meta.generation}`);
}

function writeFlags(line: LineReader): WritePolicy {
  const policy: WritePolicy = {};
  while (!line.isAtEnd) {
    if (!readWriteFlag(line, policy)) line.fail(`"${line.rest()}" is no flag of this command`);
  }
  return policy;
}

async function runOperate(line: LineReader, session: ShellSession): Promise<void> {
  const key = session.key(line);
  const { results, generation } = await session.client.operate(key, readOperations(line));
  session.printRows(
    results.map(({ bin, value }) => new Map<string, Value>([["bin", bin], ["result", value]])),
  );
  session.say(`done, generation ${generation}`);
}

async function runExecute(line: LineReader, session: ShellSession): Promise<void> {
  const key = session.key(line);
  const name = line.word("MODULE.FUNCTION");
  const dot = name.lastIndexOf(".");
  if (dot <= 0 || dot === name.length - 1) line.fail("write MODULE.FUNCTION(arguments)");
  const args: Value[] = [];
  line.expect("(");
  while (!line.takes(")")) {
    if (args.length > 0) line.expect(",");
    args.push(line.value("an argument"));
  }
  expectEnd(line);
  const value = await session.client.execute(key, {
    module: name.slice(0, dot),
    function: name.slice(dot + 1),
    args,
  });
  session.printRows([new Map([["result", value]])]);
}

async function runScan(line: LineReader, session: ShellSession): Promise<void> {
  const { words: bins, limit } = wordsAndLimit(line, session);
  await session.printRecords(
    session.client.scan({ ...place(session), ...(bins.length === 0 ? {} : { bins }) }),
    limit,
  );
}

const COLLECTIONS: readonly IndexCollection[] = ["list", "mapkeys", "mapvalues"];

async function runQuery(line: LineReader, session: ShellSession): Promise<void> {
  const collection = COLLECTIONS.find((one) => line.takesWord(one));
  const bin = line.word("a bin");
  const where: Where = { bin, ...(collection === undefined ? {} : { collection }) };
  if (line.takes("=")) where.equals = equalTo(line);
  else if (line.takesWord("between")) {
    const low = wholeNumber(line);
    if (!line.takesWord("and")) line.fail('"and" is missing');
    where.between = [low, wholeNumber(line)];
  } else if (line.takesWord("geo")) {
    const value = line.value("a region or a point");
    where.geo = value instanceof GeoJson ? value : line.fail('a place is written {"$geo": {...}}');
  } else line.fail("= VALUE, between LOW and HIGH, or geo GEOJSON is missing");
  const { words, limit } = wordsAndLimit(line, session);
  if (words.length > 0) line.fail(`"${words[0]}" is too much`);
  await session.printRecords(session.client.scan({ ...place(session), where }), limit);
}

function equalTo(line: LineReader): string | number | bigint | Uint8Array {
  const value = line.value();
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return value;
  return value instanceof Uint8Array ? value : line.fail("indexes find integers, texts and bytes");
}

function wholeNumber(line: LineReader): number | bigint {
  const value = line.value("an integer");
  return typeof value === "number" || typeof value === "bigint" ? value : line.fail("an integer is missing");
}

function place({ namespace, set }: ShellSession): { namespace: string; set?: string } {
  return set === "" ? { namespace } : { namespace, set };
}

function wordsAndLimit(line: LineReader, session: ShellSession): { words: string[]; limit: number } {
  const words: string[] = [];
  let limit = session.isInteractive ? LIMIT_DEFAULT : Infinity;
  while (!line.isAtEnd) {
    if (line.takesWord("--all")) limit = Infinity;
    else if (line.takesWord("--limit")) limit = integer(line, "a number of records");
    else words.push(line.word("a bin"));
  }
  return { words, limit };
}

function wordsUntilEnd(line: LineReader): string[] {
  const words: string[] = [];
  while (!line.isAtEnd) words.push(line.word("a bin"));
  return words;
}

function integer(line: LineReader, what: string): number {
  const value = line.value(what);
  return typeof value === "number" ? value : line.fail(`${what} is missing`);
}

/** @throws {ShellSyntaxError} when something is left */
export function expectEnd(line: LineReader): void {
  if (!line.isAtEnd) line.fail(`"${line.rest()}" is too much`);
}
