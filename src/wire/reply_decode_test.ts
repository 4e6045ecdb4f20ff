import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fromHex, toHex, WireError } from "../base/mod.ts";
import {
  decodeMessage,
  decodeOp,
  encodeCompressedRequest,
  encodeInfoRequest,
  type Frame,
  FrameReader,
  inflateFrame,
  parseInfoReply,
  ReplyMessage,
  type ReplyOp,
  RequestWriter,
} from "./mod.ts";
import { ByteBuffer } from "../base/mod.ts";

/** The reply of the wire-protocol reference, section 13.2, and both frames of 13.9. */
const GET =
  "0203000000000032160000000000000000011dcd731000000000000000020000000d010100016100000000000000010000000701030001736869";
const SCAN =
  "020300000000005a160000000000000000010000000000000000000400010000000500746573740000001504a933ee0e8f82c106697150d15e504f08b2b2e01d000000050164656d6f0000000402036b320000000d01020001624004000000000000" +
  "020300000000001616000001000000000000000000000000000000000000";

function frameOf(hex: string): Frame {
  const bytes = fromHex(hex);
  return { type: bytes[1], bytes, start: 8, end: bytes.length };
}

/** Everything in a message, as text. */
function show(frame: Frame): string[] {
  const message = new ReplyMessage();
  const op: ReplyOp = { op: 0, particleType: 0, name: "", valueAt: 0, end: 0 };
  const lines: string[] = [];
  for (let at = frame.start; at < frame.end;) {
    at = decodeMessage(frame, at, message);
    lines.push(
      `code ${message.resultCode} gen ${message.generation} void ${message.voidTime} info3 ${message.info3}`,
    );
    message.forEachField((type, start, end) =>
      lines.push(`field ${type} ${toHex(message.bytes, start, end)}`)
    );
    let opAt = message.opsAt;
    for (let count = message.opCount; count > 0; count--) {
      opAt = decodeOp(message.bytes, opAt, op);
      lines.push(
        `op ${op.op} type ${op.particleType} "${op.name}" ${toHex(message.bytes, op.valueAt, op.end)}`,
      );
    }
  }
  return lines;
}

Deno.test("FrameReader.push() delivers the same frames however the stream is cut", () => {
  const stream = fromHex(GET + SCAN + GET);
  const whole: string[] = [];
  new FrameReader().push(stream, (frame) => whole.push(toHex(frame.bytes, frame.start, frame.end)));
  assertEquals(whole.length, 4);
  for (let cut = 0; cut <= stream.length; cut++) {
    const frames: string[] = [];
    const reader = new FrameReader();
    for (const piece of [stream.slice(0, cut), stream.slice(cut, cut + 3), stream.slice(cut + 3)]) {
      reader.push(piece, (frame) => frames.push(toHex(frame.bytes, frame.start, frame.end)));
      piece.fill(0xee);
    }
    assertEquals(frames, whole);
    assertEquals(reader.pendingBytes, 0);
  }
});

Deno.test("FrameReader.push() throws WireError for headers that are not a server's", () => {
  for (
    const header of [
      "0103000000000016",
      "0200000000000016",
      "0205000000000016",
      "0203000008000001",
      "4854545000000000",
    ]
  ) {
    assertThrows(() => new FrameReader().push(fromHex(header), () => {}), WireError);
  }
  new FrameReader().push(fromHex("0203000008000000"), () => {});
});

Deno.test("decodeMessage() reads fields and operations", () => {
  assertEquals(show(frameOf(GET)), [
    "code 0 gen 1 void 500003600 info3 0",
    'op 1 type 1 "a" 0000000000000001',
    'op 1 type 3 "s" 6869',
  ]);
  assertEquals(show(frameOf(SCAN.slice(0, 196))), [
    "code 0 gen 1 void 0 info3 0",
    "field 0 74657374",
    "field 4 a933ee0e8f82c106697150d15e504f08b2b2e01d",
    "field 1 64656d6f",
    "field 2 036b32",
    'op 1 type 2 "b" 4004000000000000',
  ]);
});

Deno.test("decodeMessage() throws WireError when the frame ends at any earlier byte", () => {
  for (const hex of [GET, SCAN.slice(0, 196)]) {
    const frame = frameOf(hex);
    for (let end = 9; end < frame.end; end++) {
      assertThrows(() => show({ ...frame, end }), WireError);
    }
  }
});

Deno.test("decodeMessage() returns or throws WireError for mutated replies", () => {
  const golden = [GET, SCAN.slice(0, 196)].map(fromHex);
  fc.assert(
    fc.property(
      fc.constantFrom(...golden),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (original, mutations) => {
        const bytes = original.slice();
        for (const [at, value] of mutations) bytes[8 + at % (bytes.length - 8)] = value;
        try {
          show({ type: 3, bytes, start: 8, end: bytes.length });
        } catch (error) {
          assert(error instanceof WireError, String(error));
        }
      },
    ),
    { numRuns: 5000 },
  );
});

Deno.test("parseInfoReply() splits at line feeds and the first tab", () => {
  assertEquals(parseInfoReply("node\tBB9\nbuild\t8.1\tx\nempty\t\nERROR:80:not authenticated\n"), [
    { command: "node", value: "BB9" },
    { command: "build", value: "8.1\tx" },
    { command: "empty", value: "" },
    { command: "", value: "ERROR:80:not authenticated" },
  ]);
});

Deno.test("encodeInfoRequest() gives the captured bytes and refuses line feeds", () => {
  assertEquals(toHex(encodeInfoRequest(["node"])), "02010000000000056e6f64650a");
  assertEquals(toHex(encodeInfoRequest(["replicas"])), "02010000000000097265706c696361730a");
  assertEquals(toHex(encodeInfoRequest([])), "0201000000000000");
  assertThrows(() => encodeInfoRequest(["a\nb"]), TypeError);
});

Deno.test("inflateFrame() gives the message inside, or throws WireError", () => {
  const inner = fromHex(GET);
  const frame = (sizeBytes: number) =>
    frameOf(toHex(encodeCompressedRequest(sizeBytes, new Uint8Array([1, 2, 3]))));
  assertEquals(
    toHex(encodeCompressedRequest(58, new Uint8Array([1])), 0, 16),
    "0204000000000009000000000000003a",
  );
  const opened = inflateFrame(frame(inner.length), () => inner);
  assertEquals(show(opened), show(frameOf(GET)));
  assertThrows(() => inflateFrame(frame(inner.length), () => undefined), WireError);
  assertThrows(() => inflateFrame(frame(inner.length + 1), () => inner), WireError);
  assertThrows(() => inflateFrame(frame(4), () => inner), WireError);
  assertThrows(() => inflateFrame(frame(2 ** 40), () => inner), WireError);
  const wrong = inner.slice();
  wrong[1] = 1;
  assertThrows(() => inflateFrame(frame(inner.length), () => wrong), WireError);
});

Deno.test("RequestWriter.beginOp() refuses bin names the protocol can't carry", () => {
  const writer = new RequestWriter(new ByteBuffer(16));
  writer.begin({ info1: 0, info2: 1, info3: 0 });
  for (const name of ["sixteen-bytes-xx", "\u00e9".repeat(8), "a\0b"]) {
    assertThrows(() => writer.beginOp(2, name), RangeError);
  }
  writer.endOp(writer.beginOp(2, "\u00e9".repeat(7) + "x"), 0);
  writer.finish();
  assertEquals(toHex(writer.buffer.view()).slice(60), "00000013" + "0200000f" + "c3a9".repeat(7) + "78");
});
