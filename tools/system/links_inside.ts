/**
 * The program that `links.ts` runs in a network namespace of its own: a bridge, and a namespace with one link to it for
 * each node.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { LocalNodePlace } from "../../cmd/local_cluster.ts";
import { print } from "../print.ts";
import { lastErrorAfter, type LoadedCluster, SETTLE_LIMIT_MS, withLoad } from "./loaded_cluster.ts";
import { msText, pause } from "./scenario.ts";

const NETWORK = "10.77.0";
const PORTS = { service: 3000, fabric: 3001, heartbeat: 3002 };
const NODE_COUNT = 3;
const WARM_UP_MS = 1500;

/** Names of namespaces are the whole machine's. */
const namespaceOf = (index: number) => `aerie-${Deno.pid}-${index}`;

async function ip(words: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args: words.split(" "), stderr: "piped" })
    .output();
  if (!success) throw new Error(`"ip ${words}" failed: ${new TextDecoder().decode(stderr).trim()}`);
}

async function buildNetwork(): Promise<void> {
  await ip("link set lo up");
  await ip("link add br0 type bridge");
  await ip(`address add ${NETWORK}.254/24 dev br0`);
  await ip("link set br0 up");
  for (let index = 0; index < NODE_COUNT; index++) {
    const namespace = namespaceOf(index);
    await ip(`netns add ${namespace}`);
    await ip(`link add v${index} type veth peer name eth0 netns ${namespace}`);
    await ip(`link set v${index} master br0`);
    await ip(`link set v${index} up`);
    await ip(`-n ${namespace} address add ${NETWORK}.${index + 1}/24 dev eth0`);
    await ip(`-n ${namespace} link set eth0 up`);
    await ip(`-n ${namespace} link set lo up`);
  }
}

async function removeNetwork(): Promise<void> {
  for (let index = 0; index < NODE_COUNT; index++) {
    await ip(`netns delete ${namespaceOf(index)}`).catch(() => {});
  }
}

function place(index: number): LocalNodePlace {
  return {
    host: `${NETWORK}.${index + 1}`,
    ports: PORTS,
    prefix: ["ip", "netns", "exec", namespaceOf(index)],
  };
}

const setLink = (index: number, state: "up" | "down") => ip(`link set v${index} ${state}`);

function note(what: string, figure: string): void {
  print(`${what}\t${figure}`);
}

/** A node is cut off from everybody, and comes back. */
async function cutOff(loaded: LoadedCluster, index: number): Promise<void> {
  const { cluster, workload } = loaded;
  const { clock } = cluster.ports;
  await pause(WARM_UP_MS);
  const faultMs = clock.monotonicMs();
  await setLink(index, "down");
  const others = cluster.nodes.filter((node) => node.index !== index);
  note(
    "link down: the others are one cluster",
    msText(await cluster.untilOne(SETTLE_LIMIT_MS, { nodes: others })),
  );
  await cluster.untilOne(SETTLE_LIMIT_MS, { nodes: others, settled: true });
  await pause(Math.max(0, 5000 - (clock.monotonicMs() - faultMs)));
  note("last failed request after the cut", msText(lastErrorAfter(loaded, faultMs)));
  const { reads, writes } = workload.counts;
  await pause(500);
  assert(workload.counts.reads > reads && workload.counts.writes > writes, "no request succeeds any more");
  await setLink(index, "up");
  note("link up: one settled cluster", msText(await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true })));
  await loaded.assertComplete(2);
  note("failed requests", String(workload.counts.errorCount));
  note("stale reads while copies were merged", String(workload.counts.staleCount));
  await loaded.finish();
}

/** Short cuts, one after the other, change nothing. */
async function flap(loaded: LoadedCluster): Promise<void> {
  const { cluster } = loaded;
  await pause(WARM_UP_MS);
  const key = (await cluster.nodes[0].membership())?.key;
  for (let round = 0; round < 5; round++) {
    await setLink(1, "down");
    await pause(400);
    await setLink(1, "up");
    await pause(800);
  }
  await pause(1000);
  const says = await cluster.nodes[0].membership();
  assert(
    says?.size === NODE_COUNT && says.key === key,
    `cluster ${key} became ${says?.key} of ${says?.size}`,
  );
  note("failed requests", String(loaded.workload.counts.errorCount));
  await loaded.finish();
}

const bodies: readonly [part: string, run: (loaded: LoadedCluster) => Promise<void>][] = [
  ["link of a node", (loaded) => cutOff(loaded, 0)],
  // The largest id is the principal.
  ["link of the principal", (loaded) => cutOff(loaded, NODE_COUNT - 1)],
  ["flaps", flap],
];

async function main(name: string): Promise<number> {
  const body = bodies.find(([part]) => name.includes(part))![1];
  try {
    await buildNetwork();
    await withLoad(NODE_COUNT, { place }, body);
    return 0;
  } catch (error) {
    await Deno.stderr.write(new TextEncoder().encode(`${(error as Error).message}\n`));
    return 1;
  } finally {
    await removeNetwork();
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args[0] ?? ""));
