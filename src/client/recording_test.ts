import { assert, assertEquals, assertGreater } from "@std/assert";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { ByteBuffer, fromHex, readU32, toHex } from "../base/mod.ts";
import {
  decodeMessage,
  decodeOp,
  type Frame,
  FrameReader,
  OP,
  ReplyMessage,
  type ReplyOp,
} from "../wire/mod.ts";
import { appendParticle, decodeParticle } from "./particle.ts";
import type { Value } from "./value.ts";

interface Exchange {
  q: string;
  r: string[];
}

/** What an official client and a stock server said to each other. */
function recording(): Exchange[] {
  const file = new URL("../../testdata/captures/stock-client-suite.jsonl.gz", import.meta.url);
  const text = gunzipSync(readFileSync(file)).toString();
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

function forEachOp(frame: Frame, visit: (message: ReplyMessage, op: ReplyOp) => void): void {
  const message = new ReplyMessage();
  const op: ReplyOp = { op: 0, particleType: 0, name: "", valueAt: 0, end: 0 };
  for (let at = frame.start; at < frame.end;) {
    at = decodeMessage(frame, at, message);
    let opAt = message.opsAt;
    for (let count = message.opCount; count > 0; count--) {
      opAt = decodeOp(message.bytes, opAt, op);
      visit(message, op);
    }
  }
}

Deno.test("every reply of the recording decodes, whole and in small pieces", () => {
  let frameCount = 0;
  let valueCount = 0;
  for (const { r } of recording()) {
    const stream = fromHex(r.join(""));
    const whole: string[] = [];
    const pieces: string[] = [];
    new FrameReader().push(stream, (frame) => {
      frameCount++;
      whole.push(toHex(frame.bytes, frame.start, frame.end));
      if (frame.type !== 3) return;
      forEachOp(frame, (message, op) => {
        decodeParticle(op.particleType, message.bytes, { at: op.valueAt, end: op.end });
        valueCount++;
      });
    });
    const reader = new FrameReader();
    for (let at = 0; at < stream.length && stream.length < 10_000; at += 5) {
      reader.push(
        stream.slice(at, at + 5),
        (frame) => pieces.push(toHex(frame.bytes, frame.start, frame.end)),
      );
    }
    if (stream.length < 10_000) assertEquals(pieces, whole);
  }
  assertGreater(frameCount, 4500);
  assertGreater(valueCount, 1000);
});

Deno.test("values that the official client wrote encode to the same bytes", () => {
  let count = 0;
  for (const { q } of recording()) {
    const bytes = fromHex(q);
    if (bytes[1] !== 3) continue;
    const frame: Frame = { type: 3, bytes, start: 8, end: bytes.length };
    let ops: [Value, number, string][];
    try {
      ops = [];
      forEachOp(frame, (message, op) => {
        if (op.op !== OP.WRITE) return;
        const value = decodeParticle(op.particleType, message.bytes, { at: op.valueAt, end: op.end });
        ops.push([value, op.particleType, toHex(message.bytes, op.valueAt, op.end)]);
      });
    } catch {
      // Some tests of the recorded suite send broken requests on purpose.
      continue;
    }
    for (const [value, type, hex] of ops) {
      // Containers with an ordering marker, and whole floats, lose what this client has no word for.
      if (hex.includes("c700") || (type === 2 && Number.isInteger(value))) continue;
      const out = new ByteBuffer(16);
      assertEquals(appendParticle(out, value), type);
      if (!hex.includes("cb")) assertEquals(toHex(out.view()), hex);
      count++;
    }
  }
  assert(count > 300, `${count} values`);
});

Deno.test("decodeMessage() leaves no byte of the recorded replies unread", () => {
  const message = new ReplyMessage();
  for (const { r } of recording()) {
    for (const hex of r) {
      const bytes = fromHex(hex);
      if (bytes[1] !== 3) continue;
      const frame: Frame = { type: 3, bytes, start: 8, end: bytes.length };
      let at = 8;
      while (at < bytes.length) at = decodeMessage(frame, at, message);
      assertEquals(at, bytes.length);
      assertEquals(readU32(bytes, 4) + 8, bytes.length);
    }
  }
});
