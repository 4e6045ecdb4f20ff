/**
 * Grammars of the info answers that tell a client what the cluster looks like.
 * Source: wire-protocol reference, sections 9.3 and 9.4.
 *
 * @module
 */

import { CLIENT_REPLICA_COUNT_MAX, PARTITION_COUNT, WireError } from "../base/mod.ts";
import type { Address } from "../port/mod.ts";

/** A node as another node lists it. */
export interface Peer {
  /** Node id in upper-case hexadecimal. */
  id: string;
  /** Where it listens; any may be tried, in this order. */
  endpoints: Address[];
}

/** Answer of `peers-clear-std` and its like. */
export interface PeerList {
  /** Changes whenever the list does. */
  generation: number;
  /** All nodes but the one that answered. */
  peers: Peer[];
}

/** Replicas of one namespace as one node claims them. */
export interface NamespaceReplicas {
  /** Namespace. */
  namespace: string;
  /** 0 for namespaces without strong consistency. */
  regime: number;
  /** One bitmap of 512 bytes per replica number; a set bit means that the node owns the partition. */
  bitmaps: Uint8Array[];
}

/** Service port where an address names none. */
export const SERVICE_PORT_DEFAULT = 3000;

/**
 * Parses an address as people write it.
 *
 * @param text `host`, `host:port`, `[v6]`, `[v6]:port`
 * @throws {TypeError} when it is none of these
 */
export function parseAddress(text: string, portDefault: number = SERVICE_PORT_DEFAULT): Address {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const port = match?.[3] === undefined ? portDefault : Number(match[3]);
  if (match === null || port < 1 || port > 65535) {
    throw new TypeError(`Cannot use "${text}" as an address: expected HOST, HOST:PORT or [IPV6]:PORT`);
  }
  return { host: match[1] ?? match[2], port };
}

/**
 * Parses a list of peers.
 *
 * @throws {WireError} when the text does not fit the grammar
 */
export function parsePeers(text: string): PeerList {
  const head = /^(\d+),(\d*),\[(.*)\]$/.exec(text);
  if (head === null) throw badPeers(text);
  const portDefault = head[2] === "" ? SERVICE_PORT_DEFAULT : Number(head[2]);
  const peers: Peer[] = [];
  const peerPattern = /\[([0-9A-Fa-f]{1,16}),([^,\[\]]*),(\[((?:[^\[\]]|\[[^\[\]]*\])*)\])?\](,|$)/y;
  while (peerPattern.lastIndex < head[3].length) {
    const match = peerPattern.exec(head[3]);
    if (match === null) throw badPeers(text);
    const endpoints = (match[4] ?? "").split(",").filter((endpoint) => endpoint !== "");
    peers.push({
      id: match[1].toUpperCase(),
      endpoints: endpoints.map((endpoint) => parseEndpoint(endpoint, portDefault)),
    });
  }
  return { generation: Number(head[1]), peers };
}

function parseEndpoint(text: string, portDefault: number): Address {
  try {
    return parseAddress(text, portDefault);
  } catch {
    throw badPeers(text);
  }
}

function badPeers(text: string): WireError {
  return new WireError(`The server sent a list of peers that can't be read: "${text.slice(0, 80)}"`);
}

/**
 * Parses the answer of `replicas`.
 *
 * @throws {WireError} when the text does not fit the grammar
 */
export function parseReplicas(text: string): NamespaceReplicas[] {
  return text.split(";").filter((part) => part !== "").map((part) => {
    const colon = part.indexOf(":");
    const [regime, count, ...encoded] = part.slice(colon + 1).split(",");
    if (colon < 1 || !/^\d+$/.test(regime) || Number(count) !== encoded.length || encoded.length === 0) {
      throw new WireError(`The server sent replicas that can't be read: "${part.slice(0, 60)}"`);
    }
    const bitmaps = encoded.slice(0, CLIENT_REPLICA_COUNT_MAX).map((text) =>
      decodeBase64(text, PARTITION_COUNT / 8)
    );
    return { namespace: part.slice(0, colon), regime: Number(regime), bitmaps };
  });
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_VALUES: Int8Array = new Int8Array(128).fill(-1);
for (let value = 0; value < BASE64.length; value++) BASE64_VALUES[BASE64.charCodeAt(value)] = value;

/**
 * Decodes standard base64 with padding.
 *
 * @throws {WireError} when the text isn't that, or has another size
 */
export function decodeBase64(text: string, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let bits = 0;
  let bitCount = 0;
  let at = 0;
  const end = text.endsWith("==") ? text.length - 2 : text.endsWith("=") ? text.length - 1 : text.length;
  for (let i = 0; i < end; i++) {
    const value = BASE64_VALUES[text.charCodeAt(i)] ?? -1;
    if (value < 0) throw new WireError(`The server sent base64 with the character "${text[i]}"`);
    bits = ((bits << 6) | value) & 0xffff;
    bitCount += 6;
    if (bitCount >= 8) {
      bitCount -= 8;
      bytes[at++] = bits >>> bitCount;
    }
  }
  if (at !== sizeBytes) throw new WireError(`The server sent base64 of ${at} bytes: expected ${sizeBytes}`);
  return bytes;
}

/**
 * Parses a version such as `8.1.2.0`; what follows the four numbers is ignored.
 *
 * @returns the four numbers, or undefined when the text does not start with a version
 */
export function parseBuild(text: string): number[] | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  return match === null ? undefined : match.slice(1).map((part) => Number(part ?? 0));
}

/** The code and the words of an error answer; undefined when the answer is none. */
export function parseInfoError(value: string): { code: number; message: string } | undefined {
  const match = /^(?:ERROR|FAIL)(?::(\d*):?(.*))?$/is.exec(value);
  if (match === null) return undefined;
  return { code: match[1] ? Number(match[1]) : 1, message: match[2] ?? "" };
}
