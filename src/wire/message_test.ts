import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ByteBuffer, fromHex, toHex, utf8, utf8Decode, writeU16, writeU32 } from "../base/mod.ts";
import { AS_MSG_HEADER_SIZE, FIELD, INFO1, INFO2, OP, PARTICLE, PROTO_HEADER_SIZE } from "./constants.ts";
import { OpCursor, RecordRequest } from "./message.ts";
import { RequestWriter } from "./request_encode.ts";

/** A request with two fields and two operations, without its proto header. */
function message(): Uint8Array {
  const writer = new RequestWriter(new ByteBuffer());
  writer.begin({
    info1: INFO1.READ,
    info2: INFO2.WRITE,
    info3: 4,
    info4: 5,
    generation: 6,
    recordTtl: 7,
    transactionTtlMs: 8,
  });
  writer.textField(FIELD.NAMESPACE, "test");
  writer.field(FIELD.DIGEST, new Uint8Array(20).fill(9));
  const write = writer.beginOp(OP.WRITE, "bin");
  writer.buffer.append(fromHex("0000000000000007"));
  writer.endOp(write, PARTICLE.INTEGER);
  writer.endOp(writer.beginOp(OP.READ, "other"), PARTICLE.NULL);
  writer.finish();
  return writer.buffer.toBytes().subarray(PROTO_HEADER_SIZE);
}

const FIRST_FIELD_AT = AS_MSG_HEADER_SIZE;
const OPS_AT = AS_MSG_HEADER_SIZE + 9 + 25;

function decodes(bytes: Uint8Array): boolean {
  return new RecordRequest().decode(bytes, 0, bytes.length);
}

function changed(change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = message().slice();
  change(bytes);
  return bytes;
}

describe("RecordRequest", () => {
  it("decode() finds header, fields and operations, wherever the message lies in its buffer", () => {
    const whole = message();
    const buffer = new Uint8Array(whole.length + 20).fill(0xee);
    buffer.set(whole, 11);
    const request = new RecordRequest();
    assert(request.decode(buffer, 11, 11 + whole.length));
    assertEquals(
      [request.info1, request.info2, request.info3, request.info4, request.generation, request.recordTtl],
      [1, 1, 4, 5, 6, 7],
    );
    assertEquals([request.transactionTtlMs, request.opCount], [8, 2]);
    assertEquals(utf8Decode(request.field(FIELD.NAMESPACE)!), "test");
    assertEquals([request.has(FIELD.SET), request.field(FIELD.SET)], [false, undefined]);
    const cursor = new OpCursor();
    cursor.start(request);
    const ops: string[] = [];
    while (cursor.next()) {
      const name = utf8Decode(buffer.subarray(cursor.nameAt, cursor.nameAt + cursor.nameSize));
      const value = toHex(buffer, cursor.valueAt, cursor.valueAt + cursor.valueSize);
      ops.push(`${cursor.op}:${cursor.particleType}:${name}=${value}`);
    }
    assertEquals(ops, ["2:1:bin=0000000000000007", "1:0:other="]);
    assertEquals(cursor.next(), false);
  });

  it("decode() refuses a message that is cut anywhere, and one with bytes left over", () => {
    const whole = message();
    for (let end = 0; end < whole.length; end++) {
      assertEquals(decodes(whole.slice(0, end)), false, `cut at ${end}`);
    }
    assertEquals(decodes(whole), true);
    assertEquals(decodes(new Uint8Array([...whole, 0])), false);
    // The same when more bytes follow in the buffer: they belong to another message.
    for (let end = 0; end < whole.length; end++) {
      assertEquals(new RecordRequest().decode(whole, 0, end), false);
    }
  });

  it("decode() refuses sizes and counts that don't fit", () => {
    const cases: [string, (bytes: Uint8Array) => void][] = [
      ["field of size 0", (bytes) => writeU32(bytes, FIRST_FIELD_AT, 0)],
      ["field too long", (bytes) => writeU32(bytes, FIRST_FIELD_AT, 10_000)],
      ["field of the largest size", (bytes) => writeU32(bytes, FIRST_FIELD_AT, 0xffff_ffff)],
      ["operation too long", (bytes) => writeU32(bytes, OPS_AT, 10_000)],
      ["operation of the largest size", (bytes) => writeU32(bytes, OPS_AT, 0xffff_fffc)],
      ["operation shorter than its header", (bytes) => writeU32(bytes, OPS_AT, 3)],
      ["name longer than the operation", (bytes) => bytes[OPS_AT + 7] = 200],
      ["LUT where there is no room", (bytes) => bytes[OPS_AT + 19 + 6] = 1],
      ["more fields", (bytes) => writeU16(bytes, 18, 3)],
      ["fewer fields", (bytes) => writeU16(bytes, 18, 1)],
      ["more operations", (bytes) => writeU16(bytes, 20, 0xffff)],
      ["fewer operations", (bytes) => writeU16(bytes, 20, 1)],
    ];
    for (const [what, change] of cases) assertEquals(decodes(changed(change)), false, what);
  });

  it("decode() never fails otherwise when any byte is changed", () => {
    const whole = message();
    for (let at = 0; at < whole.length; at++) {
      for (let value = 0; value < 256; value += 5) {
        const bytes = changed((copy) => copy[at] = value);
        const request = new RecordRequest();
        if (!request.decode(bytes, 0, bytes.length)) continue;
        const cursor = new OpCursor();
        cursor.start(request);
        while (cursor.next()) {
          assert(cursor.valueAt + cursor.valueSize <= bytes.length && cursor.valueSize >= 0);
        }
      }
    }
  });

  it("decode() lets a batch behind a filter end with the message, whatever size it claims", () => {
    const writer = new RequestWriter(new ByteBuffer());
    writer.begin({ info1: INFO1.BATCH, info2: 0, info3: 0 });
    writer.field(FIELD.FILTER_EXP, new Uint8Array(8));
    writer.field(FIELD.BATCH, fromHex("0000000105"));
    writer.finish();
    const bytes = writer.buffer.toBytes().slice(PROTO_HEADER_SIZE);
    const batchAt = AS_MSG_HEADER_SIZE + 13;
    writeU32(bytes, batchAt, 6 + 13);
    const request = new RecordRequest();
    assert(request.decode(bytes, 0, bytes.length));
    assertEquals(toHex(request.field(FIELD.BATCH)!), "0000000105");
    bytes[batchAt + 4] = FIELD.FILTER_EXP;
    assert(!decodes(bytes), "only a batch may");
  });

  it("decode() ignores unknown fields and takes the first of a kind", () => {
    const writer = new RequestWriter(new ByteBuffer());
    writer.begin({ info1: 1, info2: 0, info3: 0 });
    writer.textField(FIELD.NAMESPACE, "one");
    writer.field(200, utf8("unknown"));
    writer.textField(FIELD.NAMESPACE, "two");
    writer.field(FIELD.SET, new Uint8Array(0));
    writer.finish();
    const bytes = writer.buffer.toBytes();
    const request = new RecordRequest();
    assert(request.decode(bytes, PROTO_HEADER_SIZE, bytes.length));
    assertEquals(utf8Decode(request.field(FIELD.NAMESPACE)!), "one");
    assertEquals([request.has(FIELD.SET), request.fieldSize[FIELD.SET]], [true, 0]);
    // Nothing of it stays for the next message.
    assert(request.decode(message(), 0, message().length));
    assertEquals([request.has(FIELD.SET), utf8Decode(request.field(FIELD.NAMESPACE)!)], [false, "test"]);
  });
});

describe("OpCursor", () => {
  it("next() steps over the last-update time that an operation may carry", () => {
    const writer = new RequestWriter(new ByteBuffer());
    writer.begin({ info1: 0, info2: 1, info3: 0 });
    const at = writer.beginOp(OP.WRITE, "a");
    writer.buffer.append(fromHex("0011223344556677" + "2a"));
    writer.endOp(at, PARTICLE.INTEGER);
    writer.buffer.bytes[at + 6] = 1;
    writer.finish();
    const bytes = writer.buffer.toBytes();
    const request = new RecordRequest();
    assert(request.decode(bytes, PROTO_HEADER_SIZE, bytes.length));
    const cursor = new OpCursor();
    cursor.start(request);
    assert(cursor.next());
    assertEquals(toHex(bytes, cursor.valueAt, cursor.valueAt + cursor.valueSize), "2a");
  });
});
