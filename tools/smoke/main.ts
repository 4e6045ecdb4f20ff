/**
 * The smoke test of an executable: start, put and get through the official client, stop, start again.
 *
 * `deno run -A tools/smoke/main.ts dist/aerie-node`, or any command line that starts aerie, for example
 * `deno run -A tools/smoke/main.ts deno run -A cmd/main.ts`. Prints sizes and times; exit code 0 when all went well.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { freePorts } from "../node_process.ts";
import { print } from "../print.ts";
import { freeBase } from "../system/formation.ts";
import { startServer } from "./server.ts";

const CLIENT_PACKAGE = "aerospike@6.7.1";

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Runs a program to its end; returns what it printed, throws with all of it when it fails. */
async function run(command: readonly string[], cwd: string): Promise<string> {
  const [program, ...args] = command;
  const { success, code, stdout, stderr } = await new Deno.Command(program!, { args, cwd, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  if (!success) throw new Error(`${command.join(" ")} ended with ${code}:\n${text}${decoder.decode(stderr)}`);
  return text.trim();
}

/** Installs the official client once; its native part is prebuilt, so that no install script needs to run. */
async function installClient(): Promise<string> {
  const folder = `${root}/dist/client`;
  try {
    await Deno.stat(`${folder}/node_modules/aerospike/package.json`);
  } catch {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/package.json`, "{}\n");
    await run(["npm", "install", "--no-save", "--ignore-scripts", CLIENT_PACKAGE], folder);
  }
  return folder;
}

interface Ports {
  service: number;
  fabric: number;
  heartbeat: number;
  info: number;
  http: number;
}

function configuration(directory: string, ports: Ports): string {
  return `service {
  work-directory ${directory}
}
network {
  service { 
    address 127.0.0.1
    port ${ports.service}
  }
  fabric {
    address 127.0.0.1
    port ${ports.fabric}
  }
  heartbeat {
    mode mesh
    address 127.0.0.1
    port ${ports.heartbeat}
  }
  info {
    address 127.0.0.1
    port ${ports.info}
  }
  http {
    address 127.0.0.1
    port ${ports.http}
  }
}
namespace test {
  replication-factor 1
  storage-engine memory {
    data-size 1G
  }
}
`;
}

/** Starts the node, uses it, stops it; returns its id. */
async function useOnce(
  command: readonly string[],
  options: { directory: string; client: string; value: number },
) {
  const { directory, client, value } = options;
  const [service, fabric, heartbeat, info, http] = freePorts(5) as [number, number, number, number, number];
  const configFile = `${directory}/aerospike.conf`;
  await Deno.writeTextFile(configFile, configuration(directory, { service, fabric, heartbeat, info, http }));
  const server = await startServer(
    [...command, "asd", "--foreground", "--config-file", configFile],
    { cwd: directory },
  );
  try {
    print(`ready after ${server.readyMs.toFixed(0)} ms, ${await server.residentMb()} MB resident`);
    print(
      await run(
        ["node", `${root}/tools/smoke/client.mjs`, client, String(service), String(value)],
        directory,
      ),
    );
    const nodeId = await run(
      [...command, "asinfo", "-h", "127.0.0.1", "-p", String(service), "-v", "node"],
      directory,
    );
    assertMatch(nodeId, /^[0-9A-F]{1,16}$/);
    const { code, stopMs, output } = await server.stop();
    assertEquals(code, 0, `exit code after SIGTERM; the node said:\n${output}`);
    assertMatch(output, /\b\d+(\.\d+)? m?s\b[^\n]*\s*$/, "the last line says how long stopping took");
    print(`stopped after ${stopMs.toFixed(0)} ms: ${output.trimEnd().split("\n").at(-1)}`);
    return nodeId;
  } finally {
    server.kill();
  }
}

/** The executable starts itself again for each of several nodes. */
async function useTwoNodes(command: readonly string[], directory: string): Promise<void> {
  const base = freeBase(2);
  const flags = ["--port", String(base), "--network.fabric.port", String(base + 1)];
  const server = await startServer([
    ...command,
    ...["serve", "--nodes", "2", "--network.info.port", "off", "--http", "off"],
    ...[...flags, "--network.heartbeat.port", String(base + 2)],
  ], { cwd: directory });
  try {
    print(`two nodes ready after ${server.readyMs.toFixed(0)} ms`);
    const { code, output } = await server.stop();
    assertEquals(code, 0, `exit code of two nodes after SIGTERM; they said:\n${output}`);
  } finally {
    server.kill();
  }
}

async function main(): Promise<void> {
  const command = [...Deno.args];
  assert(command.length > 0, "name the executable: deno run -A tools/smoke/main.ts dist/aerie-node");
  if (command[0]!.includes("/")) {
    command[0] = await Deno.realPath(command[0]!);
    print(`${Deno.args[0]}: ${((await Deno.stat(command[0])).size / 1e6).toFixed(1)} MB`);
  }
  const client = await installClient();
  const directory = await Deno.makeTempDir({ prefix: "aerie-smoke-" });
  try {
    const first = await useOnce(command, { directory, client, value: 1 });
    const second = await useOnce(command, { directory, client, value: 2 });
    assertEquals(second, first, "a node keeps its id in the work directory");
    print(`node id ${first} kept over a restart`);
    await useTwoNodes(command, directory);
    print("smoke test passed");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) await main();
