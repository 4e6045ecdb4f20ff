import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type AerieClient, connect } from "../../client/mod.ts";
import type { Settings } from "../../config/mod.ts";
import type { SimWorld } from "../../sim/mod.ts";
import { makeWorld, type Member, prepareMember, startMember } from "./testing.ts";

const MIB = 1024 * 1024;
const FILE = "/data/a.dat";

interface Storage {
  commitToDevice?: boolean;
  maxWriteCache?: number;
  flushMaxMs?: number;
  defragLwmPct?: number;
}

/** One node with one file, and a client of it. */
class OneFile {
  readonly world: SimWorld;
  readonly machine;
  member!: Member;
  client!: AerieClient;
  readonly #storage: Storage;

  constructor(seed: number, storage: Storage = {}) {
    this.world = makeWorld(seed);
    this.machine = this.world.addMachine("m1");
    this.#storage = storage;
  }

  change({ namespaces: [namespace] }: Settings): void {
    namespace.maxRecordSize = 100_000;
    Object.assign(namespace.storage, {
      kind: "device",
      files: [FILE],
      filesize: 16 * MIB,
      postWriteCache: 0,
      flushMaxMs: 100,
      defragLwmPct: 1,
      ...this.#storage,
    });
  }

  async start(): Promise<void> {
    const change = (settings: Settings) => this.change(settings);
    this.member = await startMember(this.machine, { id: "A1", seeds: [], change });
    const { node, process } = this.member;
    const ports = { ...process.ports, network: node.inProcessNetwork() };
    this.client = await this.run(connect({ hosts: ["127.0.0.1:3000"], ports }));
  }

  async restart(): Promise<void> {
    this.client.close();
    await this.run(this.member.node.stop());
    this.member.process.kill();
    await this.start();
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.world.simulation.runUntilSettled(promise);
  }

  /** Result code of a put; 0 when it succeeded. */
  async put(number: number, size = 100, timeoutMs = 3000): Promise<number> {
    const put = this.client.put(keyOf(number), { a: number, b: "x".repeat(size) }, {
      totalTimeoutMs: timeoutMs,
      maxRetries: 0,
    });
    return await this.run(put.then(() => 0, codeOf));
  }

  /** What a get brings: the number, "none" or a result code as text. */
  async get(number: number): Promise<unknown> {
    const get = this.client.get(keyOf(number), { policy: { totalTimeoutMs: 20_000, maxRetries: 0 } });
    return await this.run(
      get.then((record) => record === undefined ? "none" : record.bins.a, (error) => `code ${codeOf(error)}`),
    );
  }

  async pass(seconds: number): Promise<void> {
    await this.world.simulation.runFor(seconds * 1000);
  }

  get log(): string {
    return this.member.process.log.lines.join("\n");
  }

  statistic(name: string): string {
    const text = this.member.node.dispatcher;
    void text;
    const { disk } = this.member.node.namespaces[0].store;
    return String(
      name === "write_errors"
        ? disk!.reports.writeErrors[0]
        : name === "read_errors"
        ? disk!.reports.readErrors[0]
        : "",
    );
  }
}

function keyOf(number: number) {
  return { namespace: "test", set: "s", key: `k${number}` };
}

function codeOf(error: unknown): number {
  return (error as { resultCode?: number }).resultCode ?? -1;
}

describe("a node whose only file", () => {
  for (
    const { what, conditions, says } of [
      {
        what: "is on a full disk",
        conditions: { capacityBytes: 0 },
        says:
          "the disk is full (ENOSPC); nothing is lost yet, client writes are refused until writing works again. " +
          "Make room on the file system",
      },
      {
        what: "is on a file system that was made read-only",
        conditions: { failsWrites: true, writeFaultCode: "EROFS" },
        says: "the file system is read-only (EROFS); nothing is lost yet",
      },
      {
        what: "can't be written",
        conditions: { failsWrites: true },
        says: "the device reports an error (EIO); nothing is lost yet",
      },
      {
        what: "takes writes in part only",
        conditions: { failsWrites: true, cutsWrites: true },
        says: "the device reports an error (EIO); nothing is lost yet",
      },
    ]
  ) {
    it(`${what}: serves reads, refuses writes with 8, and goes on when it is well again`, async () => {
      const test = new OneFile(31);
      await test.start();
      for (let number = 0; number < 20; number++) assertEquals(await test.put(number), 0);
      await test.pass(1);
      const healthy = { ...test.machine.disk.conditions };
      // The file is sparse: a full disk refuses what was never written.
      Object.assign(test.machine.disk.conditions, conditions);
      if ("capacityBytes" in conditions) {
        Object.assign(test.machine.disk.conditions, { failsWrites: true, writeFaultCode: "ENOSPC" });
      }
      for (let number = 20; number < 30; number++) {
        assertEquals(await test.put(number), 0, "what fits in memory is taken");
      }
      await test.pass(4);
      assertEquals(await test.put(30), 8);
      for (let number = 0; number < 30; number++) assertEquals(await test.get(number), number);
      assertStringIncludes(test.log, says);
      assertStringIncludes(test.log, "client writes are stopped: writing to a device fails: ");
      assertGreater(Number(test.statistic("write_errors")), 0);
      Object.assign(test.machine.disk.conditions, healthy);
      await test.pass(4);
      assertEquals(await test.put(30), 0);
      assertStringIncludes(test.log, `"${FILE}" can be written again`);
      await test.pass(1);
      await test.restart();
      for (let number = 0; number <= 30; number++) assertEquals(await test.get(number), number);
    });
  }

  it("can't be written, with commit-to-device: nothing is acknowledged that is not safe", async () => {
    const test = new OneFile(32, { commitToDevice: true });
    await test.start();
    assertEquals(await test.put(0), 0);
    test.machine.disk.conditions.failsWrites = true;
    const code = await test.put(1, 100, 1500);
    assert(code !== 0, "no reply, or a refusal");
    test.machine.disk.conditions.failsWrites = false;
    await test.pass(4);
    assertEquals(await test.put(2), 0);
    test.machine.cutPower();
    await test.pass(1);
    await test.start();
    assertEquals([await test.get(0), await test.get(2)], [0, 2]);
  });

  it("can't be written: gets result 18 when more waits than max-write-cache, before writes are stopped", async () => {
    const test = new OneFile(33, { maxWriteCache: 400_000 });
    await test.start();
    assertEquals(await test.put(0), 0);
    test.machine.disk.conditions.syncMaxUs = 60_000_000;
    test.machine.disk.conditions.latencyMaxUs = 60_000_000;
    let code = 0;
    for (let number = 1; code === 0 && number < 40; number++) code = await test.put(number, 60_000);
    assertEquals(code, 18);
    assertEquals(await test.get(1), 1);
  });

  it("can't be read: gets result 1, never 'not found', and reads again when that works", async () => {
    const test = new OneFile(34);
    await test.start();
    for (let number = 0; number < 20; number++) assertEquals(await test.put(number), 0);
    await test.restart();
    test.machine.disk.conditions.failsReads = true;
    for (let number = 0; number < 20; number++) assertEquals(await test.get(number), "code 1");
    assertEquals(await test.get(999), "none");
    assertEquals(await test.put(100), 0);
    assertEquals(await test.get(100), 100);
    assertStringIncludes(test.log, `Cannot read "${FILE}": the device reports an error (EIO)`);
    assertGreater(Number(test.statistic("read_errors")), 0);
    test.machine.disk.conditions.failsReads = false;
    await test.pass(3);
    for (let number = 0; number < 20; number++) assertEquals(await test.get(number), number);
  });

  for (const slowMs of [50, 5000]) {
    it(`needs ${slowMs} ms for each operation: answers everything, reads of other records don't wait`, async () => {
      const test = new OneFile(35);
      await test.start();
      for (let number = 0; number < 20; number++) assertEquals(await test.put(number), 0);
      await test.restart();
      test.member.node.settings.service.transactionMaxMs = 15_000;
      Object.assign(test.machine.disk.conditions, {
        latencyMinUs: slowMs * 1000,
        latencyMaxUs: slowMs * 1000,
        syncMaxUs: slowMs * 1000,
      });
      assertEquals(await test.put(50), 0);
      const { simulation } = test.world;
      const startUs = simulation.nowUs;
      const slow = test.get(3);
      assertEquals(await test.get(50), 50);
      assert(simulation.nowUs - startUs < 40_000, "a record in memory is answered at once");
      assertEquals(await slow, 3);
      await test.pass(40);
      assertEquals(test.log.includes(`"${FILE}" needed `), slowMs === 5000);
      assertEquals(test.member.node.namespaces[0].store.stopWrites, false);
      assertEquals(await test.put(51), 0);
    });
  }

  it("is removed while it is in use: serves on, and says what will be lost", async () => {
    const test = new OneFile(37);
    await test.start();
    for (let number = 0; number < 5; number++) assertEquals(await test.put(number), 0);
    await test.pass(70);
    assertEquals(test.log.includes("was removed"), false);
    await test.run(test.member.process.ports.disk.remove(FILE));
    await test.pass(70);
    assertStringIncludes(test.log, `"${FILE}" was removed or replaced while it is in use`);
    for (let number = 0; number < 5; number++) assertEquals(await test.get(number), number);
    await test.restart();
    assertEquals(await test.get(1), "none");
  });

  it("belongs to another namespace, or has no sound header: the node does not start, and says which and why", async () => {
    const test = new OneFile(36);
    await test.start();
    await test.put(1);
    await test.run(test.member.node.stop());
    test.member.process.kill();
    const startError = async (change: (settings: Settings) => void): Promise<string> => {
      const options = { id: "A1", seeds: [], change };
      return await prepareMember(test.machine, options).then(() => "", (error: Error) => error.message);
    };
    const other = await startError((settings) => {
      test.change(settings);
      settings.namespaces[0].name = "other";
    });
    assertStringIncludes(other, `"${FILE}" belongs to namespace "test", not to "other"; correct the path`);
    for (const offsetBytes of [20, 4096 + 20]) test.machine.disk.corrupt(FILE, offsetBytes);
    const damaged = await startError((settings) => test.change(settings));
    assertStringIncludes(damaged, "both copies of its header are damaged; it is left alone");
  });
});
