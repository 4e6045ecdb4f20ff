/**
 * `aerie serve --nodes N`: a process that runs N nodes, each a process of this executable, and keeps them running.
 *
 * @module
 */

import { AERIE_VERSION, NODES_PER_HOST_MAX, SERVER_BUILD } from "../src/base/mod.ts";
import {
  becomeNodeOfSeveral,
  bindAddresses,
  endpointText,
  type Settings,
  severalNodesProblems,
} from "../src/config/mod.ts";
import { createLog, createPlatform, ownCommand, startProcess, usableCpuCount } from "../src/platform/mod.ts";
import { processId, removeFile, writeText } from "./program.ts";
import { Supervisor } from "./supervisor.ts";
import { print, printError } from "./terminal.ts";

/** Signals that are no further apart are one. */
const SAME_SIGNAL_MS = 300;

/** How to serve with several nodes. */
export interface ServeSeveralOptions {
  /** The words after `serve`, for the nodes. */
  args: readonly string[];
  /** Number of nodes. */
  count: number;
  /** Print no screen. */
  quiet: boolean;
}

/** The number that `--nodes` asks for, or what is wrong with it. */
export function parseNodeCount(value: string | undefined): number | string {
  if (value === "auto") return Math.min(usableCpuCount(), NODES_PER_HOST_MAX);
  const count = Number(value);
  return /^\d+$/.test(value ?? "") && count >= 1 && count <= NODES_PER_HOST_MAX
    ? count
    : `--nodes takes a number from 1 to ${NODES_PER_HOST_MAX}, or auto, not "${value ?? ""}"`;
}

/** Where nodes of this host dial each other's heartbeats. */
export async function seedHostOf(settings: Settings): Promise<string> {
  const { host } = await createPlatform({ log: createLog({ sinks: [] }) });
  const [first] = bindAddresses(settings.network.heartbeat.addresses, host);
  return first === "0.0.0.0" || first === "::" ? "127.0.0.1" : first;
}

/**
 * Runs the nodes until SIGTERM or SIGINT; a second signal ends all at once.
 *
 * @returns the exit code
 */
export async function serveSeveral(settings: Settings, options: ServeSeveralOptions): Promise<number> {
  const { count } = options;
  const problems = severalNodesProblems(settings, count);
  for (const problem of problems) printError(`aerie serve: ${problem}`);
  if (problems.length > 0) return 1;
  const { clock, host } = await createPlatform({ log: createLog({ sinks: [] }) });
  const supervisor = new Supervisor({
    count,
    clock,
    start: (index, onLine) =>
      startProcess([...ownCommand(), "serve", ...nodeArguments(options.args, { index, count })], { onLine }),
    print: (line, stream) => stream === "output" ? print(line) : printError(line),
  });
  if (!options.quiet) print(startScreen(settings, count));
  const { pidfile } = settings.service;
  if (pidfile !== "") await writeText(pidfile, `${processId()}\n`);
  let stopStartedMs: number | undefined;
  const onStop = () => {
    if (stopStartedMs !== undefined) {
      // One wish to stop may arrive twice, to this process and to its group.
      if (clock.monotonicMs() - stopStartedMs < SAME_SIGNAL_MS) return;
      printError("second signal: all nodes are ended at once");
      return supervisor.kill();
    }
    stopStartedMs = clock.monotonicMs();
    void supervisor.stop();
  };
  host.onSignal("SIGTERM", onStop);
  host.onSignal("SIGINT", onStop);
  for (const signal of ["SIGHUP", "SIGUSR2"] as const) {
    host.onSignal(signal, () => supervisor.forward(signal));
  }
  supervisor.start();
  const code = await supervisor.ended;
  if (pidfile !== "") await removeFile(pidfile);
  if (stopStartedMs !== undefined) print(`stopped in ${Math.round(clock.monotonicMs() - stopStartedMs)} ms`);
  return code;
}

/** The words for one node: those of the supervisor, with the number of nodes settled. */
function nodeArguments(args: readonly string[], place: { index: number; count: number }): string[] {
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--nodes") at++;
    else if (!args[at].startsWith("--nodes=") && args[at] !== "--quiet") words.push(args[at]);
  }
  const settled = ["--nodes", String(place.count), "--node-index", String(place.index)];
  return [...words, ...settled, "--supervised", "--quiet"];
}

/** Facts for the person who started the nodes. */
function startScreen(settings: Settings, count: number): string {
  const rows = Array.from({ length: count }, (_, index) => {
    const one = structuredClone(settings);
    becomeNodeOfSeveral(one, { index, count }, "127.0.0.1");
    const { service, fabric, heartbeat, info, http } = one.network;
    const address = endpointText({ host: service.addresses[0] ?? "any", port: service.port });
    const others = [
      `fabric ${fabric.port}`,
      `heartbeat ${heartbeat.port}`,
      ...(info === undefined ? [] : [`info ${info.port}`]),
      ...(http === undefined ? [] : [`http ${http.port}`]),
    ];
    return `  node ${String(index).padEnd(3)} ${address.padEnd(22)} ${others.join(", ")}`;
  });
  return [
    `aerie ${AERIE_VERSION}, speaks Aerospike ${SERVER_BUILD}: ${count} nodes on this host`,
    ...rows,
    "  Memory and file sizes are divided by the number of nodes; each has its own files, with its number at their end.",
  ].join("\n");
}
