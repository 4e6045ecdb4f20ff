import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ConfigError, ResultCode } from "../../base/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { TestClock, TestLog, TestRandom, testSettings, TestStore } from "../testing.ts";
import { decodeHeader } from "./layout.ts";
import { loadStore, openStore } from "./open_store.ts";
import { splitShadow } from "./shadow_file.ts";
import { CrashDisk, settle, testPorts } from "./testing.ts";

const compute = createCompute();
const MIB = 1024 * 1024;
const FIRST = "/a/a.dat";
const SHADOW = "/b/a.dat";

class Shadowed {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly disk = new CrashDisk(new TestRandom(1));
  it!: TestStore;
  #seed = 0;

  async open(file = `${FIRST} ${SHADOW}`): Promise<void> {
    const { clock, log, disk } = this;
    const settings = testSettings({
      maxRecordSize: 100_000,
      storage: {
        kind: "device",
        files: [file],
        filesize: 16 * MIB,
        postWriteCache: 0,
        indexCheckpointBytesPerHour: 0,
      },
    });
    const onFailure = (error: unknown) => {
      throw error;
    };
    const store = await settle(
      clock,
      openStore({
        ...testPorts,
        compute,
        settings,
        clock,
        random: new TestRandom(++this.#seed),
        disk,
        log,
        cluster: "c",
        onFailure,
      }),
    );
    await settle(clock, loadStore(store, { clock, log, compute }));
    this.it = new TestStore({ store, clock });
  }

  async close(): Promise<void> {
    await settle(this.clock, this.it.store.close());
  }

  put(from: number, to: number): void {
    for (let number = from; number < to; number++) {
      assertEquals(this.it.put(number, { sizeBytes: 1000 }), ResultCode.OK);
    }
  }
}

/** The highest sequence of the sound copies of a header. */
function headerSequence(bytes: Uint8Array): number {
  const headers = [0, 4096].map((at) => decodeHeader(bytes.subarray(at, at + 4096)));
  return Math.max(...headers.map((header) => header?.sequence ?? -1));
}

describe("splitShadow()", () => {
  it("takes two paths apart, and leaves a path with blanks alone", () => {
    assertEquals(splitShadow("/dev/sda /dev/sdb"), { path: "/dev/sda", shadow: "/dev/sdb" });
    assertEquals(splitShadow("/my data/a.dat"), { path: "/my data/a.dat", shadow: undefined });
    assertEquals(splitShadow("/a.dat"), { path: "/a.dat", shadow: undefined });
  });
});

describe("a file with a shadow", () => {
  it("has the same content on both, and its records when the first one is lost, and when the shadow is", async () => {
    const test = new Shadowed();
    await test.open();
    test.put(0, 100);
    await test.close();
    assertEquals(test.disk.content(FIRST), test.disk.content(SHADOW));
    for (const path of [FIRST, SHADOW]) {
      test.disk.content(path).fill(0);
      await test.open();
      assertEquals(test.it.store.objectCount, 100);
      test.put(0, 100);
      await test.close();
      assertEquals(test.disk.content(FIRST), test.disk.content(SHADOW));
      const other = path === FIRST ? SHADOW : FIRST;
      assertStringIncludes(test.log.lines.join("\n"), `"${path}" is filled from "${other}"`);
    }
  });

  it("takes the one that was in use last when the other was away for a run", async () => {
    const test = new Shadowed();
    await test.open();
    test.put(0, 50);
    await test.close();
    await test.open(FIRST);
    test.put(50, 100);
    await test.close();
    await test.open();
    assertEquals(test.it.store.objectCount, 100);
    await test.close();
    assertEquals(test.disk.content(FIRST), test.disk.content(SHADOW));
  });

  it("is refused when the shadow holds another device", async () => {
    const test = new Shadowed();
    for (const file of [FIRST, SHADOW]) {
      await test.open(file);
      test.put(0, 1);
      await test.close();
    }
    const before = test.disk.content(SHADOW).slice();
    await assertRejects(() => test.open(), ConfigError, `"${SHADOW}" is no shadow of "${FIRST}"`);
    assertEquals(test.disk.content(SHADOW), before);
  });

  it("has no newer header on the shadow, in whatever moment the power goes", async () => {
    const test = new Shadowed();
    await test.open();
    const cuts: CrashDisk[] = [];
    test.disk.onOperation = (cut) => {
      for (let seed = 0; seed < 8; seed++) cuts.push(cut(new TestRandom(cuts.length)));
    };
    await test.close();
    await test.open();
    assert(cuts.length > 40);
    for (const disk of cuts) {
      const [own, other] = [FIRST, SHADOW].map((path) => headerSequence(disk.content(path)));
      assert(own >= other, `${own} is not older than ${other}`);
    }
    await test.close();
  });

  it("is read from the shadow when the first one can't be read", async () => {
    const test = new Shadowed();
    await test.open();
    test.put(0, 100);
    await test.close();
    await test.open();
    test.disk.faultyPath = FIRST;
    test.disk.readError = "EIO";
    const { blocks } = test.it.store.disk!;
    const bytes = new Uint8Array(4096);
    assertEquals(await settle(test.clock, blocks.devices[0].file.read(MIB, bytes)), 4096);
    assertEquals(bytes, test.disk.content(SHADOW).subarray(MIB, MIB + 4096));
    await test.close();
  });
});
