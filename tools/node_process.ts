/**
 * Starts an aerie node in a process of its own for the tools that talk to one: namespace `test` in memory, free ports
 * on loopback, expiry every 10 seconds so that TTLs are allowed.
 *
 * @module
 */

import { utf8, utf8Decode } from "../src/base/mod.ts";
import { DENO_FLAGS } from "../src/platform/mod.ts";
import { PROTO_TYPE_INFO } from "../src/wire/mod.ts";
import { FrameConnection } from "./replay/frame_connection.ts";
import { frameBody, frameOf } from "./replay/message.ts";

/** A node that runs. */
export interface NodeProcess {
  /** Address of its listeners. */
  host: string;
  /** Service port. */
  port: number;
  /** Process id. */
  pid: number;
  /** Resident memory in bytes, or undefined once the process has ended. */
  residentBytes(): number | undefined;
  /** Whether the process still runs. */
  isAlive(): boolean;
  /** What it has written to standard error and output, the newest part. */
  output(): string;
  /** Stops it and waits until it has gone. */
  stop(): Promise<void>;
}

/** How to start a node. */
export interface NodeProcessOptions {
  /** The command line that comes before the flags; the sources under Deno unless given. */
  command?: readonly string[];
  /** Names of the namespaces; `test` alone unless given. */
  namespaces?: readonly string[];
  /** Memory for the data of each namespace, in the notation of the configuration file; `4G` unless given. */
  dataSize?: string;
  /**
   * Lines of a `storage-engine device` block in place of memory, for example `commit-to-device true`; the file is
   * `NAMESPACE.dat` in the node's folder, of {@linkcode NodeProcessOptions.dataSize} bytes.
   */
  deviceLines?: readonly string[];
  /** Further lines of each namespace. */
  namespaceLines?: readonly string[];
  /** How long the node may take to answer, in milliseconds; 20,000 unless given. */
  startTimeoutMs?: number;
}

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
const RETRY_MS = 20;

/** How much of the node's output is kept for error messages. */
const OUTPUT_SIZE_MAX = 64 * 1024;

/**
 * Starts a node and waits until it answers.
 *
 * @throws {Error} with the node's output when it ends or does not answer in time
 */
export async function startNode(options: NodeProcessOptions = {}): Promise<NodeProcess> {
  const host = "127.0.0.1";
  const [port, infoPort, fabricPort, heartbeatPort] = freePorts(4);
  const directory = await Deno.makeTempDir({ prefix: "aerie-node-" });
  const configFile = `${directory}/aerospike.conf`;
  const ports = { port, infoPort, fabricPort, heartbeatPort };
  await Deno.writeTextFile(configFile, configuration(ports, { directory, options }));
  const [program, ...before] = options.command ?? sourceCommand();
  const child = new Deno.Command(program, {
    args: [...before, "serve", "--config-file", configFile, "--http", "off"],
    cwd: directory,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const node = new ChildNode(child, { host, port, directory });
  try {
    await node.ready(options.startTimeoutMs ?? START_TIMEOUT_MS);
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
}

/** Asks a node one info command and returns the whole reply. */
export async function askInfo(
  address: { host: string; port: number },
  command: string,
  timeoutMs = START_TIMEOUT_MS,
): Promise<string> {
  const connection = await FrameConnection.open(address);
  try {
    await connection.write(frameOf(utf8(`${command}\n`), PROTO_TYPE_INFO));
    return utf8Decode(frameBody(await connection.read(timeoutMs)));
  } finally {
    connection.close();
  }
}

/** Ports that nobody listens on at the moment. */
export function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((listener) => (listener.addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}

function sourceCommand(): string[] {
  const main = new URL("../cmd/main.ts", import.meta.url).pathname;
  return [Deno.execPath(), "run", "-A", ...DENO_FLAGS, main];
}

interface Ports {
  port: number;
  infoPort: number;
  fabricPort: number;
  heartbeatPort: number;
}

function configuration(ports: Ports, place: { directory: string; options: NodeProcessOptions }): string {
  const { namespaces = ["test"], dataSize = "4G", deviceLines, namespaceLines = [] } = place.options;
  const engine = (name: string) =>
    deviceLines === undefined
      ? ["storage-engine memory {", `  data-size ${dataSize}`]
      : ["storage-engine device {", `  file ${place.directory}/${name}.dat`, `  filesize ${dataSize}`]
        .concat(deviceLines.map((line) => `  ${line}`));
  const namespaceTexts = namespaces.map((name) =>
    `namespace ${name} {
  replication-factor 1
  nsup-period 10
${[...namespaceLines, ...engine(name), "}"].map((line) => `  ${line}`).join("\n")}
}
`
  );
  return `service {
  node-id a1
  work-directory ${place.directory}
}
network {
  service {
    address 127.0.0.1
    port ${ports.port}
  }
  info {
    address 127.0.0.1
    port ${ports.infoPort}
  }
  fabric {
    address 127.0.0.1
    port ${ports.fabricPort}
  }
  heartbeat {
    mode mesh
    address 127.0.0.1
    port ${ports.heartbeatPort}
  }
}
${namespaceTexts.join("")}`;
}

class ChildNode implements NodeProcess {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #directory: string;
  #output = "";
  #alive = true;

  constructor(child: Deno.ChildProcess, place: { host: string; port: number; directory: string }) {
    this.host = place.host;
    this.port = place.port;
    this.pid = child.pid;
    this.#directory = place.directory;
    this.#child = child;
    void this.#collect(child.stdout);
    void this.#collect(child.stderr);
    void child.status.then(() => {
      this.#alive = false;
    });
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#output = (this.#output + decoder.decode(chunk, { stream: true })).slice(-OUTPUT_SIZE_MAX);
    }
  }

  async ready(timeoutMs: number): Promise<void> {
    const until = Date.now() + timeoutMs;
    while (Date.now() < until) {
      if (!this.#alive) throw new Error(`The node ended before it was ready:\n${this.#output}`);
      try {
        if ((await askInfo(this, "status", RETRY_MS * 10)).includes("ok")) return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    throw new Error(`The node did not answer on port ${this.port} within ${timeoutMs} ms:\n${this.#output}`);
  }

  residentBytes(): number | undefined {
    try {
      const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
      const kilobytes = /^VmRSS:\s*(\d+) kB/m.exec(status)?.[1];
      return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
    } catch {
      return undefined;
    }
  }

  isAlive(): boolean {
    return this.#alive;
  }

  output(): string {
    return this.#output;
  }

  async stop(): Promise<void> {
    if (this.#alive) this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#child.status;
    clearTimeout(timer);
    await Deno.remove(this.#directory, { recursive: true });
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself.
    }
  }
}
