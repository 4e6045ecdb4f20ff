import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  fromHex,
  readU64,
  SESSION_INPUT_HIGH_WATER_BYTES,
  SESSION_OUTPUT_HIGH_WATER_BYTES,
} from "../base/mod.ts";
import { createCompute } from "../platform/mod.ts";
import { PROTO_HEADER_SIZE, protoBodySize, protoFrame } from "../wire/mod.ts";
import { type TestConnection, TestNode } from "./testing.ts";

/** The put and the get of the protocol reference: demo/k1 {a: 1, s: "hi"}, never expiring. */
const PUT = fromHex(
  "020300000000005d16000100000000000000ffffffff000003e800030002000000050074657374000000050164656d6f0000001504" +
    "b747f5854d0b33259928d0cfab7fad81d6abfbf60000000d020100016100000000000000010000000702030001736869",
);
const GET = fromHex(
  "02030000000000411603000000000000000000000000000003e800030000000000050074657374000000050164656d6f0000001504" +
    "b747f5854d0b33259928d0cfab7fad81d6abfbf6",
);
const PUT_REPLY = fromHex("0203000000000016160000000000000000010000000000000000" + "00000000");
const GET_REPLY = fromHex(
  "020300000000003216000000000000000001000000000000000000000002" +
    "0000000d010100016100000000000000010000000701030001736869",
);
const INFO = fromHex("02010000000000056e6f64650a");

function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A get whose reply may be compressed, in a compressed frame. */
function compressed(frame: Uint8Array, announcedSize = frame.length): Uint8Array {
  const stream = createCompute().deflate(frame);
  const body = new Uint8Array(8 + stream.length);
  new DataView(body.buffer).setBigUint64(0, BigInt(announcedSize));
  body.set(stream, 8);
  return protoFrame(4, body);
}

describe("Session", () => {
  it("answers frames wherever they are cut", async () => {
    const test = await TestNode.start();
    const bytes = concat(PUT, GET, INFO);
    for (let cut = 1; cut < bytes.length; cut++) {
      const connection = test.connect();
      const first = connection.exchange(bytes.subarray(0, cut));
      const whole = concat(first, connection.exchange(bytes.subarray(cut)));
      // The generation grows with every put: everything else must be as in one piece.
      whole[PROTO_HEADER_SIZE + 9] = whole[PUT_REPLY.length + PROTO_HEADER_SIZE + 9] = 1;
      whole[PROTO_HEADER_SIZE + 8] = whole[PUT_REPLY.length + PROTO_HEADER_SIZE + 8] = 0;
      assertEquals(whole.subarray(0, PUT_REPLY.length), PUT_REPLY, `cut at ${cut}`);
      assertEquals(whole.subarray(PUT_REPLY.length, PUT_REPLY.length + GET_REPLY.length), GET_REPLY);
      connection.close();
    }
  });

  it("answers pipelined requests in their order, in one write", async () => {
    const test = await TestNode.start();
    const reply = test.connect().exchange(concat(GET, PUT, GET));
    const codes: number[] = [];
    for (let at = 0; at < reply.length; at += PROTO_HEADER_SIZE + protoBodySize(reply, at)) {
      codes.push(reply[at + PROTO_HEADER_SIZE + 5]);
    }
    assertEquals(codes, [2, 0, 0]);
  });

  it("stops running and then reading when the client does not take its replies", async () => {
    const test = await TestNode.start();
    test.put("demo", 1, { sizeBytes: 500_000 });
    const connection = test.connect();
    let paused = false;
    connection.pause = () => paused = true;
    connection.resume = () => paused = false;
    connection.write = () => {};
    const before = test.node.namespaces[0].stats.count(0, 0, 0);
    const request = readOf(test);
    const flood = concat(...Array.from({ length: 2000 }, () => request));
    for (let sent = 0; sent < 10 && !paused; sent++) connection.handler.onData(flood);
    assert(paused, "the socket is not read any more");
    const answered = test.node.namespaces[0].stats.count(0, 0, 0) - before;
    assertLess(answered * 500_000, SESSION_OUTPUT_HIGH_WATER_BYTES + 2 * 500_000 + 1);
    assertLess(SESSION_INPUT_HIGH_WATER_BYTES, flood.length * 10);
  });

  it("goes on when the client reads again", async () => {
    const test = await TestNode.start();
    test.put("demo", 1, { sizeBytes: 500_000 });
    const connection = test.connect();
    const taken: number[] = [];
    const writes: Uint8Array[] = [];
    connection.write = (bytes) => void writes.push(bytes);
    const request = readOf(test);
    connection.handler.onData(concat(...Array.from({ length: 20 }, () => request)));
    for (let turn = 0; turn < 100 && writes.length > 0; turn++) {
      taken.push(writes.shift()!.length);
      connection.handler.onWritten();
    }
    const size = test.read("demo", 0).length;
    assertEquals(taken.reduce((sum, bytes) => sum + bytes, 0), size * 20);
  });

  it("takes compressed requests and compresses replies that are asked for", async () => {
    const test = await TestNode.start();
    assertEquals(test.connect().exchange(compressed(PUT)), PUT_REPLY);
    test.put("demo", 1, { sizeBytes: 5000 });
    const reply = test.read("demo", 0, { compress: true });
    assertEquals(reply[1], 4);
    const plain = createCompute().inflate(reply.subarray(16), readU64(reply, 8));
    assertEquals(plain, test.read("demo", 0));
  });

  it("refuses compressed requests that lie about their size, and lives on", async () => {
    const test = await TestNode.start();
    const connection = test.connect();
    const bomb = compressed(new Uint8Array(20_000_000), 20_000_000);
    for (
      const bad of [
        compressed(PUT, PUT.length - 1),
        compressed(PUT, PUT.length + 1),
        bomb,
        protoFrame(4, PUT),
      ]
    ) {
      assertEquals(connection.exchange(bad)[PROTO_HEADER_SIZE + 5], 4);
    }
    assertEquals(connection.exchange(PUT), PUT_REPLY);
  });

  it("drops connections whose header can't be followed", async () => {
    const test = await TestNode.start();
    const bad = [
      "0303000000000000",
      "0200000000000000",
      "0209000000000000",
      "02030000ffffffff",
      "1603010200010001",
    ];
    for (const header of bad) {
      const connection = test.connect();
      assertEquals(connection.exchange(fromHex(header)).length, 0, header);
      assert(connection.closed, header);
    }
    assertEquals(test.node.stats.demarshalError, bad.length);
  });

  it("answers 4 to a malformed message and keeps the connection", async () => {
    const test = await TestNode.start();
    const connection = test.connect();
    const overrun = GET.slice();
    overrun[30 + 3] = 0xff;
    assertEquals(connection.exchange(overrun)[PROTO_HEADER_SIZE + 5], 4);
    assertEquals(connection.exchange(protoFrame(3, new Uint8Array(5)))[PROTO_HEADER_SIZE + 5], 4);
    assertEquals(connection.exchange(PUT), PUT_REPLY);
  });

  it("answers security messages with 51", async () => {
    const test = await TestNode.start();
    const reply = test.connect().exchange(fromHex("0202000000000010" + "00000900" + "00".repeat(12)));
    assertEquals(reply, fromHex("020200000000001000330000" + "00".repeat(12)));
  });

  it("closes a connection of the admin port that sends record messages", async () => {
    const test = await TestNode.start({ network: { admin: { port: 3008, addresses: ["127.0.0.1"] } } });
    const connection: TestConnection = test.connect("admin");
    assertEquals(connection.ask("connection"), "admin=true");
    assertEquals(connection.exchange(GET).length, 0);
    assert(connection.closed);
  });

  it("is closed when it has been idle for proto-fd-idle-ms", async () => {
    const test = await TestNode.start({ service: { protoFdIdleMs: 5000 } });
    const idle = test.connect();
    const busy = test.connect();
    for (let second = 0; second < 8; second++) {
      test.clock.advance(1000);
      busy.exchange(GET);
    }
    assertEquals([idle.closed, busy.closed, test.node.stats.reapedFds], [true, false, 1]);
  });

  it("is not idle while a request of it waits", async () => {
    const test = await TestNode.start({ service: { protoFdIdleMs: 5000 } }, { readMs: 8000 });
    const connection = test.connect();
    connection.exchange(PUT);
    const patientGet = GET.slice();
    patientGet.set([0, 0, 0x4e, 0x20], PROTO_HEADER_SIZE + 14);
    assertEquals(connection.exchange(patientGet).length, 0);
    test.clock.advance(9500);
    assertEquals([connection.received.length, connection.closed], [GET_REPLY.length, false]);
    test.clock.advance(5000);
    assert(connection.closed);
  });

  it("holds no record after a write whose time was over before it could go on", async () => {
    const test = await TestNode.start({}, { readMs: 600 });
    const { inFlight } = test.node.namespaces[0];
    const connections = [test.connect(), test.connect(), test.connect()];
    const codes = () => connections.map(({ received }) => received.bytes[PROTO_HEADER_SIZE + 5]);
    connections[0].exchange(PUT);
    // The second write waits for the first, then for its bytes: together longer than its second.
    for (const connection of connections.slice(0, 2)) connection.exchange(PUT);
    test.clock.advance(1300);
    assertEquals([codes().slice(0, 2), inFlight.heldCount], [[0, 9], 0]);
    connections[2].exchange(PUT);
    test.clock.advance(700);
    assertEquals([codes(), inFlight.heldCount], [[0, 9, 0], 0]);
  });

  it("counts a batch whose client goes away as ended", async () => {
    const test = await TestNode.start({}, { readMs: 600 });
    const connection = test.connect();
    connection.exchange(PUT);
    const row = "00000000" + "b747f5854d0b33259928d0cfab7fad81d6abfbf6" + "000300010000" +
      "000000050074657374";
    const batch = fromHex(
      `0203000000000047${"1608"}${"00".repeat(16)}00010000${"0000002d29"}000000010d${row}`,
    );
    assertEquals(connection.exchange(batch).length, 0);
    const other = test.connect();
    const queue = () => /batch_index_queue=([^;]*)/.exec(other.ask("statistics"))![1];
    assertEquals(queue(), "0:1");
    connection.close();
    test.clock.advance(1000);
    assertEquals(queue(), "0:0");
  });

  it("is refused beyond proto-fd-max", async () => {
    const test = await TestNode.start({ service: { protoFdMax: 2 } });
    const connections = [test.connect(), test.connect(), test.connect()];
    test.clock.advance(1);
    assertEquals(connections.map((connection) => connection.closed), [false, false, true]);
  });
});

/** The request that `TestNode.read` sends for the first record of the set `demo`. */
function readOf(test: TestNode): Uint8Array {
  let request = new Uint8Array(0);
  const connect = test.connect.bind(test);
  test.connect = (kind) => {
    const connection = connect(kind);
    const exchange = connection.exchange.bind(connection);
    connection.exchange = (bytes) => {
      request = bytes.slice();
      return exchange(bytes);
    };
    return connection;
  };
  test.read("demo", 0);
  test.connect = connect;
  return request;
}
