/**
 * Proxied client requests (envelope type 4, channel RW).
 *
 * | id | field | type |
 * | -- | ----- | ---- |
 * | 0 | operation: 1 request, 2 response, 3 return to sender | uint32 |
 * | 1 | transaction id | uint32 |
 * | 2 | digest | buffer, 20 bytes |
 * | 3 | node to ask instead | uint64 |
 * | 4 | client message with its proto header | buffer |
 * | 8 | user name | buffer |
 *
 * The client message of a request is in the sender's own byte order, little-endian: size of the proto header, numbers of
 * the message header, and the sizes of fields and operations are turned round, while names, keys and values are as the
 * client sent them. The message of a response is the client's form, big-endian. {@link turnClientMessage} goes either
 * way. Source: clustering reference, section 14.2; the recording for the byte order.
 *
 * @module
 */

import {
  type ByteBuffer,
  DIGEST_SIZE_BYTES,
  readU16,
  readU16LE,
  readU32,
  readU32LE,
  readU48,
} from "../base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  FIELD_HEADER_SIZE,
  OP_HEADER_SIZE,
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG,
} from "./constants.ts";
import {
  PEER_FIELD,
  PEER_MESSAGE,
  type PeerExtra,
  type PeerFault,
  type PeerReader,
  PeerWriter,
} from "./peer_envelope.ts";
import { type NodeId, readU48LE } from "./peer_ids.ts";

const FIELD = { OPERATION: 0, TRANSACTION: 1, DIGEST: 2, REDIRECT: 3, MESSAGE: 4, USER: 8 } as const;

/** Names of the operations, by number. */
const KINDS = ["", "request", "response", "return"] as const;

/** A proxied request, its answer, or its return. All byte arrays are views into the received bytes after decoding. */
export interface ProxyMessage extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "proxy";
  /** What the message is. */
  readonly kind: "request" | "response" | "return";
  /** Number by which the sender of the request finds it again. */
  readonly transactionId: number;
  /** Digest of the record. */
  readonly digest?: Uint8Array;
  /** Node to ask instead, of a return. */
  readonly redirect?: NodeId;
  /** Client message: little-endian in a request, big-endian in a response. */
  readonly message?: Uint8Array;
  /** User of the request. */
  readonly user?: Uint8Array;
}

/** Decodes a proxy message from a reader that is opened on a message of type 4. */
export function decodeProxy(reader: PeerReader): ProxyMessage | PeerFault {
  const operation = reader.u32(FIELD.OPERATION);
  const kind = KINDS[operation];
  if (kind === undefined || kind === "") return { fault: `proxy: operation ${operation}, expected 1 to 3` };
  const transactionId = reader.u32(FIELD.TRANSACTION);
  const digest = reader.optionalView(FIELD.DIGEST);
  const redirect = reader.find(FIELD.REDIRECT, PEER_FIELD.UINT64) ? reader.nodeId(FIELD.REDIRECT) : undefined;
  const message = reader.optionalView(FIELD.MESSAGE);
  const user = reader.optionalView(FIELD.USER);
  if (digest !== undefined && digest.length !== DIGEST_SIZE_BYTES) {
    reader.fail(`digest has ${digest.length} bytes, expected ${DIGEST_SIZE_BYTES}`);
  }
  return reader.finish(`proxy ${kind}`, {
    type: "proxy" as const,
    kind,
    transactionId,
    ...(digest === undefined ? {} : { digest }),
    ...(redirect === undefined ? {} : { redirect }),
    ...(message === undefined ? {} : { message }),
    ...(user === undefined ? {} : { user }),
  });
}

/** Appends a proxy message. */
export function encodeProxy(message: ProxyMessage, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.PROXY);
  writer.u32(FIELD.OPERATION, KINDS.indexOf(message.kind));
  writer.u32(FIELD.TRANSACTION, message.transactionId);
  writer.u64Text(FIELD.REDIRECT, message.redirect);
  writer.buffer(FIELD.DIGEST, message.digest);
  writer.buffer(FIELD.MESSAGE, message.message);
  writer.buffer(FIELD.USER, message.user);
  writer.end(message.unknown);
}

/** Byte order of a client message. */
export type ClientMessageOrder = "big" | "little";

/**
 * Turns a client message round, in place.
 *
 * @param message proto header and record message; the caller owns it
 * @param from byte order that it is in
 * @returns false when it is malformed; then it may be half turned and must be thrown away
 */
export function turnClientMessage(message: Uint8Array, from: ClientMessageOrder): boolean {
  if (message.length < PROTO_HEADER_SIZE + AS_MSG_HEADER_SIZE || message[1] !== PROTO_TYPE_AS_MSG) {
    return false;
  }
  const sizeBytes = from === "big" ? readU48(message, 2) : readU48LE(message, 2);
  if (sizeBytes !== message.length - PROTO_HEADER_SIZE) return false;
  const u16 = from === "big" ? readU16 : readU16LE;
  const fieldCount = u16(message, PROTO_HEADER_SIZE + 18);
  const opCount = u16(message, PROTO_HEADER_SIZE + 20);
  reverse(message, 2, 6);
  for (const at of [6, 10, 14]) reverse(message, PROTO_HEADER_SIZE + at, 4);
  for (const at of [18, 20]) reverse(message, PROTO_HEADER_SIZE + at, 2);
  const itemsAt = PROTO_HEADER_SIZE + AS_MSG_HEADER_SIZE;
  const opsAt = turnSizes(message, itemsAt, { count: fieldCount, headerSize: FIELD_HEADER_SIZE, from });
  if (opsAt < 0) return false;
  return turnSizes(message, opsAt, { count: opCount, headerSize: OP_HEADER_SIZE, from }) === message.length;
}

/** Turns the sizes of `count` fields or operations; returns the offset after them, or -1 when they overrun. */
function turnSizes(
  message: Uint8Array,
  at: number,
  items: { count: number; headerSize: number; from: ClientMessageOrder },
): number {
  for (let index = 0; index < items.count; index++) {
    if (message.length - at < items.headerSize) return -1;
    const size = items.from === "big" ? readU32(message, at) : readU32LE(message, at);
    if (size < items.headerSize - 4 || size > message.length - at - 4) return -1;
    reverse(message, at, 4);
    at += 4 + size;
  }
  return at;
}

function reverse(bytes: Uint8Array, at: number, count: number): void {
  for (let left = at, right = at + count - 1; left < right; left++, right--) {
    const kept = bytes[left];
    bytes[left] = bytes[right];
    bytes[right] = kept;
  }
}
