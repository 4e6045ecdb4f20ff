/**
 * Numbers of the peer protocol that do not fit into a double, and how they are held.
 *
 * | What | Held as | Why |
 * | ---- | ------- | --- |
 * | node id | text of 16 lower-case hex digits | sorts and compares like the number; a key of maps; plain data |
 * | hybrid time, sequence number, incarnation | the same | never calculated with, only compared |
 * | cluster key, LUT, physical time, counts | number | 48 bits and less; larger values are a fault |
 *
 * Source: clustering reference, sections 0.2 and 7.1.
 *
 * @module
 */

import { readU16LE, readU32, readU32LE, writeU32, writeU32LE } from "../base/mod.ts";

/** A 64-bit number as 16 lower-case hexadecimal digits; `<`, `===` and `sort()` order it like the number. */
export type U64Text = string;

/** A node's id; never zero. */
export type NodeId = U64Text;

/** A time of the hybrid clock: 12 digits of milliseconds since 1970, 4 digits of counter. */
export type HybridTime = U64Text;

/** Zero: an orphan's sequence number, no preferred principal. */
export const U64_ZERO: U64Text = "0000000000000000";

/** Largest cluster key: 48 bits. */
export const CLUSTER_KEY_MAX = 0xffff_ffff_ffff;

const BYTE_TEXT: readonly string[] = Array.from(
  { length: 256 },
  (_, value) => value.toString(16).padStart(2, "0"),
);

/** Reads a 64-bit number in network order. The caller has checked that 8 bytes are there. */
export function readU64Text(bytes: Uint8Array, at: number): U64Text {
  return BYTE_TEXT[bytes[at]] + BYTE_TEXT[bytes[at + 1]] + BYTE_TEXT[bytes[at + 2]] +
    BYTE_TEXT[bytes[at + 3]] +
    BYTE_TEXT[bytes[at + 4]] + BYTE_TEXT[bytes[at + 5]] + BYTE_TEXT[bytes[at + 6]] + BYTE_TEXT[bytes[at + 7]];
}

/** Reads a little-endian 64-bit number. The caller has checked that 8 bytes are there. */
export function readU64TextLE(bytes: Uint8Array, at: number): U64Text {
  return BYTE_TEXT[bytes[at + 7]] + BYTE_TEXT[bytes[at + 6]] + BYTE_TEXT[bytes[at + 5]] +
    BYTE_TEXT[bytes[at + 4]] +
    BYTE_TEXT[bytes[at + 3]] + BYTE_TEXT[bytes[at + 2]] + BYTE_TEXT[bytes[at + 1]] + BYTE_TEXT[bytes[at]];
}

/** Writes a 64-bit number in network order. */
export function writeU64Text(bytes: Uint8Array, at: number, value: U64Text): void {
  writeU32(bytes, at, hex32(value, 0));
  writeU32(bytes, at + 4, hex32(value, 8));
}

/** Writes a 64-bit number little-endian. */
export function writeU64TextLE(bytes: Uint8Array, at: number, value: U64Text): void {
  writeU32LE(bytes, at + 4, hex32(value, 0));
  writeU32LE(bytes, at, hex32(value, 8));
}

/** Eight hexadecimal digits, lower case; several times as fast as `parseInt` of a slice. */
function hex32(text: string, at: number): number {
  let value = 0;
  for (let index = at; index < at + 8; index++) {
    const code = text.charCodeAt(index);
    value = (value << 4) | (code < 0x61 ? code - 0x30 : code - 0x57);
  }
  return value;
}

/** Reads a 64-bit number in network order; -1 when it is above 2^53 - 1. */
export function readSafeU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at);
  return high > 0x1f_ffff ? -1 : high * 0x1_0000_0000 + readU32(bytes, at + 4);
}

/** Reads a little-endian 64-bit number; -1 when it is above 2^53 - 1. */
export function readSafeU64LE(bytes: Uint8Array, at: number): number {
  const high = readU32LE(bytes, at + 4);
  return high > 0x1f_ffff ? -1 : high * 0x1_0000_0000 + readU32LE(bytes, at);
}

/** Reads a little-endian 48-bit number. */
export function readU48LE(bytes: Uint8Array, at: number): number {
  return readU16LE(bytes, at + 4) * 0x1_0000_0000 + readU32LE(bytes, at);
}

/** Writes a 64-bit number little-endian; `value` is a non-negative safe integer. */
export function writeSafeU64LE(bytes: Uint8Array, at: number, value: number): void {
  writeU32LE(bytes, at, value >>> 0);
  writeU32LE(bytes, at + 4, Math.floor(value / 0x1_0000_0000));
}

/**
 * The node id that a text names: 1 to 16 hexadecimal digits of any case, with or without leading zeros.
 *
 * @returns undefined when the text is something else, or zero
 */
export function parseNodeId(text: string): NodeId | undefined {
  if (!/^[0-9a-fA-F]{1,16}$/.test(text)) return undefined;
  const id = text.toLowerCase().padStart(16, "0");
  return id === U64_ZERO ? undefined : id;
}

/** How clients and tools see a node id: upper case, no leading zeros. */
export function nodeIdText(id: NodeId): string {
  return id.replace(/^0+(?=.)/, "").toUpperCase();
}

/** Whether a text is a 64-bit number in the form that this folder uses. */
export function isU64Text(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

/** Milliseconds since 1970 of a hybrid time. */
export function hybridPhysicalMs(time: HybridTime): number {
  return parseInt(time.slice(0, 12), 16);
}

/** Counter of a hybrid time, 0 to 65,535. */
export function hybridCounter(time: HybridTime): number {
  return parseInt(time.slice(12), 16);
}

/** A hybrid time of its parts: milliseconds below 2^48, counter below 2^16. */
export function hybridTime(physicalMs: number, counter: number): HybridTime {
  return physicalMs.toString(16).padStart(12, "0") + counter.toString(16).padStart(4, "0");
}
