/**
 * Several nodes on one host from one configuration: what node k of N makes of the settings.
 *
 * | What | Node k, from 0 |
 * |---|---|
 * | ports | + 10 k; in multicast mode all nodes share the heartbeat's |
 * | work directory, pid file, log files, files of records | suffix `-k` |
 * | memory and file sizes | divided by N |
 * | `node-id` | two hexadecimal digits of k at its end |
 * | mesh seeds | the other nodes of the host are added |
 *
 * @module
 */
import { assert, NODES_PER_HOST_MAX } from "../base/mod.ts";
import { MIB, type OptionValue } from "./option.ts";
import type { Settings } from "./settings.ts";
import { settingEntries } from "./walk.ts";
import { sizeText } from "./value.ts";

/** How far the ports of two neighbours are apart. */
export const NODE_PORT_STEP = 10;

/** Which of the nodes of a host. */
export interface NodePlace {
  /** From 0. */
  index: number;
  /** How many there are, 1 to {@linkcode NODES_PER_HOST_MAX}. */
  count: number;
}

/**
 * How nodes of one host share what an option names. `shifted`: each has its own port. `suffixed`: each has its own
 * file. `divided`: each has its part. `single`: there is one only, so that the option must not be given.
 */
type Sharing = "shifted" | "suffixed" | "divided" | "single" | "same";

/** By path without names; ports and sizes must all be here, other options are the same on all nodes. */
const sharings: Readonly<Record<string, Sharing>> = {
  "service.log-rotate-size": "same",
  "service.pidfile": "suffixed",
  "service.work-directory": "suffixed",
  "network.service.port": "shifted",
  "network.service.tls-port": "shifted",
  "network.service.access-port": "single",
  "network.service.alternate-access-port": "single",
  "network.service.tls-access-port": "single",
  "network.service.tls-alternate-access-port": "single",
  "network.admin.port": "shifted",
  "network.admin.tls-port": "shifted",
  "network.heartbeat.port": "shifted",
  "network.heartbeat.tls-port": "shifted",
  "network.fabric.port": "shifted",
  "network.fabric.tls-port": "shifted",
  "network.fabric.recv-rearm-threshold": "same",
  "network.info.port": "shifted",
  "network.http.port": "shifted",
  "namespace.index-stage-size": "same",
  "namespace.indexes-memory-budget": "divided",
  "namespace.max-record-size": "same",
  "namespace.sindex-stage-size": "same",
  "namespace.set.stop-writes-size": "divided",
  "namespace.storage-engine.data-size": "divided",
  "namespace.storage-engine.device": "single",
  "namespace.storage-engine.file": "suffixed",
  "namespace.storage-engine.filesize": "divided",
  "namespace.storage-engine.flush-size": "same",
  "namespace.storage-engine.max-write-cache": "same",
  "namespace.storage-engine.index-checkpoint-bytes-per-hour": "divided",
  "namespace.storage-engine.post-write-cache": "divided",
};

/** Path of an option without the names of namespaces and sets. */
function plainPath(path: readonly string[], name: string): string {
  const parts = path[0] === "namespace" ? ["namespace", ...path.slice(2)] : [...path];
  if (parts[1] === "set") parts.splice(2, 1);
  return [...parts, name].join(".");
}

/** How the nodes of a host share what an option names; undefined when a port or size has not been decided on. */
export function sharingOf(path: readonly string[], name: string): Sharing | undefined {
  return sharings[plainPath(path, name)];
}

/**
 * Why these settings can't serve several nodes on one host; empty when they can.
 *
 * @param settings as one node would have them
 * @param count number of nodes
 * @returns one sentence for each obstacle, with what to do
 */
export function severalNodesProblems(settings: Settings, count: number): string[] {
  assert(Number.isInteger(count) && count >= 1, `${count} nodes`);
  if (count > NODES_PER_HOST_MAX) return [`${count} nodes are too many; at most ${NODES_PER_HOST_MAX}`];
  if (count === 1) return [];
  return [
    ...publishedProblems(settings, count),
    ...portProblems(settings, count),
    ...sizeProblems(settings, count),
    ...nodeIdProblems(settings),
  ];
}

/** What exists once: a published port, a raw device. */
function publishedProblems(settings: Settings, count: number): string[] {
  return settingEntries(settings).flatMap(({ path, option, value }) => {
    if (sharingOf(path, option.name) !== "single") return [];
    if (option.type === "list" ? (value as readonly string[]).length === 0 : value === 0) return [];
    const name = [...path, option.name].join(".");
    return option.type === "port"
      ? [
        `${name} ${value} publishes one port, but ${count} nodes need one each: leave it out, and let ` +
        `${portList(settings.network.service.port, count)} be reached from outside under the same numbers`,
      ]
      : [`${name} can't be shared by ${count} nodes; give them files, or run one node on each device`];
  });
}

function portList(port: number, count: number): string {
  const ports = Array.from({ length: Math.min(count, 4) }, (_, index) => port + NODE_PORT_STEP * index);
  return `ports ${ports.join(", ")}${count > 4 ? ", ..." : ""}`;
}

function portProblems(settings: Settings, count: number): string[] {
  const { heartbeat } = settings.network;
  const problems: string[] = [];
  const owners = new Map<number, string>();
  for (let index = 0; index < count; index++) {
    for (const { path, option, value } of settingEntries(settings)) {
      if (sharingOf(path, option.name) !== "shifted") continue;
      const listener = path.join(".");
      const name = `${listener}.${option.name}`;
      if (value === 0) {
        const isPeers = index === 0 && (name === "network.heartbeat.port" || name === "network.fabric.port");
        if (isPeers) problems.push(`${name} is 0, so that nodes could not find each other: give a port`);
        continue;
      }
      if (path[1] === "heartbeat" && heartbeat.mode === "multicast" && index > 0) continue;
      const port = (value as number) + NODE_PORT_STEP * index;
      const owner = owners.get(port);
      const here = `${listener} of node ${index}`;
      if (port > 65535) problems.push(`${here} would have port ${port}; give a smaller one than ${value}`);
      else if (owner !== undefined) {
        problems.push(
          `port ${port} would be that of ${owner} and of ${here}: node k adds ${NODE_PORT_STEP} k to every port; ` +
            `give ports with different last digits, or farther apart`,
        );
      } else owners.set(port, here);
    }
  }
  return problems;
}

function sizeProblems(settings: Settings, count: number): string[] {
  return settingEntries(settings).flatMap(({ path, option, value }) => {
    if (sharingOf(path, option.name) !== "divided" || typeof value !== "number" || value === 0) return [];
    const min = option.range?.[0] ?? 0;
    if (dividedSize(value, count) >= min) return [];
    const name = [...path, option.name].join(".");
    return [
      `${name} ${sizeText(value)} is too small for ${count} nodes: each needs ${sizeText(min)} at least`,
    ];
  });
}

function nodeIdProblems({ service }: Settings): string[] {
  return service.nodeId.replace(/^0x/i, "").replace(/^0+/, "").length > 14
    ? [
      `service.node-id ${service.nodeId} is too long: two digits are added for each node; give at most 14 digits`,
    ]
    : [];
}

/** Parts are whole MiB where they can be: devices are made of blocks. */
function dividedSize(bytes: number, count: number): number {
  const part = Math.floor(bytes / count);
  return part >= MIB ? part - part % MIB : part;
}

/**
 * Makes the settings of one of several nodes out of those that one node would have. With one node nothing changes.
 *
 * @param settings changed in place; {@linkcode severalNodesProblems} has nothing against them
 * @param place which node
 * @param seedHost address at which the heartbeats of this host's nodes can be dialled
 */
export function becomeNodeOfSeveral(settings: Settings, place: NodePlace, seedHost: string): void {
  const { index, count } = place;
  if (count === 1) return;
  const { heartbeat } = settings.network;
  if (heartbeat.mode === "mesh") {
    for (let other = 0; other < count; other++) {
      if (other === index) continue;
      heartbeat.meshSeedAddressPorts.push(`${seedHost} ${heartbeat.port + NODE_PORT_STEP * other}`);
    }
  }
  for (const { path, option, value, block } of settingEntries(settings)) {
    if (path[1] === "heartbeat" && heartbeat.mode === "multicast") continue;
    const sharing = sharingOf(path, option.name);
    if (sharing !== undefined) block[option.field] = share(sharing, value, place);
  }
  for (const sink of settings.logging) if (sink.kind === "file") sink.path += `-${index}`;
  const { service } = settings;
  if (service.nodeId !== "") service.nodeId += index.toString(16).padStart(2, "0");
}

function share(sharing: Sharing, value: OptionValue, { index, count }: NodePlace): OptionValue {
  switch (sharing) {
    case "shifted":
      return value === 0 ? 0 : (value as number) + NODE_PORT_STEP * index;
    case "divided":
      return dividedSize(value as number, count);
    case "suffixed":
      if (typeof value === "string") return value === "" ? "" : `${value}-${index}`;
      // A file may be followed by its shadow.
      return (value as readonly string[]).map((files) => files.replaceAll(/\S+/g, `$&-${index}`));
    case "single":
    case "same":
      return value;
  }
}
