/**
 * The shell's commands about the server: indexes, Lua modules, info, help.
 *
 * @module
 */

import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { Value } from "../src/client/mod.ts";
import { decodeBase64, encodeBase64, utf8Decode } from "../src/base/mod.ts";
import { askInfo, infoFields, infoParts, infoValueOrEmpty } from "./info_fields.ts";
import { expectEnd, RECORD_COMMANDS, type ShellCommand } from "./shell_commands.ts";
import { codeOf, explainCode, explainError } from "./shell_explain.ts";
import type { Row } from "./shell_output.ts";
import type { ShellSession } from "./shell_session.ts";
import type { LineReader } from "./shell_values.ts";

const MODULE_SIZE_MAX_BYTES = 1024 * 1024;
const INDEX_TYPES = ["numeric", "string", "blob", "geo2dsphere"];
const COLLECTIONS = ["default", "list", "mapkeys", "mapvalues"];
/** Statistics of a namespace that `show namespaces` prints. */
const NAMESPACE_FIGURES = [
  "objects",
  "tombstones",
  "data_used_bytes",
  "effective_replication_factor",
  "stop_writes",
];

/** Commands about the server, by name. */
export const ADMIN_COMMANDS: Readonly<Record<string, ShellCommand>> = {
  index: {
    usage: "index list | create NAME BIN TYPE [COLLECTION] | drop NAME",
    doc: "secondary indexes of the namespace",
    details: () => `TYPE is ${INDEX_TYPES.join(", ")}; COLLECTION is ${COLLECTIONS.join(", ")}`,
    run: runIndex,
  },
  udf: {
    usage: "udf list | put FILE | show NAME | remove NAME",
    doc: "Lua modules of the cluster",
    run: runUdf,
  },
  show: {
    usage: "show namespaces | sets | nodes",
    doc: "what there is",
    run: runShow,
  },
  info: {
    usage: "info COMMAND [--all]",
    doc: "ask a node, or all of them, an info command",
    run: runInfoCommand,
  },
  truncate: {
    usage: "truncate [--yes]",
    doc: "delete all records of the set, or of the namespace when no set is in use",
    run: runTruncate,
  },
  explain: {
    usage: "explain [CODE]",
    doc: "what the last error, or a result code, means",
    run: runExplain,
  },
  output: { usage: "output table | json", doc: "how results are printed", run: runOutput },
  help: { usage: "help [COMMAND]", doc: "this text, or more about a command", run: runHelp },
  exit: {
    usage: "exit",
    doc: "leave",
    run: (_line, session) => void (session.isLeaving = true),
  },
};

/** All commands by name. */
export const COMMANDS: Readonly<Record<string, ShellCommand>> = { ...RECORD_COMMANDS, ...ADMIN_COMMANDS };

async function runIndex(line: LineReader, session: ShellSession): Promise<void> {
  const { namespace, set } = session;
  if (line.takesWord("create")) {
    const [name, bin] = [line.word("a name"), line.word("a bin")];
    const type = oneOf(line, INDEX_TYPES);
    const collection = line.isAtEnd ? "default" : oneOf(line, COLLECTIONS);
    const setText = set === "" ? "" : `;set=${set}`;
    const kind = collection === "default" ? "" : `;indextype=${collection}`;
    await askInfo(
      session.client,
      `sindex-create:namespace=${namespace}${setText};indexname=${name}${kind};bin=${bin};type=${type}`,
    );
    session.say(`index ${name} is being built; "index list" tells how far it is`);
  } else if (line.takesWord("drop")) {
    const name = line.word("a name");
    await askInfo(session.client, `sindex-delete:namespace=${namespace};indexname=${name}`);
    session.say(`index ${name} is dropped`);
  } else {
    if (!line.isAtEnd && !line.takesWord("list")) line.fail("list, create or drop is missing");
    await listIndexes(session);
  }
  expectEnd(line);
}

async function listIndexes(session: ShellSession): Promise<void> {
  const rows: Row[] = [];
  for (
    const entry of infoParts(await askInfo(session.client, `sindex-list:namespace=${session.namespace}`), ";")
  ) {
    const fields = infoFields(entry, ":");
    const name = String(fields.get("indexname") ?? "");
    const stat = await askInfo(
      session.client,
      `sindex-stat:namespace=${session.namespace};indexname=${name}`,
    );
    const figures = infoFields(stat, ";");
    rows.push(
      new Map<string, Value>([
        ["index", name],
        ["set", infoValueOrEmpty(fields.get("set"))],
        ["bin", infoValueOrEmpty(fields.get("bin"))],
        ["type", infoValueOrEmpty(fields.get("type"))],
        ["of", infoValueOrEmpty(fields.get("indextype"))],
        ["built %", Number(figures.get("load_pct") ?? 0)],
        ["entries", Number(figures.get("entries") ?? 0)],
      ]),
    );
  }
  session.printRows(rows);
  session.say(`${rows.length} index${rows.length === 1 ? "" : "es"} of namespace ${session.namespace}`);
}

async function runUdf(line: LineReader, session: ShellSession): Promise<void> {
  if (line.takesWord("put")) {
    const path = line.word("a file");
    const source = readModule(path, line);
    const content = encodeBase64(source);
    const name = basename(path);
    await askInfo(
      session.client,
      `udf-put:filename=${name};content=${content};content-len=${content.length};udf-type=LUA;`,
    );
    session.say(`module ${name} is registered`);
  } else if (line.takesWord("remove")) {
    const name = line.word("a name");
    await askInfo(session.client, `udf-remove:filename=${name};`);
    session.say(`module ${name} is removed`);
  } else if (line.takesWord("show")) {
    const answer = infoFields(await askInfo(session.client, `udf-get:filename=${line.word("a name")};`), ";");
    const content = answer.get("content");
    if (content === undefined) {
      throw new Error(`The server has no such module: ${answer.get("error") ?? "no content"}`);
    }
    session.output.print(utf8Decode(decodeBase64(content)!).trimEnd());
  } else {
    if (!line.isAtEnd && !line.takesWord("list")) line.fail("list, put, show or remove is missing");
    const entries = infoParts(await askInfo(session.client, "udf-list"), ";");
    session.printRows(entries.map((entry) => new Map<string, Value>(infoFields(entry, ","))));
  }
  expectEnd(line);
}

function readModule(path: string, line: LineReader): Uint8Array {
  try {
    if (statSync(path).size > MODULE_SIZE_MAX_BYTES) line.fail(`${path} has more than 1 MiB`);
    return readFileSync(path);
  } catch (error) {
    return line.fail(`cannot read ${path}: ${(error as Error).message}`);
  }
}

async function runShow(line: LineReader, session: ShellSession): Promise<void> {
  if (line.takesWord("namespaces")) await showNamespaces(session);
  else if (line.takesWord("sets")) {
    const entries = infoParts(await askInfo(session.client, `sets/${session.namespace}`), ";");
    session.printRows(entries.map((entry) => {
      const fields = infoFields(entry, ":");
      return new Map<string, Value>(
        ["set", "objects", "tombstones", "data_used_bytes"].map((name) => [name, numeric(fields.get(name))]),
      );
    }));
  } else if (line.takesWord("nodes")) {
    session.printRows(
      session.client.nodes.map(({ name, address }) =>
        new Map<string, Value>([["node", name], ["address", address]])
      ),
    );
  } else line.fail("namespaces, sets or nodes is missing");
  expectEnd(line);
}

async function showNamespaces(session: ShellSession): Promise<void> {
  const rows: Row[] = [];
  for (const name of infoParts(await askInfo(session.client, "namespaces"), ";")) {
    const fields = infoFields(await askInfo(session.client, `namespace/${name}`), ";");
    rows.push(
      new Map<string, Value>([
        ["namespace", name],
        ...NAMESPACE_FIGURES.map((figure): [string, Value] => [figure, numeric(fields.get(figure))]),
      ]),
    );
  }
  session.printRows(rows);
}

async function runInfoCommand(line: LineReader, session: ShellSession): Promise<void> {
  const text = line.rest();
  const toAll = / --all$/.test(text);
  const command = toAll ? text.slice(0, -" --all".length).trim() : text;
  if (command === "") line.fail("an info command is missing, for example info build");
  const answers = toAll
    ? await session.client.infoAll(command)
    : new Map([["", await session.client.info(command)]]);
  for (const [node, answer] of answers) {
    if (node !== "") session.output.print(`${node}:`);
    session.output.print(answer.replaceAll(";", "\n").trimEnd());
  }
}

async function runTruncate(line: LineReader, session: ShellSession): Promise<void> {
  const { namespace, set } = session;
  const isSure = line.takesWord("--yes");
  expectEnd(line);
  const what = set === "" ? `all of namespace ${namespace}` : `set ${set} of namespace ${namespace}`;
  if (!isSure) {
    session.say(`"truncate --yes" deletes ${what}, for good`);
    return;
  }
  await session.client.truncate(set === "" ? { namespace } : { namespace, set });
  session.say(`${what} is truncated`);
}

function runExplain(line: LineReader, session: ShellSession): void {
  if (line.isAtEnd) {
    session.output.print(
      session.lastError === undefined ? "there was no error yet" : explainError(session.lastError),
    );
    return;
  }
  const word = line.word("a result code");
  const code = codeOf(word);
  if (code === undefined) {
    line.fail(`"${word}" is no result code; they are numbers from 0 to 255, or names as KEY_BUSY`);
  }
  expectEnd(line);
  session.output.print(explainCode(code));
}

function runOutput(line: LineReader, session: ShellSession): void {
  session.mode = oneOf(line, ["table", "json"]) as "table" | "json";
  expectEnd(line);
}

function runHelp(line: LineReader, session: ShellSession): void {
  if (line.isAtEnd) {
    for (const { usage, doc } of Object.values(COMMANDS)) session.output.print(`  ${usage}\n      ${doc}`);
    session.output.print(
      'Values are JSON; simple texts need no quotes: put ann name="Ann Lee" age=42 tags=["a","b"]\n' +
        "Keys are text, integers, bytes (0x00ff) or digests (#…). A line that begins with -- is a comment.",
    );
    return;
  }
  const name = line.word("a command").toLowerCase();
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : line.fail(`there is no command "${name}"`);
  session.output.print(`${command.usage}\n    ${command.doc}`);
  if (command.details !== undefined) session.output.print(command.details());
}

function oneOf(line: LineReader, words: readonly string[]): string {
  const word = line.word(words.join(", ")).toLowerCase();
  return words.includes(word) ? word : line.fail(`"${word}" is none of ${words.join(", ")}`);
}

function numeric(value: string | undefined): Value {
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : value ?? "";
}
