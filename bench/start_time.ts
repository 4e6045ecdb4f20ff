/**
 * How long an empty node takes from the start of its process to its first answer, and how much memory it then has.
 *
 * @module
 */

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

/**
 * Starts a node several times.
 *
 * @param executable what to start instead of the sources
 */
export async function measureStart(startCount: number, executable?: string): Promise<StartResult> {
  const directory = await Deno.makeTempDir({ prefix: "aerie-start-" });
  const times: number[] = [];
  const memory: number[] = [];
  try {
    for (let count = 0; count < startCount; count++) {
      const { tookMs, bytes } = await startOnce(directory, executable);
      times.push(tookMs);
      if (bytes !== undefined) memory.push(bytes);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return {
    name: executable ?? "from the sources",
    medianMs: median(times),
    leastMs: Math.min(...times),
    residentBytes: memory.length === 0 ? undefined : median(memory),
  };
}

async function startOnce(
  directory: string,
  executable?: string,
): Promise<{ tookMs: number; bytes?: number }> {
  const [port, infoPort] = freePorts(2);
  const main = new URL("../cmd/main.ts", import.meta.url).pathname;
  const [program, ...before] = executable === undefined
    ? [Deno.execPath(), "run", "-A", "--no-check", main]
    : [executable];
  const flags = ["serve", "--quiet", "--http", "off", "--port", String(port)];
  flags.push("--network.info.port", String(infoPort), "--service.work-directory", directory);
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
