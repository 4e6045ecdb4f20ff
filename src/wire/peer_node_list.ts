/**
 * Lists of node ids inside buffers: 8 little-endian bytes each, nothing around them.
 * Source: clustering reference, sections 5.4, 5.5 and 8.4.
 *
 * @module
 */

import { type ByteBuffer, PEER_NODE_COUNT_MAX } from "../base/mod.ts";
import { PEER_FIELD, type PeerReader, type PeerWriter } from "./peer_envelope.ts";
import { type NodeId, readU64TextLE, writeU64TextLE } from "./peer_ids.ts";

/** Bytes of a node id. */
export const NODE_ID_SIZE = 8;

/**
 * Node ids in their order on the wire.
 *
 * @returns undefined when `sizeBytes` is not a multiple of 8 or holds more ids than the largest cluster has nodes
 */
export function readNodeIds(bytes: Uint8Array, at: number, sizeBytes: number): NodeId[] | undefined {
  if (sizeBytes % NODE_ID_SIZE !== 0 || sizeBytes > PEER_NODE_COUNT_MAX * NODE_ID_SIZE) return undefined;
  const nodes: NodeId[] = [];
  for (let offset = 0; offset < sizeBytes; offset += NODE_ID_SIZE) {
    nodes.push(readU64TextLE(bytes, at + offset));
  }
  return nodes;
}

/** Appends node ids. */
export function appendNodeIds(out: ByteBuffer, nodes: readonly NodeId[]): void {
  let at = out.reserve(nodes.length * NODE_ID_SIZE);
  for (const node of nodes) {
    writeU64TextLE(out.bytes, at, node);
    at += NODE_ID_SIZE;
  }
  out.length = at;
}

/** Reads a buffer field of node ids; undefined when the field is absent. */
export function readNodeIdField(reader: PeerReader, id: number): NodeId[] | undefined {
  if (!reader.find(id, PEER_FIELD.BUFFER)) return undefined;
  const nodes = readNodeIds(reader.bytes, reader.valueAt, reader.valueSize);
  if (nodes === undefined) {
    reader.fail(`field ${id} has ${reader.valueSize} bytes, expected 8 per node and at most 256 nodes`);
  }
  return nodes;
}

/** Writes node ids as a buffer field. */
export function writeNodeIdField(writer: PeerWriter, id: number, nodes: readonly NodeId[] | undefined): void {
  if (nodes === undefined) return;
  writer.beginValue(id, PEER_FIELD.BUFFER);
  appendNodeIds(writer.out, nodes);
  writer.endValue();
}
