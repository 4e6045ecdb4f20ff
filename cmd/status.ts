/**
 * `aerie status`: the cluster at a glance.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { type AerieClient, connect, parseAddress } from "../src/client/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import type { Address, Ports } from "../src/port/mod.ts";
import { addressText } from "./info_fields.ts";
import { statusScreen } from "./status_screen.ts";
import { type ClusterStatus, lookAtCluster } from "./status_snapshot.ts";
import { print, printError } from "./terminal.ts";

const help = `aerie status: the cluster at a glance, from what every node of it says

  aerie status [-h HOST[:PORT]] [-p PORT] [--json] [--watch]

Flags
  -h, --host HOST[:PORT]   any node of the cluster, default 127.0.0.1; IPv6 addresses in brackets
  -p, --port PORT          its service port, default 3000
      --json               one line of JSON per look, for programs
      --watch              look again each second, with rates, until a signal
      --alternate          reach the other nodes by their alternate addresses
  -t, --timeout SECONDS    give up on a node after this time, default 2
      --help               this text

The principal has a star. "master + copy" are the partitions that a node serves, and those of which it has a complete
copy besides, of all namespaces. Lines that begin with "!" are worth a look.

Exit codes: 0 the cluster answered, 1 nobody answered, 2 wrong usage

Examples
  aerie status
  aerie status -h 10.0.0.2 --watch
  aerie status --json | jq '.nodes[].clusterKey'
`;

const FINE = 0;
const FAILED = 1;
const USAGE = 2;

const WATCH_INTERVAL_MS = 1000;
const CLEAR_SCREEN = "\x1b[H\x1b[2J";

/** Where text goes and what ends `--watch`; the terminal and signals by default. */
export interface StatusOutput {
  /** One text of the result. */
  print(text: string): void;
  /** One text for the person who called. */
  complain(text: string): void;
  /** Whether the result goes to a screen that can be redrawn. */
  readonly isScreen: boolean;
  /** After how many looks `--watch` ends; without it a signal ends it. */
  readonly lookCountMax?: number;
}

const TERMINAL: StatusOutput = { print, complain: printError, isScreen: process.stdout.isTTY === true };

/** What the flags say. */
interface StatusFlags {
  address: Address;
  json: boolean;
  watch: boolean;
  alternate: boolean;
  timeoutMs: number;
}

/**
 * Runs the verb.
 *
 * @param args the words after `status`
 * @param output where text goes
 * @returns the exit code: 0 the cluster answered, 1 nobody answered, 2 wrong usage
 */
export async function runStatus(args: string[], output: StatusOutput = TERMINAL): Promise<number> {
  if (args.includes("--help")) {
    output.print(help);
    return FINE;
  }
  const flags = parseFlags(args);
  if (typeof flags === "string") {
    output.complain(`aerie status: ${flags}\nSee "aerie status --help".`);
    return USAGE;
  }
  const ports = await createPlatform();
  let client: AerieClient;
  try {
    client = await connect({
      hosts: [addressText(flags.address)],
      ports,
      connectTimeoutMs: flags.timeoutMs,
      tendTimeoutMs: flags.timeoutMs,
      useAlternateAddresses: flags.alternate,
    });
  } catch (error) {
    output.complain(
      `aerie status: ${(error as Error).message}\n` +
        `Is a node running there? -h and -p name another one; "aerie doctor" looks at this machine.`,
    );
    return FAILED;
  }
  try {
    return flags.watch ? await watch(client, { flags, output, ports }) : await lookOnce(client, {
      flags,
      output,
      ports,
    });
  } finally {
    client.close();
  }
}

/** The flags, or what is wrong with them. */
function parseFlags(args: readonly string[]): StatusFlags | string {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    string: ["host", "port", "timeout"],
    boolean: ["json", "watch", "alternate"],
    alias: { host: "h", port: "p", timeout: "t" },
    unknown: (word) => void unknown.push(word),
  });
  if (unknown.length > 0) return `unknown argument "${unknown[0]}"`;
  const port = parsed["port"] === undefined ? 3000 : Number(parsed["port"]);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return `-p takes a port, 1 to 65535, not "${parsed["port"]}"`;
  }
  const timeoutS = parsed["timeout"] === undefined ? 2 : Number(parsed["timeout"]);
  if (!(timeoutS > 0 && timeoutS <= 3600) || parsed["timeout"] === "") {
    return `-t takes seconds, more than 0 and at most 3600, not "${parsed["timeout"]}"`;
  }
  try {
    return {
      address: parseAddress((parsed["host"] as string | undefined) || "127.0.0.1", port),
      json: parsed["json"] === true,
      watch: parsed["watch"] === true,
      alternate: parsed["alternate"] === true,
      timeoutMs: timeoutS * 1000,
    };
  } catch (error) {
    return (error as Error).message;
  }
}

interface Run {
  flags: StatusFlags;
  output: StatusOutput;
  ports: Ports;
}

/** Looks, prints; the look is undefined when no node answered. */
async function look(
  client: AerieClient,
  run: Run,
  before?: ClusterStatus,
): Promise<ClusterStatus | undefined> {
  const { flags, output, ports } = run;
  const atMs = ports.clock.monotonicMs();
  const status = await lookAtCluster(client, {
    timeoutMs: flags.timeoutMs,
    atMs,
    wallMs: ports.clock.wallMs(),
  });
  if (status.nodes.length === 0) return undefined;
  if (flags.json) output.print(JSON.stringify(status));
  else {
    const clear = flags.watch && output.isScreen ? CLEAR_SCREEN : "";
    output.print(clear + statusScreen(status, before) + (flags.watch && !output.isScreen ? "\n" : ""));
  }
  return status;
}

async function lookOnce(client: AerieClient, run: Run): Promise<number> {
  if (await look(client, run) !== undefined) return FINE;
  run.output.complain("aerie status: the connection was accepted, but no node answered its info commands");
  return FAILED;
}

/** Looks each second until a signal; a cluster that falls silent is waited for. */
async function watch(client: AerieClient, run: Run): Promise<number> {
  const { clock, host } = run.ports;
  let ended = false;
  let wake = () => {};
  const end = () => {
    ended = true;
    wake();
  };
  const signals = (["SIGINT", "SIGTERM"] as const).map((signal) => host.onSignal(signal, end));
  let before: ClusterStatus | undefined;
  let answered = false;
  for (let count = 1; !ended; count++) {
    const startMs = clock.monotonicMs();
    const status = await look(client, run, before);
    if (status === undefined) run.output.complain("aerie status: no node answers; looking again");
    answered ||= status !== undefined;
    before = status;
    if (count === run.output.lookCountMax || ended) break;
    const pauseMs = Math.max(0, startMs + WATCH_INTERVAL_MS - clock.monotonicMs());
    await new Promise<void>((resolve) => {
      const timer = clock.after(pauseMs, resolve);
      wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
  for (const stop of signals) stop();
  return answered ? FINE : FAILED;
}
