/**
 * How long an empty node takes from the start of its process to its first answer, and how much memory it then has: from
 * the sources, as the bundle that the executable holds, and as an executable, if one is given.
 *
 * @module
 */

import { DENO_FLAGS } from "../src/platform/mod.ts";
import { freePorts } from "../tools/node_process.ts";
import { residentBytes } from "./processes.ts";
import { median } from "./samples.ts";

/** What a start needed. */
export interface StartResult {
  /** What was started. */
  name: string;
  /** Milliseconds to the first answered `status`, the middle of all starts. */
  medianMs: number;
  /** The fastest start. */
  leastMs: number;
  /** Resident memory after the start in bytes; undefined where the system does not tell. */
  residentBytes: number | undefined;
}

const ANSWER_TIMEOUT_MS = 20_000;
const RETRY_MS = 1;

/** What is started, and the words that start it. */
interface Startable {
  name: string;
  command: readonly string[];
}

const root = new URL("..", import.meta.url).pathname;

/**
 * Starts nodes several times, each kind in turn.
 *
 * @param executable what to start besides
 */
export async function measureStarts(startCount: number, executable?: string): Promise<StartResult[]> {
  const directory = await Deno.makeTempDir({ prefix: "aerie-start-" });
  try {
    const kinds = await startables(directory, executable);
    const samples = kinds.map(() => ({ times: [] as number[], memory: [] as number[] }));
    // Deno keeps what it has compiled, from the second start on.
    for (const { command } of kinds) {
      for (let count = 0; count < 2; count++) await startOnce(directory, command);
    }
    for (let count = 0; count < startCount; count++) {
      for (const [index, { command }] of kinds.entries()) {
        const { tookMs, bytes } = await startOnce(directory, command);
        samples[index].times.push(tookMs);
        if (bytes !== undefined) samples[index].memory.push(bytes);
      }
    }
    return kinds.map(({ name }, index) => {
      const { times, memory } = samples[index];
      return {
        name,
        medianMs: median(times),
        leastMs: Math.min(...times),
        residentBytes: memory.length === 0 ? undefined : median(memory),
      };
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function startables(directory: string, executable?: string): Promise<Startable[]> {
  const deno = [Deno.execPath(), "run", "-A", "--no-check", ...DENO_FLAGS];
  const bundle = `${directory}/bundle`;
  await buildBundle(bundle);
  return [
    { name: "from the sources", command: [...deno, `${root}cmd/main.ts`] },
    { name: "as a bundle", command: [...deno, `${bundle}/aerie.js`] },
    ...(executable === undefined ? [] : [{ name: executable, command: [executable] }]),
  ];
}

async function buildBundle(folder: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tools/build_deno.ts", "--out", folder],
    cwd: root,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`The bundle can't be built: ${decoder.decode(stdout)}${decoder.decode(stderr)}`);
  }
}

async function startOnce(
  directory: string,
  command: readonly string[],
): Promise<{ tookMs: number; bytes?: number }> {
  const [port, infoPort, fabricPort, heartbeatPort] = freePorts(4);
  const [program, ...before] = command;
  const flags = ["serve", "--quiet", "--http", "off", "--port", String(port)];
  flags.push("--network.info.port", String(infoPort), "--service.work-directory", directory);
  flags.push("--network.fabric.port", String(fabricPort), "--network.heartbeat.port", String(heartbeatPort));
  const startMs = performance.now();
  const child = new Deno.Command(program, {
    args: [...before, ...flags],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await untilAnswer(infoPort, startMs);
    const tookMs = performance.now() - startMs;
    const bytes = residentBytes(child.pid);
    return { tookMs, ...(bytes === undefined ? {} : { bytes }) };
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

/** Asks the plain info port for `status` until it answers. */
async function untilAnswer(port: number, startMs: number): Promise<void> {
  const question = new TextEncoder().encode("status\n");
  const answer = new Uint8Array(64);
  while (performance.now() - startMs < ANSWER_TIMEOUT_MS) {
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      await connection.write(question);
      const count = await connection.read(answer);
      connection.close();
      if (count !== null) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  throw new Error(`The node did not answer on port ${port} within ${ANSWER_TIMEOUT_MS} ms`);
}
