/**
 * Framing of the client protocol.
 *
 * | offset | bytes | field   | meaning                                         |
 * | ------ | ----- | ------- | ----------------------------------------------- |
 * | 0      | 1     | version | 2; 0 is tolerated for security messages          |
 * | 1      | 1     | type    | 1 info, 2 security, 3 record, 4 compressed record |
 * | 2      | 6     | size    | big-endian; bytes that follow the header         |
 *
 * A compressed message's body is the length of the message inside (8 bytes, its own proto header included) and a zlib
 * stream. Source: wire-protocol reference, section 1.
 *
 * @module
 */

import { PROTO_BODY_SIZE_MAX, readU48, writeU48 } from "../base/mod.ts";
import {
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG_COMPRESSED,
  PROTO_TYPE_INFO,
  PROTO_TYPE_SECURITY,
  PROTO_VERSION,
} from "./constants.ts";

/** Why a header can't be followed; the connection is dropped. */
export type ProtoFault = "version" | "type" | "size" | "tls";

/**
 * Checks a proto header.
 *
 * @param bytes buffer with at least 8 bytes from `at`
 * @param at offset of the header
 * @returns undefined when the header is good
 */
export function protoFault(bytes: Uint8Array, at: number): ProtoFault | undefined {
  const version = bytes[at];
  const type = bytes[at + 1];
  if (version !== PROTO_VERSION && !(version === 0 && type === PROTO_TYPE_SECURITY)) {
    return version === 22 && type === 3 && bytes[at + 5] === 1 ? "tls" : "version";
  }
  if (type < PROTO_TYPE_INFO || type > PROTO_TYPE_AS_MSG_COMPRESSED) return "type";
  if (protoBodySize(bytes, at) > PROTO_BODY_SIZE_MAX) return "size";
  return undefined;
}

/** Bytes that follow the header. */
export function protoBodySize(bytes: Uint8Array, at: number): number {
  return readU48(bytes, at + 2);
}

/** Writes a proto header. */
export function writeProtoHeader(
  bytes: Uint8Array,
  at: number,
  header: { type: number; bodySizeBytes: number },
): void {
  bytes[at] = PROTO_VERSION;
  bytes[at + 1] = header.type;
  writeU48(bytes, at + 2, header.bodySizeBytes);
}

/**
 * A whole frame around a body.
 *
 * @param type one of the proto types
 * @param body copied
 */
export function protoFrame(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PROTO_HEADER_SIZE + body.length);
  writeProtoHeader(frame, 0, { type, bodySizeBytes: body.length });
  frame.set(body, PROTO_HEADER_SIZE);
  return frame;
}
