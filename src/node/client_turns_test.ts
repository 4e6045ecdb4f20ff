import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLIENT_RUN_MAX_MS, CLIENT_TURN_MAX_MS } from "../base/mod.ts";
import { encodeInfoRequest, PROTO_HEADER_SIZE, protoBodySize } from "../wire/mod.ts";
import { type TestConnection, TestNode } from "./testing.ts";

/** What one request costs, about, in virtual ms. */
const READ_COST_MS = 0.05;

/** Requests whose answers show their number. */
function requests(count: number): Uint8Array {
  const frames = Array.from({ length: count }, (_, at) => encodeInfoRequest([`status`, `no-such-${at}`]));
  const bytes = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const frame of frames) {
    bytes.set(frame, end);
    end += frame.length;
  }
  return bytes;
}

/** Numbers of the requests that were answered, in order. */
function answered(connection: TestConnection): number[] {
  const { received } = connection;
  const bytes = received.toBytes();
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + PROTO_HEADER_SIZE + protoBodySize(bytes, at);
    const text = new TextDecoder().decode(bytes.subarray(at + PROTO_HEADER_SIZE, end));
    numbers.push(Number(/no-such-(\d+)/.exec(text)![1]));
    at = end;
  }
  return numbers;
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

describe("ClientTurns", () => {
  it("lets a connection run requests for its share, and answers all in order in later turns", async () => {
    const { clock, ...test } = await start();
    const connection = test.connect();
    const startMs = clock.monotonicMs();
    connection.handler.onData(requests(500));
    assertLess(clock.monotonicMs() - startMs, 2 * CLIENT_RUN_MAX_MS);
    assert(answered(connection).length > 0, "it begins at once");
    clock.advance(1000);
    assertEquals(answered(connection), upTo(500));
  });

  it("keeps what arrives meanwhile behind what waits", async () => {
    const { clock, ...test } = await start();
    const connection = test.connect();
    const bytes = requests(300);
    const cut = Math.floor(bytes.length / 2) + 3;
    connection.handler.onData(bytes.subarray(0, cut));
    connection.handler.onData(bytes.subarray(cut));
    clock.advance(1000);
    assertEquals(answered(connection), upTo(300));
  });

  it("leaves time for timers in each turn, however many connections send however much", async () => {
    const { clock, ...test } = await start();
    const connections = upTo(64).map(() => test.connect());
    const bytes = requests(100);
    const startMs = clock.monotonicMs();
    for (const { handler } of connections) handler.onData(bytes);
    assertLess(clock.monotonicMs() - startMs, CLIENT_TURN_MAX_MS + 64 * 4 * READ_COST_MS);
    let lastMs = clock.monotonicMs();
    let longestMs = 0;
    let tickCount = 0;
    const tick = () => {
      const nowMs = clock.monotonicMs();
      longestMs = Math.max(longestMs, nowMs - lastMs);
      lastMs = nowMs;
      tickCount++;
      clock.after(5, tick);
    };
    clock.after(5, tick);
    clock.advance(2000);
    assertEquals(connections.map((connection) => answered(connection).length), connections.map(() => 100));
    assert(tickCount > 20);
    assertLess(longestMs, 5 + 3 * CLIENT_TURN_MAX_MS);
  });

  it("answers a single request at once when no turn is used up", async () => {
    const { clock, connect } = await start();
    const connection = connect();
    for (let count = 1; count <= 100; count++) {
      connection.handler.onData(requests(1));
      assertEquals(connection.received.length > 0, true, `request ${count}`);
      connection.received.reset();
      clock.advance(5);
    }
  });
});

/** A node whose clock costs time, and what its tests need. */
async function start() {
  const test = await TestNode.start();
  test.clock.readCostMs = READ_COST_MS;
  return { clock: test.clock, connect: () => test.connect() };
}
