/**
 * Scenarios in which clusters form.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { LocalCluster } from "../../cmd/local_cluster.ts";
import { startProcess } from "../../src/platform/mod.ts";
import { askInfo } from "../node_process.ts";
import { SETTLE_LIMIT_MS, SOURCE_COMMAND } from "./loaded_cluster.ts";
import { msText, type Report, type Scenario, until } from "./scenario.ts";

/** The story of the README: a seed in one terminal, `tip` in another. */
const threeTerminals: Scenario = {
  name: "three terminals: one node alone, one with it as mesh seed, one told by tip",
  async run(report) {
    const folder = await Deno.makeTempDir({ prefix: "aerie-terminals-" });
    const base = freeBase(3);
    const port = (index: number) => base + 10 * index;
    const lines: string[] = [];
    const start = (index: number, flags: readonly string[]) =>
      startProcess([
        ...SOURCE_COMMAND,
        "serve",
        "--supervised",
        ...["--port", String(port(index))],
        ...["--network.fabric.port", String(port(index) + 1)],
        ...["--network.heartbeat.port", String(port(index) + 2)],
        ...["--network.info.port", "off", "--http", "off"],
        ...["--service.work-directory", `.aerie-${index}`],
        ...flags,
      ], { cwd: folder, onLine: (line) => void lines.push(`${index}| ${line}`) });
    const sizes = () => Promise.all([0, 1, 2].map((index) => clusterOf(port(index))));
    const describe = () => lines.slice(-30).join("\n");
    const processes = [await start(0, [])];
    try {
      await until(async () => (await clusterOf(port(0)))?.size === 1, { limitMs: SETTLE_LIMIT_MS, describe });
      const seed = `127.0.0.1 ${port(0) + 2}`;
      processes.push(await start(1, ["--network.heartbeat.mesh-seed-address-port", seed]));
      processes.push(await start(2, []));
      await until(async () => (await clusterOf(port(2))) !== undefined, {
        limitMs: SETTLE_LIMIT_MS,
        describe,
      });
      const answer = await askInfo(
        { host: "127.0.0.1", port: port(2) },
        `tip:host=127.0.0.1;port=${port(0) + 2}`,
      );
      assert(answer.trim().endsWith("\tok"), answer);
      const tookMs = await until(async () => {
        const all = await sizes();
        return all.every((one) => one?.size === 3 && one.key === all[0]!.key);
      }, { limitMs: SETTLE_LIMIT_MS, describe });
      report.note("one cluster after tip", msText(tookMs));
    } finally {
      for (const process of processes) process.signal("SIGKILL");
      for (const process of processes) await process.ended;
      await Deno.remove(folder, { recursive: true });
    }
  },
};

function fromCold(count: number): Scenario {
  return {
    name: `${count} nodes from cold`,
    async run(report) {
      const startMs = performance.now();
      const cluster = await LocalCluster.start(count, { command: SOURCE_COMMAND, dataSize: "16M" });
      try {
        const readyMs = performance.now() - startMs;
        const tookMs = await cluster.untilOne(SETTLE_LIMIT_MS);
        report.note("all ready", msText(readyMs));
        report.note("one cluster after that", msText(tookMs));
        await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      } finally {
        await cluster.close();
      }
    },
  };
}

/** The supervisor with many nodes. */
const sixteen: Scenario = {
  name: "16 nodes on one host, supervised; all stop in order",
  run: (report) => supervised(16, report),
};

async function supervised(count: number, report: Report): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "aerie-sixteen-" });
  const base = freeBase(count);
  const lines: string[] = [];
  const process = await startProcess([
    ...SOURCE_COMMAND,
    "serve",
    ...["--nodes", String(count), "--port", String(base)],
    ...["--network.fabric.port", String(base + 1), "--network.heartbeat.port", String(base + 2)],
    ...["--network.info.port", "off", "--http", "off"],
  ], { cwd: folder, onLine: (line) => void lines.push(line) });
  const describe = () => lines.slice(-40).join("\n");
  try {
    const ready = new RegExp(`^${count} nodes ready in (\\d+) ms$`);
    await until(() => lines.some((line) => ready.test(line)), { limitMs: SETTLE_LIMIT_MS, describe });
    report.note("all ready", `${ready.exec(lines.find((line) => ready.test(line))!)![1]} ms`);
    const tookMs = await until(async () => {
      const all = await Promise.all(
        Array.from({ length: count }, (_, index) => clusterOf(base + 10 * index)),
      );
      return all.every((one) => one?.size === count && one.key === all[0]!.key);
    }, { limitMs: SETTLE_LIMIT_MS, describe });
    report.note("one cluster after that", msText(tookMs));
    const stopMs = performance.now();
    process.signal("SIGTERM");
    assertEquals((await process.ended).code, 0, describe());
    report.note("stopped", msText(performance.now() - stopMs));
  } finally {
    process.signal("SIGKILL");
    await process.ended;
    await Deno.remove(folder, { recursive: true });
  }
}

/** What the node behind a port says of its cluster; undefined when it does not answer. */
async function clusterOf(port: number): Promise<{ size: number; key: string } | undefined> {
  try {
    const text = await askInfo({ host: "127.0.0.1", port }, "statistics", 1000);
    const [, size] = /[\t;]cluster_size=(\d+)/.exec(text) ?? [];
    const [, key] = /;cluster_key=([0-9A-F]+)/.exec(text) ?? [];
    return size === undefined || key === undefined ? undefined : { size: Number(size), key };
  } catch {
    return undefined;
  }
}

/**
 * A port from which three are free for each node, ten apart. Below the ports that the system chooses for outgoing
 * connections.
 */
export function freeBase(count: number): number {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const base = 10_240 + Math.floor(Math.random() * (21_000 - 10 * count));
    try {
      for (let at = 0; at < 3 * count; at++) {
        Deno.listen({ hostname: "127.0.0.1", port: base + 10 * Math.floor(at / 3) + at % 3 }).close();
      }
      return base;
    } catch {
      // Somebody has one of them.
    }
  }
  throw new Error("no range of free ports");
}

/** All of them. */
export const formationScenarios: readonly Scenario[] = [threeTerminals, fromCold(3), fromCold(8), sixteen];
