/**
 * The distinct message shapes of a recording: protocol type, information bits, field types and operation types; for
 * info requests the names of the commands; for batches also the shapes of the rows.
 *
 * @module
 */

import { utf8Decode } from "../../src/base/mod.ts";
import { FIELD, PROTO_TYPE_AS_MSG, PROTO_TYPE_INFO } from "../../src/wire/mod.ts";
import { isBatch } from "../replay/request_kinds.ts";
import {
  decodeBatchRows,
  decodeMessages,
  fieldOf,
  frameBody,
  frameType,
  type Message,
} from "../replay/message.ts";
import type { Exchange } from "../replay/recording.ts";

/** Requests of one shape. */
export interface Shape {
  /** What its requests have in common. */
  name: string;
  /** A few requests of the shape. */
  frames: Uint8Array[];
}

/** How many requests of one shape are kept. */
const FRAMES_PER_SHAPE_MAX = 4;

/** The shape of one request frame. */
export function shapeOf(frame: Uint8Array): string {
  if (frameType(frame) === PROTO_TYPE_INFO) return `info ${infoNames(frame)}`;
  if (frameType(frame) !== PROTO_TYPE_AS_MSG) return `type ${frameType(frame)}`;
  const message = decodeMessages(frameBody(frame))[0];
  const rows = isBatch(message) ? fieldOf(message, FIELD.BATCH) : undefined;
  const rowShapes = new Set((rows ? decodeBatchRows(rows) : []).map((row) => messageShape(row.message)));
  return [messageShape(message), ...rowShapes].join(" + ");
}

/** The shapes of a recording, in the order of their first appearance. */
export function shapesOf(exchanges: readonly Exchange[]): Shape[] {
  const shapes = new Map<string, Shape>();
  for (const { request } of exchanges) {
    const name = shapeOf(request);
    const shape = shapes.get(name) ?? { name, frames: [] };
    if (shape.frames.length < FRAMES_PER_SHAPE_MAX) shape.frames.push(request);
    shapes.set(name, shape);
  }
  return [...shapes.values()];
}

function infoNames(frame: Uint8Array): string {
  const lines = utf8Decode(frameBody(frame)).split("\n").filter((line) => line !== "");
  return lines.map((line) => line.split(/[:/]/)[0]).join(" ");
}

function messageShape(message: Message): string {
  const bits = [message.info1, message.info2, message.info3, message.info4]
    .map((byte) => byte.toString(16).padStart(2, "0")).join(".");
  const ops = [...new Set(message.ops.map((op) => `${op.op}/${op.particle}`))].sort();
  return `${bits} fields ${message.fields.map((field) => field.type).join(" ")} ops ${ops.join(" ")}`;
}
