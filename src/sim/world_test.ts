import { setImmediate } from "node:timers";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../platform/mod.ts";
import type { Connection, ConnectionHandler } from "../port/mod.ts";
import { EventHash, type NetworkConditions, SeededRandom, type SimProcess, SimWorld } from "./mod.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const compute = createCompute();

function makeWorld(seed = 1, conditions: Partial<NetworkConditions> = {}): SimWorld {
  return new SimWorld({ seed, settle, compute, conditions });
}

const silent: ConnectionHandler = { onData() {}, onWritten() {}, onClose() {} };

async function echoServer({ ports }: SimProcess): Promise<void> {
  await ports.network.listen({ host: "0.0.0.0", port: 7 }, (connection) => {
    const waiting: Uint8Array[] = [];
    const answer = () => {
      if (waiting.length > 0) connection.write(waiting[0]);
    };
    connection.handler = {
      onData: (bytes) => {
        if (waiting.push(bytes.slice()) === 1) answer();
      },
      onWritten: () => {
        waiting.shift();
        answer();
      },
      onClose: () => {},
    };
  });
}

/** Connects from one process and counts what comes back. */
async function echoClient(
  process: SimProcess,
  seen: { bytes: number; closed: string[] },
  host: string,
): Promise<Connection> {
  const connection = await process.ports.network.connect({ host, port: 7, timeoutMs: 1000 });
  connection.handler = {
    ...silent,
    onData: (bytes) => void (seen.bytes += bytes.length),
    onClose: (reason) => void seen.closed.push(reason),
  };
  return connection;
}

async function echoWorld(seed: number, conditions: Partial<NetworkConditions> = {}) {
  const world = makeWorld(seed, conditions);
  const server = world.addMachine("server");
  const client = world.addMachine("client");
  const serverProcess = server.start("server");
  const clientProcess = client.start("client");
  const seen = { bytes: 0, closed: [] as string[] };
  await world.simulation.runUntilSettled(echoServer(serverProcess));
  const connection = await world.simulation.runUntilSettled(echoClient(clientProcess, seen, "server"));
  return { world, server, client, serverProcess, clientProcess, seen, connection };
}

describe("simulation", () => {
  it("Simulation gives the same hash for the same seed and another for another", async () => {
    const run = async (seed: number) => {
      const { world, connection } = await echoWorld(seed, { cutChance: 0.5 });
      connection.write(new Uint8Array(5000));
      await world.simulation.runFor(1000);
      return world.simulation.hash.toString();
    };
    const [first, again, other] = [await run(7), await run(7), await run(8)];
    assertEquals(first, again);
    assertNotEquals(first, other);
  });

  it("EventHash changes when one bit, the order or the length changes", () => {
    const hashOf = (bytes: number[]) => {
      const hash = new EventHash();
      hash.mixBytes(Uint8Array.from(bytes));
      return hash.toString();
    };
    const hashes = [[1, 2, 3], [1, 2, 2], [2, 1, 3], [1, 2, 3, 0], []].map(hashOf);
    assertEquals(new Set(hashes).size, hashes.length);
  });

  it("runWhile() ends with the error when a callback throws", async () => {
    const world = makeWorld();
    const { ports } = world.addMachine("a").start("a");
    ports.clock.after(5, () => {
      throw new Error("planted");
    });
    await assertRejects(() => world.simulation.runFor(10), Error, "planted");
  });

  it("afterEvent ends the run when an invariant does not hold", async () => {
    const world = makeWorld();
    const { ports } = world.addMachine("a").start("a");
    let broken = false;
    ports.clock.after(5, () => broken = true);
    world.simulation.afterEvent = () => {
      if (broken) throw new Error("violated");
    };
    await assertRejects(() => world.simulation.runFor(10), Error, "violated");
    assert(world.simulation.nowUs < 10_000);
  });

  it("runWhile() does what promises have left to do before time goes on for long", async () => {
    const world = makeWorld();
    const process = world.addMachine("a").start("a");
    process.promiseTurnCount = 1;
    const startMs = process.ports.clock.monotonicMs();
    let doneAtMs = 0;
    const chain = async () => {
      for (let turn = 0; turn < 100; turn++) await undefined;
      doneAtMs = process.ports.clock.monotonicMs();
    };
    process.ports.clock.after(10, () => void chain());
    process.ports.clock.after(40, () => {});
    await world.simulation.runFor(50);
    assertEquals(Math.round(doneAtMs - startMs), 10);
  });

  it("runUntilSettled() says so when nothing is left to happen", async () => {
    await assertRejects(
      () => makeWorld().simulation.runUntilSettled(new Promise(() => {})),
      Error,
      "Nothing is left to happen",
    );
  });

  it("SeededRandom is even enough, and forks do not depend on what was drawn", () => {
    const random = new SeededRandom(3);
    const before = random.fork("x").u32();
    const counts = new Array(10).fill(0);
    for (let draw = 0; draw < 100_000; draw++) counts[random.below(10)]++;
    for (const count of counts) assert(count > 9500 && count < 10_500, String(counts));
    assertEquals(random.fork("x").u32(), before);
    assertNotEquals(random.fork("y").u32(), before);
  });
});

describe("processes and machines", () => {
  it("kill() ends timers and sockets, and the peer learns it", async () => {
    const { world, serverProcess, seen, connection, clientProcess } = await echoWorld(1);
    let fired = false;
    serverProcess.ports.clock.after(1, () => fired = true);
    serverProcess.kill();
    await world.simulation.runFor(100);
    assertEquals(fired, false);
    assertEquals(seen.closed, ["peer"]);
    connection.write(Uint8Array.of(1));
    const again = echoClient(clientProcess, seen, "server");
    await assertRejects(() => world.simulation.runUntilSettled(again), Error, "ECONNREFUSED");
  });

  it("freeze() keeps a process from learning that it is connected, or refused", async () => {
    for (const isRefused of [false, true]) {
      const { world, serverProcess, seen, clientProcess } = await echoWorld(1);
      if (isRefused) serverProcess.kill();
      const { simulation } = world;
      let answeredUs = 0;
      const note = () => void (answeredUs = simulation.nowUs);
      echoClient(clientProcess, seen, "server").then(note, note);
      await simulation.runFor(0);
      clientProcess.freeze(500_000);
      const wakeUs = simulation.nowUs + 500_000;
      await simulation.runFor(900);
      assert(answeredUs >= wakeUs, `answered ${wakeUs - answeredUs} us too early`);
    }
  });

  it("start() after kill() serves at the same address", async () => {
    const { world, server, serverProcess, clientProcess, seen } = await echoWorld(1);
    serverProcess.kill();
    await world.simulation.runUntilSettled(echoServer(server.start("server again")));
    const connection = await world.simulation.runUntilSettled(echoClient(clientProcess, seen, "server"));
    connection.write(Uint8Array.of(1, 2));
    await world.simulation.runFor(50);
    assertEquals(seen.bytes, 2);
  });

  it("cutPower() leaves peers without a word, and connects time out", async () => {
    const { world, server, clientProcess, seen, connection } = await echoWorld(1);
    server.cutPower();
    connection.write(Uint8Array.of(1));
    const before = world.simulation.nowUs;
    const attempt = echoClient(clientProcess, seen, "server");
    await assertRejects(() => world.simulation.runUntilSettled(attempt), Error, "ETIMEDOUT");
    assert(world.simulation.nowUs - before >= 1_000_000);
    assertEquals(seen.closed, []);
  });

  it("block() holds bytes back until unblock()", async () => {
    const { world, server, client, seen, connection } = await echoWorld(1);
    world.network.block(client, server);
    connection.write(new Uint8Array(100));
    await world.simulation.runFor(3000);
    assertEquals(seen.bytes, 0);
    world.network.unblock(server, client);
    await world.simulation.runFor(3000);
    assertEquals(seen.bytes, 100);
  });

  it("clog() slows a link down", async () => {
    const { world, server, client, seen, connection } = await echoWorld(1);
    world.network.clog(client, server, 500_000);
    connection.write(new Uint8Array(10));
    await world.simulation.runFor(900);
    assertEquals(seen.bytes, 0);
    await world.simulation.runFor(200);
    assertEquals(seen.bytes, 10);
  });

  it("reset() gives both ends an error", async () => {
    const { world, seen } = await echoWorld(1);
    for (const connection of world.network.connections) world.network.reset(connection);
    await world.simulation.runFor(10);
    assertEquals(seen.closed, ["error"]);
    assertEquals(world.network.connections.size, 0);
  });

  it("signal() reaches the process that listens for it", async () => {
    const world = makeWorld();
    const process = world.addMachine("a").start("a");
    let count = 0;
    const stop = process.ports.host.onSignal("SIGHUP", () => count++);
    process.signal("SIGHUP");
    await world.simulation.runFor(1);
    stop();
    process.signal("SIGHUP");
    await world.simulation.runFor(1);
    assertEquals(count, 1);
  });

  it("wallMs() jumps when the machine's wall clock does, monotonicMs() does not", async () => {
    const world = makeWorld();
    const machine = world.addMachine("a");
    const { clock } = machine.start("a").ports;
    const [wall, monotonic] = [clock.wallMs(), clock.monotonicMs()];
    machine.wall.offsetMs -= 3_600_000;
    await world.simulation.runFor(1000);
    assertEquals(clock.wallMs(), wall - 3_600_000 + 1000);
    assert(clock.monotonicMs() >= monotonic + 999);
  });

  it("onData's bytes are overwritten after the call", async () => {
    const world = makeWorld();
    const { ports } = world.addMachine("a").start("a");
    let kept: Uint8Array | undefined;
    await world.simulation.runUntilSettled(
      ports.network.listen({ host: "127.0.0.1", port: 9 }, (connection) => {
        connection.handler = { ...silent, onData: (bytes) => kept = bytes };
      }),
    );
    const connect = ports.network.connect({ host: "127.0.0.1", port: 9, timeoutMs: 100 });
    const connection = await world.simulation.runUntilSettled(connect);
    connection.handler = silent;
    connection.write(Uint8Array.of(1, 2, 3));
    await world.simulation.runFor(10);
    assertEquals(kept, Uint8Array.of(0xdb, 0xdb, 0xdb));
  });
});

describe("disk under faults", () => {
  async function afterPowerCut(seed: number): Promise<{ synced: number[]; unsynced: number[] }> {
    const world = makeWorld(seed);
    const machine = world.addMachine("a");
    const { disk } = machine.start("a").ports;
    const write = async () => {
      const file = await disk.open("/data", { write: true, create: true });
      await file.write(0, new Uint8Array(2048).fill(1));
      await file.sync();
      await file.write(1024, new Uint8Array(2048).fill(2));
    };
    await world.simulation.runUntilSettled(write());
    machine.cutPower();
    const again = machine.start("again").ports.disk;
    const content = await world.simulation.runUntilSettled(again.readFile("/data", 10_000));
    return { synced: [...content.subarray(0, 1024)], unsynced: [...content.subarray(1024)] };
  }

  it("cutPower() keeps what was synced and loses, keeps or tears the rest in sectors", async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const { synced, unsynced } = await afterPowerCut(seed);
      assertEquals(synced, new Array(1024).fill(1));
      const newCount = unsynced.filter((byte) => byte === 2).length;
      assertEquals(newCount % 512, 0);
      outcomes.add(newCount === 0 ? "lost" : newCount === 2048 ? "kept" : "torn");
    }
    assertEquals([...outcomes].sort(), ["kept", "lost", "torn"]);
  });

  it("kill() keeps what was written, synced or not", async () => {
    const world = makeWorld();
    const machine = world.addMachine("a");
    const process = machine.start("a");
    const write = async () => {
      const file = await process.ports.disk.open("/data", { write: true, create: true });
      await file.write(0, Uint8Array.of(1, 2, 3));
    };
    await world.simulation.runUntilSettled(write());
    process.kill();
    const content = machine.start("b").ports.disk.readFile("/data", 100);
    assertEquals(await world.simulation.runUntilSettled(content), Uint8Array.of(1, 2, 3));
  });

  it("a file that was replaced is there after a power cut", async () => {
    const world = makeWorld();
    const machine = world.addMachine("a");
    const { disk } = machine.start("a").ports;
    await world.simulation.runUntilSettled(disk.replaceFile("/data", Uint8Array.of(1)));
    await world.simulation.runUntilSettled(disk.replaceFile("/data", Uint8Array.of(2, 3)));
    machine.disk.losePower();
    assertEquals(
      await world.simulation.runUntilSettled(disk.readFile("/data", 9)),
      Uint8Array.of(2, 3),
    );
  });

  it("reads and writes fail when the disk is to fail, and see the bits that turned over", async () => {
    const world = makeWorld();
    const machine = world.addMachine("a");
    const { disk } = machine.start("a").ports;
    const { conditions } = machine.disk;
    const run = <T>(promise: Promise<T>) => world.simulation.runUntilSettled(promise);
    const file = await run(disk.open("/data", { write: true, create: true }));
    await run(file.write(0, Uint8Array.of(4)));
    conditions.failsWrites = conditions.failsReads = true;
    await assertRejects(() => run(file.write(0, Uint8Array.of(5))), Error, "EIO");
    await assertRejects(() => run(file.sync()), Error, "EIO");
    await assertRejects(() => run(file.read(0, new Uint8Array(1))), Error, "EIO");
    conditions.failsWrites = conditions.failsReads = false;
    await run(file.sync());
    machine.disk.corrupt("/data", 0);
    assertEquals(await run(disk.readFile("/data", 9)), Uint8Array.of(5));
  });

  it("write() names the cause when the disk is full", async () => {
    const world = makeWorld();
    const machine = world.addMachine("a");
    machine.disk.conditions.capacityBytes = 10;
    const { disk } = machine.start("a").ports;
    const write = async () => {
      const file = await disk.open("/data", { write: true, create: true });
      await file.write(0, new Uint8Array(11));
    };
    await assertRejects(() => world.simulation.runUntilSettled(write()), Error, "ENOSPC");
  });
});
