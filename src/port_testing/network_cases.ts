/**
 * What every network must do.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ByteBuffer } from "../base/mod.ts";
import type { CloseReason, Connection, ConnectionHandler, Listener, Ports } from "../port/mod.ts";
import { type CaseEnvironment, type PortCase, rejection, until } from "./case.ts";

/** Keeps what a connection was told. */
class Recorder implements ConnectionHandler {
  readonly connection: Connection;
  readonly received = new ByteBuffer();
  dataCalls = 0;
  written = 0;
  closes: CloseReason[] = [];
  lateCalls = 0;
  insideCall = false;
  nestedCalls = 0;
  discard = false;
  onBytes: (bytes: Uint8Array) => void = () => {};
  afterWrite: () => void = () => {};

  constructor(connection: Connection) {
    this.connection = connection;
    connection.handler = this;
  }

  /** Bytes received so far. */
  get count(): number {
    return this.received.length;
  }

  /** What was received, for comparison with a list. */
  get bytes(): number[] {
    return [...this.received.view()];
  }

  onData(bytes: Uint8Array): void {
    this.#note();
    this.dataCalls++;
    if (!this.discard) this.received.append(bytes);
    this.onBytes(bytes);
  }

  onWritten(): void {
    this.#note();
    this.written++;
    this.afterWrite();
  }

  onClose(reason: CloseReason): void {
    this.#note();
    this.closes.push(reason);
  }

  /** Calls a method of the connection and notices when it calls back before it returns. */
  guarded(fn: () => void): void {
    this.insideCall = true;
    fn();
    this.insideCall = false;
  }

  #note(): void {
    if (this.closes.length > 0) this.lateCalls++;
    if (this.insideCall) this.nestedCalls++;
  }
}

interface Pair {
  listener: Listener;
  near: Recorder;
  far: Recorder;
}

async function openPair({ ports, host }: CaseEnvironment): Promise<Pair> {
  let far: Recorder | undefined;
  const listener = await ports.network.listen({ host, port: 0 }, (connection) => {
    far = new Recorder(connection);
  });
  const connection = await ports.network.connect({ host, port: listener.address.port, timeoutMs: 5000 });
  const near = new Recorder(connection);
  await until(ports, "the connection is accepted", () => far !== undefined);
  return { listener, near, far: far! };
}

async function closePair(ports: Ports, { listener, near, far }: Pair): Promise<void> {
  listener.close();
  near.connection.close();
  far.connection.close();
  await until(ports, "both ends are closed", () => near.closes.length > 0 && far.closes.length > 0);
}

/** A case with an open connection. */
function pairCase(name: string, body: (pair: Pair, environment: CaseEnvironment) => Promise<void>): PortCase {
  return {
    name,
    async run(environment) {
      const pair = await openPair(environment);
      try {
        await body(pair, environment);
      } finally {
        await closePair(environment.ports, pair);
      }
      for (const { closes, lateCalls, nestedCalls } of [pair.near, pair.far]) {
        assertEquals(closes.length, 1, "onClose is called exactly once");
        assertEquals(lateCalls, 0, "no call follows onClose");
        assertEquals(nestedCalls, 0, "no call comes from inside a method");
      }
    },
  };
}

/** Bytes that show when they are out of order: every position has its own value, nearly. */
function pattern(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) bytes[at] = (at * 31 + (at >>> 8)) & 255;
  return bytes;
}

function assertPattern({ received }: Recorder, sizeBytes: number): void {
  assertEquals(received.length, sizeBytes);
  const wanted = pattern(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) {
    if (received.bytes[at] !== wanted[at]) {
      throw new Error(`Byte ${at} is ${received.bytes[at]}, should be ${wanted[at]}`);
    }
  }
}

/** More than one read gives. */
const LARGE_SIZE_BYTES = 3 * 1024 * 1024 + 17;

/** More than the buffers of both ends in the kernel hold. */
const BLOCKING_SIZE_BYTES = 24 * 1024 * 1024;

/** A receiver that has paused gets at most this much more. */
const PAUSED_DATA_CALLS_MAX = 1;

const dataCases: PortCase[] = [
  pairCase("write() sends bytes in both directions when connected", async ({ near, far }, { ports }) => {
    near.guarded(() => near.connection.write(Uint8Array.of(1, 2, 3)));
    far.guarded(() => far.connection.write(Uint8Array.of(4, 5)));
    await until(ports, "both have them", () => near.count === 2 && far.count === 3);
    await until(ports, "both were told", () => near.written === 1 && far.written === 1);
    assertEquals(far.bytes, [1, 2, 3]);
    assertEquals(near.bytes, [4, 5]);
  }),
  pairCase("write() completes when it has no bytes", async ({ near }, { ports }) => {
    near.guarded(() => near.connection.write(new Uint8Array(0)));
    await until(ports, "onWritten", () => near.written === 1);
    near.connection.write(Uint8Array.of(9));
    await until(ports, "onWritten again", () => near.written === 2);
  }),
  pairCase("write() delivers all bytes in order when they are many", async ({ near, far }, { ports }) => {
    near.connection.write(pattern(LARGE_SIZE_BYTES));
    await until(ports, "all have arrived", () => far.count >= LARGE_SIZE_BYTES);
    await until(ports, "onWritten", () => near.written === 1);
    assertPattern(far, LARGE_SIZE_BYTES);
  }),
  pairCase("write() may be called from onWritten when the last is done", async ({ near, far }, { ports }) => {
    const source = pattern(5000);
    let at = 100;
    near.afterWrite = () => {
      if (at >= source.length) return;
      near.connection.write(source.subarray(at, at + 100));
      at += 100;
    };
    near.connection.write(source.subarray(0, 100));
    await until(ports, "all have arrived", () => far.count === source.length);
    assertPattern(far, source.length);
  }),
  pairCase("write() lends the bytes only until onWritten", async ({ near, far }, { ports }) => {
    const lent = Uint8Array.of(7, 7, 7, 7);
    near.afterWrite = () => void lent.fill(0);
    near.connection.write(lent);
    await until(ports, "all have arrived", () => far.count === 4);
    assertEquals(far.bytes, [7, 7, 7, 7]);
  }),
  pairCase("onData may answer at once when a request arrives", async ({ near, far }, { ports }) => {
    far.onBytes = (bytes) => far.guarded(() => far.connection.write(bytes.slice()));
    near.connection.write(Uint8Array.of(42));
    await until(ports, "the echo", () => near.count === 1);
    assertEquals(near.bytes, [42]);
  }),
];

const pauseCases: PortCase[] = [
  pairCase("pause() stops data until resume() when much is sent", async ({ near, far }, { ports }) => {
    far.connection.pause();
    near.connection.write(pattern(BLOCKING_SIZE_BYTES));
    await new Promise<void>((resolve) => ports.clock.after(50, resolve));
    assert(far.dataCalls <= PAUSED_DATA_CALLS_MAX, `${far.dataCalls} calls of onData after pause`);
    assertEquals(near.written, 0, "a write is not done while the peer does not read");
    far.connection.resume();
    await until(ports, "all have arrived", () => far.count === BLOCKING_SIZE_BYTES);
    assertPattern(far, BLOCKING_SIZE_BYTES);
  }),
  pairCase("pause() works from inside onData when called each time", async ({ near, far }, { ports }) => {
    far.onBytes = () => {
      far.guarded(() => far.connection.pause());
      ports.clock.after(0, () => far.guarded(() => far.connection.resume()));
    };
    near.connection.write(pattern(300_000));
    await until(ports, "all have arrived", () => far.count === 300_000);
    assertPattern(far, 300_000);
  }),
  pairCase("resume() does nothing when not paused", async ({ near, far }, { ports }) => {
    far.guarded(() => {
      far.connection.resume();
      far.connection.pause();
      far.connection.resume();
      far.connection.resume();
    });
    near.connection.write(pattern(10_000));
    await until(ports, "all have arrived", () => far.count === 10_000);
    assertPattern(far, 10_000);
  }),
];

const closeCases: PortCase[] = [
  pairCase("close() tells both ends once when called twice", async ({ near, far }, { ports }) => {
    near.guarded(() => {
      near.connection.close();
      near.connection.close();
    });
    await until(ports, "both know", () => near.closes.length === 1 && far.closes.length === 1);
    assertEquals(near.closes, ["local"]);
    assertEquals(far.closes, ["peer"]);
    near.guarded(() => {
      near.connection.close();
      near.connection.write(Uint8Array.of(1));
      near.connection.pause();
      near.connection.resume();
    });
    await new Promise<void>((resolve) => ports.clock.after(5, resolve));
  }),
  pairCase("close() from inside onData ends the connection", async ({ near, far }, { ports }) => {
    far.onBytes = () => far.guarded(() => far.connection.close());
    near.connection.write(Uint8Array.of(1));
    await until(ports, "both know", () => near.closes.length === 1 && far.closes.length === 1);
    assertEquals(far.closes, ["local"]);
    assertEquals(far.dataCalls, 1);
  }),
  pairCase("close() after onWritten lets the peer have the bytes", async ({ near, far }, { ports }) => {
    near.afterWrite = () => near.guarded(() => near.connection.close());
    near.connection.write(pattern(1000));
    await until(ports, "the far end knows", () => far.closes.length === 1);
    assertPattern(far, 1000);
    assertEquals(far.closes, ["peer"]);
  }),
  pairCase("close() frees a write that the peer does not take", async ({ near, far }, { ports }) => {
    far.connection.pause();
    near.connection.write(pattern(BLOCKING_SIZE_BYTES));
    await new Promise<void>((resolve) => ports.clock.after(10, resolve));
    near.guarded(() => near.connection.close());
    await until(ports, "the near end knows", () => near.closes.length === 1);
    assertEquals(near.written, 0);
    assertEquals(near.closes, ["local"]);
  }),
  pairCase("onClose comes when the peer went while we write", async ({ near, far }, { ports }) => {
    const chunk = pattern(65536);
    far.afterWrite = () => far.connection.write(chunk);
    far.connection.write(chunk);
    await until(ports, "some has arrived", () => near.count > 0);
    near.connection.close();
    await until(ports, "the far end knows", () => far.closes.length === 1);
    assert(far.closes[0] !== "local");
  }),
];

const listenCases: PortCase[] = [
  {
    name: "listen() names address and cause when the port is taken",
    async run({ ports, host }) {
      const first = await ports.network.listen({ host, port: 0 }, () => {});
      assert(first.address.port > 0);
      assertEquals(first.address.host, host);
      const error = await rejection(ports.network.listen({ host, port: first.address.port }, () => {}));
      assertStringIncludes(error.message, `${host}:${first.address.port}`);
      assertStringIncludes(error.message, "in use");
      assertEquals(error.code, "EADDRINUSE");
      first.close();
      first.close();
    },
  },
  {
    name: "listen() names address and cause when no interface has the address",
    async run({ ports }) {
      const error = await rejection(ports.network.listen({ host: "198.51.100.7", port: 0 }, () => {}));
      assertStringIncludes(error.message, "198.51.100.7");
      assertEquals(error.code, "EADDRNOTAVAIL");
    },
  },
  {
    name: "Listener.close() frees the port and leaves connections alone",
    async run(environment) {
      const { ports, host } = environment;
      const pair = await openPair(environment);
      const { port } = pair.listener.address;
      pair.listener.close();
      pair.near.connection.write(Uint8Array.of(5));
      await until(ports, "the old connection still works", () => pair.far.count === 1);
      const error = await rejection(ports.network.connect({ host, port, timeoutMs: 2000 }));
      assertEquals(error.code, "ECONNREFUSED");
      await closePair(ports, pair);
      const again = await ports.network.listen({ host, port }, () => {});
      assertEquals(again.address.port, port);
      again.close();
    },
  },
  {
    name: "connect() names address and cause when refused",
    async run({ ports, host }) {
      const listener = await ports.network.listen({ host, port: 0 }, () => {});
      const { port } = listener.address;
      listener.close();
      // The socket may live until the accept that is under way has ended.
      await new Promise<void>((resolve) => ports.clock.after(20, resolve));
      const error = await rejection(ports.network.connect({ host, port, timeoutMs: 2000 }));
      assertStringIncludes(error.message, `${host}:${port}`);
      assertStringIncludes(error.message, "refused");
      assertEquals(error.code, "ECONNREFUSED");
    },
  },
  {
    name: "connect() reports both addresses when connected",
    async run(environment) {
      const pair = await openPair(environment);
      const { near, far, listener } = pair;
      assertEquals(near.connection.remote, { host: environment.host, port: listener.address.port });
      assertEquals(far.connection.local, near.connection.remote);
      assertEquals(far.connection.remote, near.connection.local);
      await closePair(environment.ports, pair);
    },
  },
];

const CONNECTION_COUNT = 200;

const manyCases: PortCase[] = [
  {
    name: "listen() serves many connections at the same time",
    async run({ ports, host }) {
      const listener = await ports.network.listen({ host, port: 0 }, (connection) => {
        const echo = new Recorder(connection);
        echo.onBytes = (bytes) => connection.write(bytes.slice());
      });
      const options = { host, port: listener.address.port, timeoutMs: 5000 };
      const opened = await Promise.all(
        Array.from(
          { length: CONNECTION_COUNT },
          async () => new Recorder(await ports.network.connect(options)),
        ),
      );
      opened.forEach((recorder, index) => recorder.connection.write(Uint8Array.of(index & 255)));
      await until(ports, "all echoes", () => opened.every((recorder) => recorder.count === 1));
      opened.forEach((recorder, index) => assertEquals(recorder.bytes, [index & 255]));
      for (const recorder of opened) recorder.connection.close();
      listener.close();
      await until(ports, "all are closed", () => opened.every((recorder) => recorder.closes.length === 1));
    },
  },
  {
    name: "onData of one connection leaves turns to others when data never ends",
    async run(environment) {
      const { ports } = environment;
      const pair = await openPair(environment);
      const chunk = pattern(65536);
      let stopped = false;
      pair.near.afterWrite = () => {
        if (!stopped) pair.near.connection.write(chunk);
      };
      pair.far.discard = true;
      pair.near.connection.write(chunk);
      await until(ports, "the stream runs", () => pair.far.dataCalls > 10);
      const other = await openPair(environment);
      other.near.connection.write(Uint8Array.of(1));
      await until(ports, "the other connection is served", () => other.far.count === 1);
      stopped = true;
      await closePair(ports, other);
      await closePair(ports, pair);
    },
  },
];

/** All cases of a network. */
export const networkCases: readonly PortCase[] = [
  ...dataCases,
  ...pauseCases,
  ...closeCases,
  ...listenCases,
  ...manyCases,
];
