/**
 * `aerie info`, also `asinfo`: asks a node info commands and prints the answers.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { parseAddress, parseInfoAnswers, parseInfoError, requestInfoText } from "../src/client/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import type { Address } from "../src/port/mod.ts";
import { print, printError } from "./terminal.ts";

const help = `aerie info: ask a node info commands and print the answers (also callable as asinfo)

  aerie info [-h HOST[:PORT]] [-p PORT] [-v COMMAND]... [-l] [-t SECONDS]

Flags
  -h, --host HOST[:PORT]     node to ask, default 127.0.0.1; IPv6 addresses in brackets
  -p, --port PORT            its service port, default 3000
  -v, --value COMMAND        command to send, unchanged; may be given several times; none asks for a summary
  -l, --line-separator       one item per line instead of one line with ";"
  -t, --timeout SECONDS      give up after this time, default 5
  -U, --user, -P, --password accepted for the sake of scripts; logging in is not supported yet
      --help                 this text

Exit codes: 0 answered, 1 no answer or an error answer, 2 wrong usage

Examples
  aerie info -v node -v build
  aerie info -h 10.0.0.2:3100 -v namespace/test -l
  asinfo -v 'tip:host=10.0.0.3;port=3002'
`;

const FINE = 0;
const FAILED = 1;
const USAGE = 2;

/** Where text goes; the terminal by default. */
export interface InfoOutput {
  /** One text of the result. */
  print(text: string): void;
  /** One text for the person who called. */
  complain(text: string): void;
}

/** What the flags say. */
interface InfoFlags {
  address: Address;
  commands: string[];
  itemPerLine: boolean;
  timeoutMs: number;
}

/**
 * Runs the verb.
 *
 * @param args the words after `info`
 * @param output where text goes
 * @returns the exit code: 0 answered, 1 no answer or an error answer, 2 wrong usage
 */
export async function runInfo(
  args: string[],
  output: InfoOutput = { print, complain: printError },
): Promise<number> {
  if (args.includes("--help")) {
    output.print(help);
    return FINE;
  }
  const flags = parseFlags(args);
  if (typeof flags === "string") {
    output.complain(`aerie info: ${flags}\nSee "aerie info --help".`);
    return USAGE;
  }
  if (asksForLogin(args)) {
    output.complain("aerie info: logging in is not supported yet; leave out -U and -P");
    return FAILED;
  }
  try {
    const { network, clock } = await createPlatform();
    const { address, timeoutMs } = flags;
    const reply = await requestInfoText({ network, clock }, flags.commands, { address, timeoutMs });
    return printReply(reply, flags, output);
  } catch (error) {
    output.complain(`aerie info: ${(error as Error).message}`);
    return FAILED;
  }
}

const SHORT_WITH_VALUE = /^-[hpvtUP]./;

/** Splits `-p3000` and `-v=node` style words, as the stock program takes them, into flag and value. */
function splitShortFlags(args: readonly string[]): string[] {
  const words: string[] = [];
  let valueFollows = false;
  for (const arg of args) {
    if (!valueFollows && SHORT_WITH_VALUE.test(arg)) words.push(arg.slice(0, 2), arg.slice(2));
    else words.push(arg);
    valueFollows = !valueFollows && /^-[hpvtUP]$/.test(arg);
  }
  return words;
}

function asksForLogin(args: readonly string[]): boolean {
  return splitShortFlags(args).some((word) => /^(-U|-P|--user|--password)(=|$)/.test(word));
}

/** The flags, or what is wrong with them. */
function parseFlags(args: readonly string[]): InfoFlags | string {
  const unknown: string[] = [];
  const parsed = parseArgs(splitShortFlags(args), {
    string: ["host", "port", "value", "timeout", "user", "password"],
    boolean: ["line-separator"],
    collect: ["value"],
    alias: {
      host: "h",
      port: "p",
      value: "v",
      timeout: "t",
      user: "U",
      password: "P",
      "line-separator": "l",
    },
    unknown: (word) => void unknown.push(word),
  });
  if (unknown.length > 0) return `unknown argument "${unknown[0]}"`;
  const port = parsed["port"] === undefined ? 3000 : Number(parsed["port"]);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return `-p takes a port, 1 to 65535, not "${parsed["port"]}"`;
  }
  const timeoutS = parsed["timeout"] === undefined ? 5 : Number(parsed["timeout"]);
  if (!(timeoutS > 0 && timeoutS <= 86_400) || parsed["timeout"] === "") {
    return `-t takes seconds, more than 0 and at most 86400, not "${parsed["timeout"]}"`;
  }
  const commands = (parsed["value"] as string[] | undefined) ?? [];
  if (commands.some((command) => command.includes("\n"))) return "-v takes one command, without a line feed";
  try {
    const address = parseAddress((parsed["host"] as string | undefined) || "127.0.0.1", port);
    return {
      address,
      commands: commands.filter((command) => command !== ""),
      itemPerLine: parsed["line-separator"] === true,
      timeoutMs: timeoutS * 1000,
    };
  } catch (error) {
    return (error as Error).message;
  }
}

/** Prints the values: alone when commands were given, with their names in the summary. */
function printReply(reply: string, flags: InfoFlags, output: InfoOutput): number {
  const answers = parseInfoAnswers(reply);
  if (answers.length === 0) {
    output.complain("aerie info: the node sent an empty answer");
    return FAILED;
  }
  let code = FINE;
  for (const { command, value } of answers) {
    const text = flags.itemPerLine ? value.replaceAll(";", "\n") : value;
    output.print(flags.commands.length > 0 || command === "" ? text : `${command}\t${text}`);
    if (flags.commands.length > 0 && parseInfoError(value) !== undefined) code = FAILED;
  }
  return code;
}
