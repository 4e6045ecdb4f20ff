import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type RunningProcess, startProcess } from "../../src/platform/mod.ts";
import { askInfo } from "../node_process.ts";
import { freeBase } from "./formation.ts";

const main = new URL("../../cmd/main.ts", import.meta.url).pathname;
const LIMIT_MS = 20_000;

/** Waits for a condition, at most {@linkcode LIMIT_MS}. */
async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  text: () => string,
): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!await holds()) {
    assert(performance.now() < endMs, `waited ${LIMIT_MS} ms for ${what}; printed:\n${text()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

interface Group {
  process: RunningProcess;
  port: number;
  lines: string[];
  folder: string;
  text(): string;
  /** Process ids of the nodes by their number, the newest. */
  pids(): Map<number, number>;
}

async function startGroup(args: string[], count: number): Promise<Group> {
  const folder = await Deno.makeTempDir({ prefix: "aerie-several-" });
  const port = freeBase(count);
  const lines: string[] = [];
  const command = [Deno.execPath(), "run", "-A", main, "serve", ...args, "--port", String(port)];
  const listeners = ["fabric", "heartbeat"].flatMap((name, at) => [
    `--network.${name}.port`,
    String(port + 1 + at),
  ]);
  const process = await startProcess([
    ...command,
    ...listeners,
    "--network.info.port",
    "off",
    "--http",
    "off",
    "--data-size",
    "128M",
  ], { cwd: folder, onLine: (line) => void lines.push(line) });
  const text = () => lines.join("\n");
  const pids = () =>
    new Map(
      [...text().matchAll(/^node (\d+) is ready, pid (\d+)$/gm)].map(([, node, pid]) => [
        Number(node),
        Number(pid),
      ]),
    );
  return { process, port, lines, folder, text, pids };
}

async function endGroup(group: Group): Promise<void> {
  group.process.signal("SIGKILL");
  await group.process.ended;
  await Deno.remove(group.folder, { recursive: true });
}

function isAlive(pid: number): boolean {
  try {
    // A process that has ended and was not waited for is a zombie: Z.
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

const clusterSize = async (port: number) => {
  try {
    const reply = await askInfo({ host: "127.0.0.1", port }, "statistics", 1000);
    return Number(/cluster_size=(\d+)/.exec(reply)?.[1]);
  } catch {
    return 0;
  }
};

describe("aerie serve --nodes", () => {
  it("runs nodes that form a cluster, starts one again when it is killed, and stops all", async () => {
    const group = await startGroup(["--nodes", "2"], 2);
    try {
      await until("both nodes", () => group.text().includes("2 nodes ready in"), group.text);
      const together = async () =>
        await clusterSize(group.port) === 2 && await clusterSize(group.port + 10) === 2;
      await until("one cluster", together, group.text);
      const first = group.pids().get(1)!;
      Deno.kill(first, "SIGKILL");
      await until("the end", () => group.text().includes("node 1 ended by SIGKILL"), group.text);
      await until("its successor", () => group.pids().get(1) !== first, group.text);
      await until("one cluster again", together, group.text);
      group.process.signal("SIGTERM");
      assertEquals(await group.process.ended, { code: 0, signal: undefined });
      assertMatch(group.text(), /1\| stopped in \d+ ms\n(.*\n)*0\| stopped in \d+ ms/);
      assertEquals(group.lines.at(-1)!.startsWith("stopped in"), true);
      for (const pid of group.pids().values()) assertEquals(isAlive(pid), false);
      for (const index of [0, 1]) assert((await Deno.stat(`${group.folder}/.aerie-${index}`)).isDirectory);
    } finally {
      await endGroup(group);
    }
  });

  it("lets nodes find each other by multicast", async () => {
    const multicast = ["--network.heartbeat.mode", "multicast", "--network.heartbeat.multicast-group"];
    const group = await startGroup(["--nodes", "2", ...multicast, "239.193.77.3"], 2);
    try {
      await until("one cluster", async () => await clusterSize(group.port) === 2, group.text);
    } finally {
      await endGroup(group);
    }
  });

  it("leaves no node behind when it is killed itself", async () => {
    const group = await startGroup(["--nodes=2"], 2);
    try {
      await until("both nodes", () => group.text().includes("2 nodes ready in"), group.text);
      const pids = [...group.pids().values()];
      assertEquals(pids.map(isAlive), [true, true]);
      group.process.signal("SIGKILL");
      await until("their end", () => !pids.some(isAlive), group.text);
    } finally {
      await endGroup(group);
    }
  });

  it("starts nothing when the settings can't serve several nodes", async () => {
    const group = await startGroup(["--nodes", "2", "--network.service.access-port", "4000"], 2);
    try {
      assertEquals(await group.process.ended, { code: 1, signal: undefined });
      assertStringIncludes(group.text(), "network.service.access-port 4000 publishes one port");
      assertEquals(group.text().includes("ready"), false);
    } finally {
      await endGroup(group);
    }
  });

  it("ends with 1 and stops the others when a node can't start", async () => {
    const group = await startGroup(["--nodes", "2", "--network.fabric.address", "192.0.2.1"], 2);
    try {
      const end = await group.process.ended;
      assertEquals(end, { code: 1, signal: undefined }, group.text());
      assertMatch(group.text(), /node \d ended with exit code 1 before it was ready/);
    } finally {
      await endGroup(group);
    }
  });
});
