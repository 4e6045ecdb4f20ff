import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ResultCode } from "../../base/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { LOADED } from "../device.ts";
import { EntryRef } from "../entry.ts";
import { stopWritesReason } from "../stop_writes.ts";
import type { NamespaceStore } from "../store.ts";
import { TestClock, testDigest, TestLog, TestRandom, testSettings, TestStore } from "../testing.ts";
import { DamageWalk } from "./damage_walk.ts";
import { DEVICE_STATE } from "./device_watch.ts";
import { DiskDefragmentationTask } from "./disk_defragmentation.ts";
import { loadStore, openStore } from "./open_store.ts";
import { CrashDisk, settle, testPorts, turn } from "./testing.ts";

const MIB = 1024 * 1024;
const compute = createCompute();
const FILES = ["/a/a.dat", "/b/b.dat"];
const { GOOD, FAULTY, CLOSED, FAILED } = DEVICE_STATE;

/** A store on two files of which one makes trouble. */
class TwoDevices {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  disk = new CrashDisk(new TestRandom(1));
  it!: TestStore;
  lost: number[] = [];
  failure: unknown;

  async open(
    storage: { commitToDevice?: boolean; maxWriteCache?: number; postWriteCache?: number } = {},
  ): Promise<void> {
    const { clock, log, disk } = this;
    const settings = testSettings({
      maxRecordSize: 100_000,
      storage: {
        kind: "device",
        files: FILES,
        filesize: 16 * MIB,
        postWriteCache: 0,
        flushMaxMs: 100,
        ...storage,
      },
    });
    const store = await settle(
      clock,
      openStore({
        ...testPorts,
        settings,
        clock,
        random: new TestRandom(7),
        disk,
        log,
        compute,
        cluster: "c",
        onFailure: (error) => this.failure = error,
      }),
    );
    await settle(clock, loadStore(store, { clock, log, compute }));
    store.disk!.onLoss = (device) => void this.lost.push(device);
    this.it = new TestStore({ store, clock });
  }

  get store(): NamespaceStore {
    return this.it.store;
  }

  get states(): number[] {
    return [...this.store.disk!.watch.states];
  }

  /** Lets seconds pass, with a look at the devices in each. */
  async pass(seconds: number): Promise<void> {
    for (let count = 0; count < seconds * 10; count++) {
      this.clock.advance(100);
      for (let turns = 0; turns < 4; turns++) await turn(this.clock);
      if (count % 10 === 0) this.store.disk!.watch.tick();
    }
    if (this.failure !== undefined) throw this.failure;
  }

  async restart(): Promise<void> {
    await settle(this.clock, this.store.close());
    await this.open();
  }

  /** Puts records until both devices have some. */
  fill(from: number, to: number, sizeBytes = 2000): void {
    for (let number = from; number < to; number++) {
      assertEquals(this.it.put(number, { sizeBytes }), ResultCode.OK);
    }
  }

  /** How a record is answered: its first byte, "none" or "failed". */
  async get(number: number): Promise<number | "none" | "failed"> {
    const entry = new EntryRef();
    for (let tries = 0; tries < 300; tries++) {
      if (!this.store.find(testDigest(number), 0, entry)) return "none";
      const loaded = this.store.load(entry, { wake: () => {} });
      if (loaded === LOADED.FAILED) return "failed";
      if (loaded === LOADED.HERE) return this.it.get(number)![0];
      await turn(this.clock);
    }
    throw new Error("A read ends");
  }

  async checkAll(to: number): Promise<void> {
    for (let number = 0; number < to; number++) {
      assertEquals(await this.get(number), number & 0xff, `${number}`);
    }
  }

  /** Records on a device. */
  countOn(device: number, to: number): number {
    const entry = new EntryRef();
    const { blocks } = this.store.disk!;
    let count = 0;
    for (let number = 0; number < to; number++) {
      if (!this.store.find(testDigest(number), 0, entry)) continue;
      if (blocks.deviceOf[blocks.blockOf(entry.location)] === device) count++;
    }
    return count;
  }
}

describe("a device of two that can't be written", () => {
  for (const code of ["ENOSPC", "EIO", "EROFS"]) {
    it(`gets no new records, what waited for it goes to the other one, and nothing is lost (${code})`, async () => {
      const test = new TwoDevices();
      await test.open();
      test.fill(0, 100);
      await test.pass(1);
      assertGreater(test.countOn(1, 100), 20);
      test.disk.faultyPath = FILES[1];
      test.disk.writeError = code;
      test.fill(100, 200);
      const waiting = test.countOn(1, 200);
      await test.pass(2);
      assertEquals(test.states, [GOOD, FAULTY]);
      assertEquals(stopWritesReason(test.store, 0), undefined, "the other device takes everything");
      test.fill(200, 300);
      assertEquals(test.countOn(1, 300), waiting);
      await test.pass(12);
      assertEquals(test.states, [GOOD, CLOSED]);
      assertEquals(test.store.disk!.pendingBytes, 0);
      await test.checkAll(300);
      const lines = test.log.lines.join("\n");
      assertStringIncludes(
        lines,
        `Cannot use "/b/b.dat": as the test wants it (${code}); nothing is lost yet`,
      );
      assertStringIncludes(lines, '"/b/b.dat" takes no more writes, its records are still read');
      // Power cut: all that was moved is on the other device.
      test.disk = test.disk.restarted();
      await test.open();
      await test.checkAll(300);
      assertEquals(test.lost, []);
    });
  }

  it("is used again once a trial write works", async () => {
    const test = new TwoDevices();
    await test.open();
    test.fill(0, 100);
    await test.pass(1);
    test.disk.faultyPath = FILES[1];
    test.disk.writeError = "ENOSPC";
    test.fill(100, 200);
    await test.pass(14);
    assertEquals(test.states, [GOOD, CLOSED]);
    test.disk.writeError = "";
    await test.pass(25);
    assertEquals(test.states, [GOOD, GOOD]);
    const before = test.countOn(1, 200);
    test.fill(200, 300);
    assertGreater(test.countOn(1, 300), before);
    await test.pass(1);
    await test.restart();
    await test.checkAll(300);
  });

  it("gives what waits for it to the other one when the node stops", async () => {
    const test = new TwoDevices();
    await test.open();
    test.fill(0, 100);
    await test.pass(1);
    test.disk.faultyPath = FILES[1];
    test.disk.writeError = "ENOSPC";
    test.fill(100, 200);
    await test.pass(1);
    assertEquals(test.states, [GOOD, FAULTY]);
    assertGreater(test.store.disk!.pendingBytes, 0);
    await settle(test.clock, test.store.close());
    assertEquals(test.store.disk!.pendingBytes, 0);
    test.disk.writeError = "";
    await test.open();
    await test.checkAll(200);
  });

  it("lets replies that wait for a sync go once the other one has what they tell of", async () => {
    const test = new TwoDevices();
    await test.open({ commitToDevice: true });
    test.disk.faultyPath = FILES[1];
    test.disk.writeError = "EIO";
    test.fill(0, 50);
    const holds = test.store.takeHolds();
    let left = 0;
    for (const unit of holds) if (unit.wait({ onDurable: () => left-- })) left++;
    await test.pass(3);
    assertGreater(left, 0);
    await test.pass(12);
    assertEquals(left, 0);
    test.disk = test.disk.restarted();
    await test.open();
    await test.checkAll(50);
  });

  it("that hangs is closed after 30 s; one that is slow is not", async () => {
    const test = new TwoDevices();
    await test.open();
    test.disk.faultyPath = FILES[1];
    test.disk.hangs = true;
    test.fill(0, 60);
    await test.pass(20);
    assertEquals(test.states, [GOOD, GOOD]);
    await test.pass(25);
    assertEquals(test.states, [GOOD, CLOSED]);
    test.disk.hangs = false;
    await test.checkAll(60);
    assertStringIncludes(test.log.lines.join("\n"), 'Writing to "/b/b.dat" has not ended for 30000 ms');
  });

  it("keeps what waits for it when there is no room elsewhere", async () => {
    const test = new TwoDevices();
    await test.open();
    let count = 0;
    while (test.it.put(count, { sizeBytes: 60_000 }) === ResultCode.OK) {
      count++;
      if (count % 20 === 0) await test.pass(0.2);
    }
    await test.pass(1);
    test.disk.faultyPath = FILES[1];
    test.disk.writeError = "EIO";
    for (let number = 0; number < 8; number++) test.it.put(number, { sizeBytes: 60_000 });
    await test.pass(15);
    test.disk.writeError = "";
    await test.pass(3);
    assertEquals(test.states, [GOOD, GOOD]);
    await test.checkAll(count);
    assertEquals(test.store.disk!.pendingBytes, 0);
  });
});

describe("a device of two that can't be read", () => {
  it("is out of service after three probes: its records fail, the others stay, new ones go to the other", async () => {
    const test = new TwoDevices();
    await test.open();
    test.fill(0, 200);
    await test.pass(1);
    await test.restart();
    const onB = test.countOn(1, 200);
    test.disk.faultyPath = FILES[1];
    test.disk.readError = "EIO";
    const answers: unknown[] = [];
    for (let number = 0; number < 200; number++) answers.push(await test.get(number));
    assertEquals(answers.filter((answer) => answer === "failed").length, onB);
    assertEquals(answers.includes("none"), false);
    assertEquals(test.states, [GOOD, GOOD]);
    await test.pass(5);
    assertEquals(test.states, [GOOD, FAILED]);
    assertEquals(test.lost, [1]);
    assertStringIncludes(test.log.lines.join("\n"), '"/b/b.dat" can\'t be read and is out of service');
    for (let number = 0; number < 200; number++) {
      const answer = await test.get(number);
      assert(answer === (number & 0xff) || answer === "failed", `${number}: ${answer}`);
    }
    test.fill(0, 300);
    await test.pass(1);
    assertEquals(test.countOn(1, 300), 0);
    await test.checkAll(300);
    // Defragmentation leaves the blocks of the failed device alone.
    const task = new DiskDefragmentationTask(test.store);
    for (let slices = 0; slices < 50 && task.isNeeded; slices++) {
      task.step(test.clock, test.clock.monotonicMs() + 1);
      await test.pass(0.1);
    }
    await test.checkAll(300);
  });

  it("in some places alone stays in service", async () => {
    const test = new TwoDevices();
    await test.open();
    test.fill(0, 100);
    await test.pass(1);
    await test.restart();
    test.disk.faultyPath = FILES[1];
    test.disk.readError = "EIO";
    for (let number = 0; number < 100; number++) await test.get(number);
    test.disk.readError = "";
    await test.pass(10);
    assertEquals(test.states, [GOOD, GOOD]);
    await test.checkAll(100);
  });
});

describe("a device of two that is dead", () => {
  it("is out of service soon after a write has failed, though nobody reads from it", async () => {
    const test = new TwoDevices();
    await test.open();
    test.fill(0, 200);
    await test.pass(1);
    await test.restart();
    test.disk.faultyPath = FILES[1];
    test.disk.readError = test.disk.writeError = "EIO";
    const onB = test.countOn(1, 200);
    assertGreater(onB, 20);
    test.fill(200, 300);
    await test.pass(5);
    assertEquals(test.states, [GOOD, FAILED]);
    assertEquals(test.lost, [1]);
    const answers: unknown[] = [];
    for (let number = 0; number < 300; number++) answers.push(await test.get(number));
    assertEquals(
      answers.filter((answer) => answer === "failed").length,
      onB,
      "what waited for it is not lost",
    );
    assertEquals(answers.includes("none"), false);
  });
});

describe("a device of two that has failed", () => {
  it("has its records stored on the other one as far as they are in memory still", async () => {
    const test = new TwoDevices();
    await test.open({ postWriteCache: 8 * MIB });
    test.fill(0, 200);
    await test.pass(1);
    assertGreater(test.countOn(1, 200), 20);
    test.disk.faultyPath = FILES[1];
    test.disk.readError = test.disk.writeError = "EIO";
    test.fill(200, 210);
    await test.pass(5);
    assertEquals(test.states, [GOOD, FAILED]);
    const walk = new DamageWalk(test.store);
    for (let slices = 0; walk.step(test.clock, test.clock.monotonicMs() + 1) !== undefined; slices++) {
      assert(slices < 1000, "the walk ends");
      await turn(test.clock);
    }
    assertEquals(test.countOn(1, 210), 0);
    await test.checkAll(210);
  });
});

describe("a device of two that takes no partition pages", () => {
  it("stays faulty when a round has written nothing but pages, to the other one", async () => {
    const test = new TwoDevices();
    await test.open();
    test.disk.faultyPath = FILES[0];
    test.disk.writeError = "EIO";
    for (let partition = 0; partition < 3; partition++) {
      test.store.disk!.pages.set(partition * 100, new Uint8Array([1]));
      await test.pass(2);
      assertEquals(test.states, [FAULTY, GOOD]);
    }
    await test.pass(6);
    assertEquals(test.states, [CLOSED, GOOD]);
  });
});

describe("the only device", () => {
  it("that can't be read answers errors, keeps what is in memory, and stops client writes", async () => {
    const test = new TwoDevices();
    await test.open();
    test.fill(0, 100);
    await test.pass(1);
    await test.restart();
    test.disk.readError = "EIO";
    test.disk.writeError = "EIO";
    for (let number = 0; number < 100; number++) assertEquals(await test.get(number), "failed");
    await test.pass(8);
    assertEquals(test.states, [FAILED, FAILED]);
    assertEquals(test.lost.toSorted(), [0, 1]);
    assertStringIncludes(stopWritesReason(test.store, 0)!, "writing to a device fails");
    for (let number = 0; number < 100; number++) assertEquals(await test.get(number), "failed");
  });
});

describe("a stop while no device can be written", () => {
  for (const isMended of [true, false]) {
    it(`tries once more, and ${isMended ? "loses nothing when that works" : "says what is lost"}`, async () => {
      const test = new TwoDevices();
      await test.open();
      test.fill(0, 100);
      await test.pass(1);
      test.disk.writeError = "ENOSPC";
      test.fill(100, 200);
      await test.pass(1);
      assertEquals(test.states, [FAULTY, FAULTY]);
      const waitingBytes = test.store.disk!.pendingBytes;
      assertGreater(waitingBytes, 100_000);
      if (isMended) test.disk.writeError = "";
      await settle(test.clock, test.store.close());
      assertEquals(test.store.disk!.pendingBytes, isMended ? 0 : waitingBytes);
      const said = test.log.lines.filter((line) => line.includes("are lost with this stop"));
      assertEquals(said.length, isMended ? 0 : 2);
      test.disk.writeError = "";
      await test.open();
      await test.checkAll(isMended ? 200 : 100);
    });
  }
});
