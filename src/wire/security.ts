/**
 * Security messages (proto type 2): 16 bytes of header (scheme, result, command, field count, zeros), then fields.
 * Source: wire-protocol reference, section 10.
 *
 * @module
 */

import { PROTO_TYPE_SECURITY } from "./constants.ts";
import { protoFrame } from "./proto.ts";

/** Bytes of a security message's header. */
export const SECURITY_HEADER_SIZE = 16;

/**
 * A reply that carries a result and nothing else.
 *
 * @param resultCode one of the SEC codes
 */
export function securityReply(resultCode: number): Uint8Array {
  const body = new Uint8Array(SECURITY_HEADER_SIZE);
  body[1] = resultCode;
  return protoFrame(PROTO_TYPE_SECURITY, body);
}
