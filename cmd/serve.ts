/**
 * `aerie serve`: runs a node until a signal ends it.
 *
 * @module
 */

import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import {
  formatDiagnostic,
  type LoadInput,
  loadSettings,
  type Settings,
  SHORT_FLAG_HELP,
  splitSettingFlags,
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
import { createLog, createPlatform } from "../src/platform/mod.ts";
import { print, printError } from "./terminal.ts";

const HELP = `aerie serve: run a node

Usage: aerie serve [FLAGS]

  --config-file FILE                   aerospike.conf, or its YAML form (by its ending, or --yaml)
  --yaml                               the file is in the YAML form
  --quiet                              don't print the start screen
${SHORT_FLAG_HELP.map(([flag, doc]) => `  ${flag.padEnd(36)} ${doc}`).join("\n")}

Without a file: namespace "test" in memory, on loopback, service port 3000.

Examples
  aerie serve --bind 0.0.0.0 --data-size 2G
  aerie serve --config-file /etc/aerospike/aerospike.conf --service.proto-fd-max 1000`;

/** What `serve` understands besides settings. */
export interface ServeOptions {
  /** Configuration file. */
  configFile?: string;
  /** The file is in the YAML form. */
  yaml: boolean;
  /** Print no screen. */
  quiet: boolean;
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
  return settings === undefined ? 1 : await serve(settings, { quiet: options.quiet });
}

function parseOptions(words: string[]): ServeOptions | string {
  const options: ServeOptions = { yaml: false, quiet: false };
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    if (word === "--yaml") options.yaml = true;
    else if (word === "--quiet") options.quiet = true;
    else if (word.startsWith("--config-file=")) options.configFile = word.slice("--config-file=".length);
    else if (word === "--config-file" && words[index + 1] !== undefined) options.configFile = words[++index];
    else return `unknown option "${word}"`;
  }
  return options;
}

/**
 * Reads file, environment and flags; prints every remark.
 *
 * @returns the settings, or undefined when a remark is an error
 */
export async function readSettings(input: LoadInput, options: ServeOptions): Promise<Settings | undefined> {
  const whole: LoadInput = { env: process.env, ...input };
  if (options.configFile !== undefined) {
    try {
      whole.fileText = await readFile(options.configFile, "utf8");
    } catch (error) {
      printError(`Cannot read the configuration file "${options.configFile}": ${(error as Error).message}`);
      return undefined;
    }
    whole.fileName = options.configFile;
    if (options.yaml || /\.ya?ml$/.test(options.configFile)) whole.form = await yamlForm();
  }
  const result = loadSettings(whole);
  for (const diagnostic of result.diagnostics) printError(formatDiagnostic(diagnostic));
  return result.ok ? result.settings : undefined;
}

/**
 * Runs a node with these settings until SIGTERM or SIGINT; a second signal ends the process at once.
 *
 * @returns the exit code
 */
export async function serve(settings: Settings, options: { quiet: boolean }): Promise<number> {
  const { logMillis, logLocalTime, pidfile } = settings.service;
  const sinks = settings.logging.map(({ kind, path, levels }) =>
    kind === "file" ? { path, levels } : { levels }
  );
  let node: AerieNode;
  let http: HttpServer | undefined;
  try {
    const log = createLog({ sinks, millis: logMillis, localTime: logLocalTime });
    const ports = await createPlatform({ log });
    log.write("info", "as", `aerie ${AERIE_VERSION}, ${SERVER_EDITION} build ${SERVER_BUILD}`);
    node = await createNode({ settings, ports, onFailure: dieOfFailure });
    await node.start();
    http = await openHttp(node);
  } catch (error) {
    printError(`aerie can't start: ${(error as Error).message}`);
    return 1;
  }
  if (pidfile !== "") await writeFile(pidfile, `${process.pid}\n`);
  if (!options.quiet) print(startScreen(node, http));
  // The clock of the runtime starts with the process, so this counts loading the program too.
  print(`ready in ${Math.round(performance.now())} ms`);
  logReady(node);
  await untilSignal(node);
  const tookMs = await node.stop();
  await http?.close();
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
  process.exit(1);
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process. */
function untilSignal(node: AerieNode): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = () => {
      if (++count > 1) {
        printError("second signal: stopped at once");
        process.exit(1);
      }
      resolve();
    };
    node.ports.host.onSignal("SIGTERM", onSignal);
    node.ports.host.onSignal("SIGINT", onSignal);
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
    `  namespace ${settings.name.padEnd(22)} in memory, ${Math.round(store.arena.totalBytes / 2 ** 20)} MiB`
  );
  const onLoopback = open.every(({ host }) => isLoopback(host));
  return [
    `aerie ${AERIE_VERSION}, speaks Aerospike ${SERVER_BUILD}`,
    `  node id   ${node.identity.id.padEnd(22)} ${node.identity.origin}`,
    ...listeners,
    ...namespaces,
    "  Data is kept in memory only: it is gone when the node stops.",
    onLoopback
      ? "  Only this machine can connect; --bind 0.0.0.0 opens the node to the network."
      : "  Everyone who reaches these addresses can read and write: there is no access control.",
  ].join("\n");
}
