/**
 * Endpoint lists: where a node's heartbeat or fabric service is reached.
 *
 * | offset | bytes | field |
 * | ------ | ----- | ----- |
 * | 0 | 1 | number of endpoints |
 * | per endpoint: 0 | 1 | capabilities; bit 0: TLS |
 * | 1 | 1 | address type: 1 IPv4, 2 IPv6 |
 * | 2 | 2 | port, little-endian |
 * | 4 | 4 or 16 | address, network order |
 *
 * Source: clustering reference, section 4; the recording for the byte order of the port, which the reference has wrong.
 *
 * @module
 */

import { type ByteBuffer, readU16, readU16LE, writeU16 } from "../base/mod.ts";
import type { PeerReader, PeerWriter } from "./peer_envelope.ts";
import { PEER_FIELD } from "./peer_envelope.ts";

/** Endpoints of one list: its count is one byte. */
export const ENDPOINT_COUNT_MAX = 255;

/** Capability bit: the port speaks TLS. */
export const ENDPOINT_TLS = 0x01;

const TYPE_IPV4 = 1;
const TYPE_IPV6 = 2;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** One address of a service. */
export interface PeerEndpoint {
  /** IPv4 with dots, or IPv6 in its canonical form (RFC 5952). */
  readonly address: string;
  /** TCP port. */
  readonly port: number;
  /** Capability bits; {@link ENDPOINT_TLS}. */
  readonly capabilities: number;
}

/** Endpoints and the offset after them. */
export interface EndpointListRead {
  /** The endpoints in their order on the wire. */
  endpoints: PeerEndpoint[];
  /** Offset after the list. */
  next: number;
}

/**
 * Reads a list at `at`.
 *
 * @returns undefined when it is cut short or has an address type other than 1 and 2
 */
export function readEndpointList(bytes: Uint8Array, at: number, end: number): EndpointListRead | undefined {
  if (at >= end) return undefined;
  const endpoints: PeerEndpoint[] = [];
  let next = at + 1;
  for (let count = bytes[at]; count > 0; count--) {
    if (end - next < 4) return undefined;
    const type = bytes[next + 1];
    const addressSize = type === TYPE_IPV4 ? 4 : type === TYPE_IPV6 ? 16 : 0;
    if (addressSize === 0 || end - next - 4 < addressSize) return undefined;
    const address = type === TYPE_IPV4 ? ipv4Text(bytes, next + 4) : ipv6Text(bytes, next + 4);
    endpoints.push({ address, port: readU16LE(bytes, next + 2), capabilities: bytes[next] });
    next += 4 + addressSize;
  }
  return { endpoints, next };
}

/**
 * Appends a list.
 *
 * @throws {RangeError} when there are more than 255 endpoints or an address is no IP address: what this node publishes
 *   was checked when it was configured
 */
export function appendEndpointList(out: ByteBuffer, endpoints: readonly PeerEndpoint[]): void {
  if (endpoints.length > ENDPOINT_COUNT_MAX) {
    throw new RangeError(
      `Cannot publish ${endpoints.length} endpoints: a list has at most ${ENDPOINT_COUNT_MAX}`,
    );
  }
  out.appendU8(endpoints.length);
  for (const endpoint of endpoints) {
    const address = parseIpAddress(endpoint.address);
    if (address === undefined) {
      throw new RangeError(`Cannot publish "${endpoint.address}": expected an IPv4 or IPv6 address`);
    }
    out.appendU8(endpoint.capabilities);
    out.appendU8(address.length === 4 ? TYPE_IPV4 : TYPE_IPV6);
    out.appendU8(endpoint.port & 0xff);
    out.appendU8(endpoint.port >>> 8);
    out.append(address);
  }
}

/** Reads a buffer field that is one endpoint list and nothing else; undefined when the field is absent. */
export function readEndpointField(reader: PeerReader, id: number): PeerEndpoint[] | undefined {
  if (!reader.find(id, PEER_FIELD.BUFFER)) return undefined;
  const end = reader.valueAt + reader.valueSize;
  const read = readEndpointList(reader.bytes, reader.valueAt, end);
  if (read !== undefined && read.next === end) return read.endpoints;
  reader.fail(`field ${id} is not an endpoint list`);
  return undefined;
}

/** Writes an endpoint list as a buffer field. */
export function writeEndpointField(
  writer: PeerWriter,
  id: number,
  endpoints: readonly PeerEndpoint[] | undefined,
): void {
  if (endpoints === undefined) return;
  writer.beginValue(id, PEER_FIELD.BUFFER);
  appendEndpointList(writer.out, endpoints);
  writer.endValue();
}

/**
 * Bytes of an IP address.
 *
 * @returns 4 or 16 bytes; undefined when the text is something else
 */
export function parseIpAddress(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Without regular expressions: each pulse is encoded with its endpoints. */
function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? DOT : text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0 || part === 4) return undefined;
      bytes[part++] = value;
      digits = value = 0;
    } else {
      if (code < ZERO || code > NINE || (digits > 0 && value === 0)) return undefined;
      value = value * 10 + code - ZERO;
      if (value > 255) return undefined;
      digits++;
    }
  }
  return part === 4 ? bytes : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const lastColon = text.lastIndexOf(":");
  let head = text;
  if (text.includes(".")) {
    const tail = parseIpv4(text.slice(lastColon + 1));
    if (tail === undefined) return undefined;
    head = `${text.slice(0, lastColon + 1)}${readU16(tail, 0).toString(16)}:${readU16(tail, 2).toString(16)}`;
  }
  const halves = head.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => half === "" ? [] : half.split(":"));
  const groupCount = groups.reduce((sum, half) => sum + half.length, 0);
  if (halves.length === 2 ? groupCount > 7 : groupCount !== 8) return undefined;
  const bytes = new Uint8Array(16);
  let at = 0;
  for (const [half, list] of groups.entries()) {
    if (half === 1) at = 16 - list.length * 2;
    for (const group of list) {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      writeU16(bytes, at, parseInt(group, 16));
      at += 2;
    }
  }
  return bytes;
}

function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

function ipv6Text(bytes: Uint8Array, at: number): string {
  const groups: string[] = [];
  for (let index = 0; index < 8; index++) groups.push(readU16(bytes, at + index * 2).toString(16));
  const { start, count } = longestZeros(groups);
  if (count < 2) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + count).join(":")}`;
}

function longestZeros(groups: readonly string[]): { start: number; count: number } {
  let longest = { start: 0, count: 0 };
  for (let start = 0; start < groups.length; start++) {
    let count = 0;
    while (groups[start + count] === "0") count++;
    if (count > longest.count) longest = { start, count };
  }
  return longest;
}
