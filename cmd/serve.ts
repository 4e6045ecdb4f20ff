/**
 * `aerie serve`: runs a node until a signal ends it.
 *
 * @module
 */

import {
  becomeNodeOfSeveral,
  formatDiagnostic,
  type LoadInput,
  loadSettings,
  type Settings,
  severalNodesProblems,
  SHORT_FLAG_HELP,
  splitSettingFlags,
  type StorageSettings,
  yamlForm,
} from "../src/config/mod.ts";
import type { HttpServer } from "../src/http/mod.ts";
import {
  AERIE_VERSION,
  type AerieNode,
  createNode,
  endpointText,
  SERVER_BUILD,
  SERVER_EDITION,
} from "../src/node/mod.ts";
import { createLog, createPlatform, onInputEnd } from "../src/platform/mod.ts";
import { environment, exit, processId, readText, removeFile, writeText } from "./program.ts";
import { parseNodeCount, seedHostOf, serveSeveral } from "./serve_several.ts";
import { print, printError } from "./terminal.ts";

const HELP = `aerie serve: run a node

Usage: aerie serve [FLAGS]

  --config-file FILE                   aerospike.conf, or its YAML form (by its ending, or --yaml)
  --yaml                               the file is in the YAML form
  --quiet                              don't print the start screen
  --nodes N|auto                       run N nodes on this host; auto: one for each processor
  --node-index K                       run only node K, from 0, of the N
${SHORT_FLAG_HELP.map(([flag, doc]) => `  ${flag.padEnd(36)} ${doc}`).join("\n")}

Without a file: namespace "test" in memory, on loopback, service port 3000.

Examples
  aerie serve --bind 0.0.0.0 --data-size 2G
  aerie serve --nodes 4 --data-size 8G
  aerie serve --config-file /etc/aerospike/aerospike.conf --service.proto-fd-max 1000`;

/** What `serve` understands besides settings. */
export interface ServeOptions {
  /** Configuration file. */
  configFile?: string;
  /** The file is in the YAML form. */
  yaml: boolean;
  /** Print no screen. */
  quiet: boolean;
  /** Number of nodes on this host; one when absent. */
  nodes?: number;
  /** Which of them this process is. */
  nodeIndex?: number;
  /** Another process of ours started this one, and says when it stops. */
  supervised?: boolean;
}

/** Runs the verb; resolves to the exit code when the node has stopped. */
export async function runServe(args: string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    print(HELP);
    return 0;
  }
  const { flags, rest } = splitSettingFlags(args);
  const options = parseOptions(rest);
  if (typeof options === "string") {
    printError(`aerie serve: ${options}\n\n${HELP}`);
    return 2;
  }
  const settings = await readSettings({ flags }, options);
  if (settings === undefined) return 1;
  const { nodes: count = 1, nodeIndex: index } = options;
  if (count === 1) return await serve(settings, options);
  if (index === undefined) return await serveSeveral(settings, { args, count, quiet: options.quiet });
  const problems = severalNodesProblems(settings, count);
  for (const problem of problems) printError(`aerie serve: ${problem}`);
  if (problems.length > 0) return 1;
  becomeNodeOfSeveral(settings, { index, count }, await seedHostOf(settings));
  return await serve(settings, options);
}

function parseOptions(args: string[]): ServeOptions | string {
  const options: ServeOptions = { yaml: false, quiet: false };
  const words = args.flatMap((word) => {
    const [, name, value] = /^(--nodes|--node-index)=(.*)$/.exec(word) ?? [];
    return name === undefined ? [word] : [name, value];
  });
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    if (word === "--nodes" || word === "--node-index") {
      const problem = parseNodeOption(word, words[++index], options);
      if (problem !== undefined) return problem;
      continue;
    }
    if (word === "--yaml") options.yaml = true;
    else if (word === "--quiet") options.quiet = true;
    else if (word.startsWith("--config-file=")) options.configFile = word.slice("--config-file=".length);
    else if (word === "--config-file" && words[index + 1] !== undefined) options.configFile = words[++index];
    else if (word === "--supervised") options.supervised = true;
    else return `unknown option "${word}"`;
  }
  const { nodes = 1, nodeIndex } = options;
  if (nodeIndex !== undefined && nodeIndex >= nodes) {
    return `--node-index ${nodeIndex} is not one of --nodes ${nodes}; they are numbered from 0`;
  }
  return options;
}

/** Takes `--nodes` and `--node-index`; says what is wrong with the value. */
function parseNodeOption(
  name: string,
  value: string | undefined,
  options: ServeOptions,
): string | undefined {
  if (name === "--nodes") {
    const count = parseNodeCount(value);
    if (typeof count === "string") return count;
    options.nodes = count;
    return undefined;
  }
  if (!/^\d{1,3}$/.test(value ?? "")) {
    return `--node-index takes the number of a node, from 0, not "${value ?? ""}"`;
  }
  options.nodeIndex = Number(value);
  return undefined;
}

/**
 * Reads file, environment and flags; prints every remark.
 *
 * @returns the settings, or undefined when a remark is an error
 */
export async function readSettings(input: LoadInput, options: ServeOptions): Promise<Settings | undefined> {
  const whole: LoadInput = { env: environment(), ...input };
  if (options.configFile !== undefined) {
    try {
      whole.fileText = await readText(options.configFile);
    } catch (error) {
      printError(`Cannot read the configuration file "${options.configFile}": ${(error as Error).message}`);
      return undefined;
    }
    whole.fileName = options.configFile;
    if (options.yaml || /\.ya?ml$/.test(options.configFile)) whole.form = await yamlForm();
  }
  const result = loadSettings(whole);
  for (const diagnostic of result.diagnostics) {
    // A supervisor has printed the warnings.
    if (options.supervised && diagnostic.severity !== "error") continue;
    printError(formatDiagnostic(diagnostic));
  }
  return result.ok ? result.settings : undefined;
}

/**
 * Runs a node with these settings until SIGTERM or SIGINT; a second signal ends the process at once.
 *
 * @returns the exit code
 */
export async function serve(
  settings: Settings,
  options: { quiet: boolean; supervised?: boolean },
): Promise<number> {
  const { logMillis, logLocalTime, logRotateSize, logRotateKeep, pidfile } = settings.service;
  const sinks = settings.logging.map(({ kind, path, levels }) =>
    kind === "file" ? { path, levels } : { levels }
  );
  let node: AerieNode;
  let http: HttpServer | undefined;
  try {
    const rotation = { sizeBytes: logRotateSize, keepCount: logRotateKeep };
    const log = createLog({ sinks, rotation, millis: logMillis, localTime: logLocalTime });
    const ports = await createPlatform({ log });
    log.write("info", "as", `aerie ${AERIE_VERSION}, ${SERVER_EDITION} build ${SERVER_BUILD}`);
    node = await createNode({ settings, ports, onFailure: dieOfFailure });
    await node.start();
    http = await openHttp(node);
  } catch (error) {
    printError(`aerie can't start: ${(error as Error).message}`);
    return 1;
  }
  if (pidfile !== "") await writeText(pidfile, `${processId()}\n`);
  if (!options.quiet) print(startScreen(node, http));
  // The clock of the runtime starts with the process, so this counts loading the program too.
  print(`ready in ${Math.round(performance.now())} ms`);
  logReady(node);
  await untilStop(node, options.supervised === true);
  const tookMs = await node.stop();
  await http?.close();
  if (pidfile !== "") await removeFile(pidfile);
  print(`stopped in ${Math.round(tookMs)} ms`);
  return 0;
}

/** The lines that tools and test harnesses wait for, and a warning when everyone may come in. */
function logReady(node: AerieNode): void {
  const { log } = node.ports;
  log.write("info", "config", `node-id ${node.identity.id.toLowerCase()} (${node.identity.origin})`);
  if (!node.listeners.open.every(({ host }) => isLoopback(host))) {
    log.write(
      "warning",
      "service",
      "listens beyond this machine without access control; keep it on a trusted network",
    );
  }
  log.write("info", "as", "service ready: soon there will be cake!");
}

function isLoopback(host: string): boolean {
  return host === "::1" || host.startsWith("127.");
}

/** A failed assertion ends the process: nothing it would do from here on could be trusted. */
function dieOfFailure(error: unknown): void {
  printError(`aerie stops: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
  exit(1);
}

/**
 * Resolves at the first SIGTERM or SIGINT; the second ends the process. A supervised node leaves SIGINT, which a terminal
 * sends to all processes, to its supervisor, and stops when that is gone.
 */
function untilStop(node: AerieNode, isSupervised: boolean): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = () => {
      // A supervisor ends a node that does not stop by SIGKILL.
      if (++count > 1 && !isSupervised) {
        printError("second signal: stopped at once");
        exit(1);
      }
      resolve();
    };
    node.ports.host.onSignal("SIGTERM", onSignal);
    node.ports.host.onSignal("SIGINT", isSupervised ? () => {} : onSignal);
    if (isSupervised) onInputEnd(resolve);
    // Whoever moves log files away says so by SIGHUP.
    node.ports.host.onSignal("SIGHUP", () => node.ports.log.control?.reopen());
  });
}

/** Opens the HTTP listener, if there is to be one; its code is loaded only then. */
async function openHttp(node: AerieNode): Promise<HttpServer | undefined> {
  const { http } = node.settings.network;
  if (http === undefined) return undefined;
  try {
    const { startHttp } = await import("../src/http/mod.ts");
    return await startHttp(node, http);
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** Where a namespace's records are. */
function placeText({ kind, files, devices }: StorageSettings): string {
  const paths = [...files, ...devices].join(", ");
  if (paths === "") return "in memory";
  return kind === "memory" ? `in memory and ${paths}` : `in ${paths}`;
}

/** Facts for the person who started the node: one screen. */
function startScreen(node: AerieNode, http: HttpServer | undefined): string {
  const labels = {
    service: "clients",
    admin: "administrators",
    info: "info, as text too",
    http: "/livez /readyz /metrics /status",
  };
  const httpListeners = (http?.hosts ?? []).map((host) =>
    ({ kind: "http", host, port: http!.port }) as const
  );
  const open = [...node.listeners.open, ...httpListeners];
  const listeners = open.map((listener) =>
    `  ${listener.kind.padEnd(9)} ${endpointText(listener).padEnd(22)} ${labels[listener.kind]}`
  );
  const namespaces = node.namespaces.map(({ settings, store }) =>
    `  namespace ${settings.name.padEnd(22)} ${placeText(settings.storage)}, ${
      Math.round(store.space.totalBytes / 2 ** 20)
    } MiB`
  );
  const onLoopback = open.every(({ host }) => isLoopback(host));
  return [
    `aerie ${AERIE_VERSION}, speaks Aerospike ${SERVER_BUILD}`,
    `  node id   ${node.identity.id.padEnd(22)} ${node.identity.origin}`,
    ...listeners,
    ...namespaces,
    ...(node.namespaces.some(({ store }) => store.disk === undefined)
      ? ["  Data in memory is gone when the node stops; --data DIR keeps it in files."]
      : []),
    onLoopback
      ? "  Only this machine can connect; --bind 0.0.0.0 opens the node to the network."
      : "  Everyone who reaches these addresses can read and write: there is no access control.",
  ].join("\n");
}
