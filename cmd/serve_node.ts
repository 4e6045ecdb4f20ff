/**
 * Runs one node until a signal ends it.
 *
 * @module
 */

import { AERIE_VERSION, SERVER_BUILD, SERVER_EDITION } from "../src/base/mod.ts";
import { endpointText, type Settings, type StorageSettings } from "../src/config/mod.ts";
import type { HttpServer } from "../src/http/mod.ts";
import { type AerieNode, createNode } from "../src/node/mod.ts";
import { createLog, createPlatform, onInputEnd } from "../src/platform/mod.ts";
import { exit, processId, removeFile, writeText } from "./program.ts";
import { print, printError } from "./terminal.ts";

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
  const lostBytes = node.namespaces.reduce((sum, { store }) => sum + (store.disk?.pendingBytes ?? 0), 0);
  if (lostBytes === 0) return 0;
  printError(
    `aerie: ${lostBytes} bytes of records could not be written before the stop and are lost; see the log`,
  );
  return 1;
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
