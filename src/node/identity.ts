/**
 * The node id: explicit, or remembered from an earlier start in the work directory, or derived from a network
 * interface's hardware address and the fabric port, and then remembered, so that a re-created container with the same
 * work directory keeps its identity. Source: clustering reference, section 2.
 *
 * @module
 */

import { utf8, utf8Decode } from "../base/mod.ts";
import type { NodeId } from "../cluster/mod.ts";
import type { Settings } from "../config/mod.ts";
import type { InterfaceAddress, Ports } from "../port/mod.ts";

const NODE_ID_FILE = "node-id";
const NODE_ID_FILE_SIZE_MAX = 64;
const NO_MAC = "00:00:00:00:00:00";
const PREFERRED_INTERFACES = [/^(eth|bond|wlan)\d+$/, /^(em\d+_\d+|p\d+p\d+_\d+|em\d+|p\d+p\d+)$/, /./];

/** A node's id and how it came about. */
export interface NodeIdentity {
  /** Upper-case hexadecimal, no leading zeros, at most 16 digits. */
  id: string;
  /** Where it came from, for people. */
  origin: string;
}

/**
 * Finds the node's id; a derived one is written into the work directory if that can be done.
 *
 * @param settings `node-id`, `node-id-interface`, `work-directory` and the fabric port
 */
export async function findNodeIdentity(settings: Settings, ports: Ports): Promise<NodeIdentity> {
  const { nodeId, workDirectory } = settings.service;
  if (nodeId !== "") return { id: normalizeNodeId(nodeId), origin: "node-id of the configuration" };
  const path = `${workDirectory}/${NODE_ID_FILE}`;
  const kept = await readKept(path, ports);
  if (kept !== undefined) return { id: kept, origin: `kept in ${path}` };
  const id = derive(settings, ports);
  try {
    await ports.disk.makeDirectory(workDirectory);
    await ports.disk.replaceFile(path, utf8(id + "\n"));
    return { id, origin: `derived, kept in ${path} from now on` };
  } catch {
    return { id, origin: `derived; could not be kept in ${path}, so set node-id if it must not change` };
  }
}

/** Upper case, without `0x` and leading zeros. */
export function normalizeNodeId(text: string): string {
  return text.toUpperCase().replace(/^0X/, "").replace(/^0+(?=.)/, "");
}

/** The id as peers write it: 16 lower-case digits. */
export function peerNodeId(id: string): NodeId {
  return id.toLowerCase().padStart(16, "0");
}

/** A peer's id as clients and tools write it: upper case, without leading zeros. */
export function shownNodeId(node: NodeId): string {
  return normalizeNodeId(node);
}

async function readKept(path: string, ports: Ports): Promise<string | undefined> {
  try {
    const text = utf8Decode(await ports.disk.readFile(path, NODE_ID_FILE_SIZE_MAX)).trim();
    return /^[0-9A-Fa-f]{1,16}$/.test(text) ? normalizeNodeId(text) : undefined;
  } catch {
    return undefined;
  }
}

function derive(settings: Settings, ports: Ports): string {
  const fabricPort = settings.network.fabric.port;
  const mac = chooseMac(ports.host.interfaces(), settings.service.nodeIdInterface);
  const bytes = mac === undefined ? randomMac(ports) : mac.split(":").map((part) => parseInt(part, 16));
  const low = [...bytes].reverse().map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return normalizeNodeId(fabricPort.toString(16) + low);
}

/** No hardware address to be had: a locally administered random one, as container engines do. */
function randomMac(ports: Ports): number[] {
  const bytes = new Uint8Array(6);
  ports.random.fill(bytes);
  bytes[0] = (bytes[0] & 0xfc) | 0x02;
  return [...bytes];
}

/** Hardware address of the wanted interface, or of the best one when none is wanted. */
export function chooseMac(interfaces: InterfaceAddress[], wanted: string): string | undefined {
  const usable = interfaces.filter((one) =>
    one.mac !== NO_MAC && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(one.mac)
  );
  if (wanted !== "") return usable.find((one) => one.name === wanted)?.mac;
  for (const pattern of PREFERRED_INTERFACES) {
    const found = usable.find((one) => pattern.test(one.name));
    if (found !== undefined) return found.mac;
  }
  return undefined;
}
