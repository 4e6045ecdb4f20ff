/**
 * `aerie shell`: an interactive prompt over the smart client, or a script from standard input or the command line.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { appendFileSync, chmodSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import process from "node:process";
import readline from "node:readline";
import { type AerieClient, connect, parseAddress } from "../src/client/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import { addressText } from "./info_fields.ts";
import { COMMANDS } from "./shell_admin.ts";
import { explainError } from "./shell_explain.ts";
import { OPERATION_NAMES } from "./shell_operations.ts";
import type { OutputMode } from "./shell_output.ts";
import { type ShellOutput, ShellSession } from "./shell_session.ts";
import { LineReader, ShellSyntaxError } from "./shell_values.ts";
import { print, printError } from "./terminal.ts";

const help = `aerie shell: look at records and change them

  aerie shell [-h HOST[:PORT]] [-p PORT] [-n NAMESPACE[.SET]] [--json] [-e LINE]... [--keep-going]

With a terminal it is a prompt with history and completion (Tab). Otherwise it runs the lines of standard input, or
those of -e, and ends at the first error.

Flags
  -h, --host HOST[:PORT]   any node of the cluster, default 127.0.0.1; IPv6 addresses in brackets
  -p, --port PORT          its service port, default 3000
  -n, --namespace NS.SET   where keys are, as "use" sets it; default: the first namespace of the node
  -e, --execute LINE       run a line; may be given several times
      --json               print rows as JSON, one per line, and nothing else
      --keep-going         go on after errors; the exit code tells of them
      --no-history         neither read nor write ~/.aerie_history
  -t, --timeout SECONDS    give up a connection after this time, default 5
      --help               this text; "help" at the prompt lists the commands

Exit codes: 0 fine, 1 a line failed or nobody answered, 2 wrong usage

Examples
  aerie shell
  aerie shell -n test.demo -e 'put ann name="Ann Lee" age=42' -e 'get ann'
  aerie shell -n test.demo --json -e 'scan' | jq .age
`;

const FINE = 0;
const FAILED = 1;
const USAGE = 2;
const LINE_SIZE_MAX = 4 * 1024 * 1024;
const HISTORY_LINES_MAX = 1000;
const COMMENT = "--";

/** Where a shell's lines come from and where its text goes. */
export interface ShellStreams extends ShellOutput {
  /** Lines of a script; undefined asks a person. */
  readonly lines?: AsyncIterable<string> | Iterable<string>;
}

/** What the flags say. */
interface ShellFlags {
  host: string;
  namespace: string | undefined;
  mode: OutputMode;
  lines: string[];
  keepsGoing: boolean;
  hasHistory: boolean;
  timeoutMs: number;
}

/**
 * Runs the verb.
 *
 * @param args the words after `shell`
 * @param streams where lines come from and text goes; the terminal by default
 * @returns the exit code: 0 fine, 1 a line failed or nobody answered, 2 wrong usage
 */
export async function runShell(
  args: string[],
  streams: ShellStreams = { print, complain: printError },
): Promise<number> {
  if (args.includes("--help")) {
    streams.print(help);
    return FINE;
  }
  const flags = parseFlags(args);
  if (typeof flags === "string") {
    streams.complain(`aerie shell: ${flags}\nSee "aerie shell --help".`);
    return USAGE;
  }
  let client: AerieClient;
  try {
    client = await connect({
      hosts: [flags.host],
      ports: await createPlatform(),
      connectTimeoutMs: flags.timeoutMs,
    });
  } catch (error) {
    streams.complain(
      `aerie shell: ${(error as Error).message}\n` +
        `Is a node running there? -h and -p name another one; "aerie serve" starts one.`,
    );
    return FAILED;
  }
  try {
    return await runWith(client, flags, streams);
  } finally {
    client.close();
  }
}

async function runWith(client: AerieClient, flags: ShellFlags, streams: ShellStreams): Promise<number> {
  const lines = flags.lines.length > 0 ? flags.lines : streams.lines;
  const isInteractive = lines === undefined && process.stdin.isTTY === true;
  const session = new ShellSession({
    client,
    output: streams,
    isInteractive,
    namespace: "",
    mode: flags.mode,
  });
  const start = flags.namespace ?? (await client.info("namespaces")).split(";")[0];
  await runLine(`use ${start}`, session);
  if (isInteractive) return await talk(session, flags);
  return await runScript(lines ?? standardInput(), session, flags.keepsGoing);
}

/** Runs a line; false when it failed, which has been said then. */
async function runLine(text: string, session: ShellSession): Promise<boolean> {
  try {
    if (text.length > LINE_SIZE_MAX) {
      throw new ShellSyntaxError(`the line has more than ${LINE_SIZE_MAX} characters`);
    }
    const line = new LineReader(text);
    if (text.trim() === "" || text.trimStart().startsWith(COMMENT)) return true;
    const name = line.word("a command").toLowerCase();
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) throw new ShellSyntaxError(`there is no command "${name}"; "help" lists them`);
    await command.run(line, session);
    return true;
  } catch (error) {
    session.lastError = error;
    const isSyntax = error instanceof ShellSyntaxError;
    const text = isSyntax ? error.message : explainError(error).split("\n")[0];
    session.output.complain(session.isInteractive && !isSyntax ? `${text}\n("explain" tells more)` : text);
    return false;
  }
}

async function runScript(
  lines: AsyncIterable<string> | Iterable<string>,
  session: ShellSession,
  keepsGoing: boolean,
): Promise<number> {
  let code = FINE;
  let number = 0;
  for await (const line of lines) {
    number++;
    if (await runLine(line, session)) {
      if (session.isLeaving) break;
      continue;
    }
    code = FAILED;
    if (keepsGoing) continue;
    session.output.complain(
      `aerie shell: line ${number} failed: the rest was not run (--keep-going runs it)`,
    );
    break;
  }
  return code;
}

function standardInput(): AsyncIterable<string> {
  return readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
}

/** Talks with a person until they leave. */
async function talk(session: ShellSession, flags: ShellFlags): Promise<number> {
  const path = `${homedir()}/.aerie_history`;
  const terminal = readline.createInterface({
    input: process.stdin,
    output: process.stdout,
    completer: complete,
    history: flags.hasHistory ? readHistory(path) : [],
    historySize: HISTORY_LINES_MAX,
    removeHistoryDuplicates: true,
  });
  const nodes = session.client.nodes.length;
  session.output.print(
    `aerie shell: ${nodes} node${nodes === 1 ? "" : "s"}. "help" lists the commands, Ctrl-D leaves.`,
  );
  terminal.on("SIGINT", () => {
    session.isInterrupted = true;
    terminal.write(null, { ctrl: true, name: "u" });
  });
  const prompt = () => {
    terminal.setPrompt(`${session.namespace}${session.set === "" ? "" : `.${session.set}`}> `);
    terminal.prompt();
  };
  prompt();
  for await (const line of terminal) {
    await runLine(line, session);
    if (flags.hasHistory) keepLine(path, line);
    if (session.isLeaving) break;
    prompt();
  }
  terminal.close();
  return FINE;
}

/** Completes names of commands at the start of a line, and of operations after `operate KEY`. */
export function complete(line: string): [string[], string] {
  const word = /[^\s(]*$/.exec(line)![0];
  const isFirst = line.trimStart() === word;
  const names = isFirst
    ? Object.keys(COMMANDS)
    : /^\s*operate\s+\S+\s/.test(line)
    ? OPERATION_NAMES.map((name) => `${name}(`)
    : /^\s*help\s/.test(line)
    ? Object.keys(COMMANDS)
    : [];
  return [names.filter((name) => name.startsWith(word)), word];
}

/** Earlier lines, the newest first, as the terminal wants them. A history that can't be read is none. */
function readHistory(path: string): string[] {
  try {
    const lines = readFileSync(path, "utf8").split("\n").filter((line) => line !== "");
    const kept = lines.slice(-HISTORY_LINES_MAX);
    if (kept.length < lines.length) writeFileSync(path, kept.join("\n") + "\n");
    return kept.reverse();
  } catch {
    return [];
  }
}

function keepLine(path: string, line: string): void {
  if (line.trim() === "") return;
  try {
    appendFileSync(path, line + "\n");
    chmodSync(path, 0o600);
  } catch {
    // A home that can't be written to costs the history and nothing else.
  }
}

/** The flags, or what is wrong with them. */
function parseFlags(args: readonly string[]): ShellFlags | string {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    string: ["host", "port", "namespace", "execute", "timeout"],
    boolean: ["json", "keep-going", "no-history"],
    collect: ["execute"],
    alias: { host: "h", port: "p", namespace: "n", execute: "e", timeout: "t" },
    unknown: (word) => void unknown.push(word),
  });
  if (unknown.length > 0) return `unknown argument "${unknown[0]}"`;
  const port = parsed["port"] === undefined ? 3000 : Number(parsed["port"]);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return `-p takes a port, 1 to 65535, not "${parsed["port"]}"`;
  }
  const timeoutS = parsed["timeout"] === undefined ? 5 : Number(parsed["timeout"]);
  if (!(timeoutS > 0 && timeoutS <= 3600)) return `-t takes seconds, more than 0, not "${parsed["timeout"]}"`;
  try {
    const address = parseAddress((parsed["host"] as string | undefined) || "127.0.0.1", port);
    return {
      host: addressText(address),
      namespace: parsed["namespace"] as string | undefined,
      mode: parsed["json"] === true ? "json" : "table",
      lines: (parsed["execute"] as string[] | undefined) ?? [],
      keepsGoing: parsed["keep-going"] === true,
      hasHistory: parsed["no-history"] !== true,
      timeoutMs: timeoutS * 1000,
    };
  } catch (error) {
    return (error as Error).message;
  }
}
