import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../../platform/mod.ts";
import { TestLog, TestRandom } from "../testing.ts";
import { openDevices } from "./device_file.ts";
import { areOfOneRun, areSidesOfOneRun, lastRunOf } from "./device_runs.ts";
import { PageWriter } from "./flusher.ts";
import { type DeviceHeader, ID_SIZE_BYTES, KEY_FIELD_SIZE } from "./layout.ts";
import { PartitionPages } from "./partition_pages.ts";
import { CrashDisk } from "./testing.ts";

const MIB = 1024 * 1024;
const VERSION = Uint8Array.of(1);
const PARTITION = 5;
/** Ways in which what was not synced is kept, lost or torn at each cut. */
const CUTS_PER_OPERATION = 2;
/** Of so many cuts one is tried: there are many of partition pages. */
const CUT_PERIOD = 3;

let runCount = 0;

/** A start on some files; what it knows of partitions, and what it says. */
async function start(disk: CrashDisk, files: readonly string[]) {
  const pages = new PartitionPages();
  const log = new TestLog();
  const devices = await openDevices({
    namespace: "test",
    cluster: "",
    files,
    devices: [],
    filesizeBytes: 16 * MIB,
    recordSizeMaxBytes: MIB,
    disk,
    compute: createCompute(),
    random: new TestRandom(++runCount),
    log,
  }, pages);
  return { pages, devices, log };
}

/** A start after which the copies of the partitions are complete, on the devices too. */
async function startWhole(disk: CrashDisk, files: readonly string[]): Promise<void> {
  const { pages, devices } = await start(disk, files);
  pages.set(PARTITION, VERSION);
  await new PageWriter({ pages, devices }).write();
}

/** The disk at all moments in which the power may go while a start runs. */
async function cutsOfStart(disk: CrashDisk, files: readonly string[]): Promise<CrashDisk[]> {
  const cuts: CrashDisk[] = [];
  disk.onOperation = (cut) => {
    for (let time = 0; time < CUTS_PER_OPERATION; time++) cuts.push(cut(new TestRandom(cuts.length)));
  };
  await start(disk, files);
  disk.onOperation = undefined;
  return cuts;
}

/** Some of those moments, with their numbers, of a start on other files than those of the run before. */
async function cutsOfChange(
  before: readonly string[],
  files: readonly string[],
): Promise<[number: number, cut: CrashDisk][]> {
  const disk = new CrashDisk(new TestRandom(1));
  await startWhole(disk, before);
  const cuts = await cutsOfStart(disk, files);
  assert(cuts.length >= 2 * CUTS_PER_OPERATION, `${cuts.length} cuts`);
  return [...cuts.entries()].filter(([number]) => number % CUT_PERIOD === 0);
}

describe("a start of a namespace", () => {
  const incomplete = [
    { name: "a device was taken away", before: ["/a", "/b"], files: ["/a"] },
    { name: "the first device was taken away", before: ["/a", "/b"], files: ["/b"] },
    { name: "one of three was taken away", before: ["/a", "/b", "/c"], files: ["/a", "/c"] },
    { name: "a device was replaced by a new one", before: ["/a", "/b"], files: ["/a", "/new"] },
    { name: "the first device was replaced by a new one", before: ["/a", "/b"], files: ["/new", "/b"] },
    {
      name: "a device with a shadow was taken away",
      before: ["/a /shadow-a", "/b /shadow-b"],
      files: ["/a /shadow-a"],
    },
  ];
  for (const { name, before, files } of incomplete) {
    it(`counts no copy as complete after a power cut at any write: ${name}`, async () => {
      for (const [number, cut] of await cutsOfChange(before, files)) {
        const { pages } = await start(cut, files);
        assertEquals(pages.get(PARTITION), undefined, `cut ${number}`);
      }
    });
  }

  const complete = [
    { name: "all devices are there", before: ["/a", "/b"], files: ["/a", "/b"] },
    { name: "they changed their places", before: ["/a", "/b"], files: ["/b", "/a"] },
    { name: "a device is added", before: ["/a", "/b"], files: ["/a", "/b", "/new"] },
    { name: "a device is added in front", before: ["/a"], files: ["/new", "/a"] },
    { name: "with shadows", before: ["/a /shadow-a", "/b"], files: ["/a /shadow-a", "/b"] },
  ];
  for (const { name, before, files } of complete) {
    it(`knows that nothing is missing after a power cut at any write: ${name}`, async () => {
      for (const [number, cut] of await cutsOfChange(before, files)) {
        for (const then of await cutsOfStart(cut, files)) {
          const { pages, log } = await start(then, files);
          assertEquals(pages.get(PARTITION), VERSION, `cut ${number}: ${log.lines.join()}`);
        }
      }
    });
  }

  it("counts no copy as complete when a device is back that was away in the last run", async () => {
    const disk = new CrashDisk(new TestRandom(1));
    await startWhole(disk, ["/a", "/b", "/c"]);
    await startWhole(disk, ["/a", "/b"]);
    const { pages, log } = await start(disk, ["/a", "/c"]);
    assertEquals(pages.get(PARTITION), undefined);
    assertStringIncludes(log.lines.join(), "were not all in use in the last run");
  });

  it("takes partition pages from the shadow where they are damaged on the device, and writes them anew", async () => {
    const disk = new CrashDisk(new TestRandom(1));
    const files = ["/a /shadow-a"];
    await startWhole(disk, files);
    const area = { offset: 8192, sizeBytes: 64 * 1024 };
    disk.rot("/a", area, (bytes) => void bytes.fill(7));
    const { pages, devices } = await start(disk, files);
    assertEquals(pages.get(PARTITION), VERSION);
    await new PageWriter({ pages, devices }).write();
    disk.rot("/shadow-a", area, (bytes) => void bytes.fill(7));
    assertEquals((await start(disk, files)).pages.get(PARTITION), VERSION);
  });
});

describe("headers of devices", () => {
  const id = (number: number) => new Uint8Array(ID_SIZE_BYTES).fill(number);
  const header = (run: number, sequence: number, base?: { run: number; sequence: number }): DeviceHeader => ({
    version: 3,
    readableBy: 1,
    sequence,
    deviceId: id(9),
    setId: id(8),
    deviceCount: 1,
    deviceIndex: 0,
    blockSizeBytes: MIB,
    sizeBytes: 16 * MIB,
    flags: 0,
    namespace: "test",
    cluster: "",
    keyField: new Uint8Array(KEY_FIELD_SIZE),
    runId: id(run),
    baseSequence: base?.sequence ?? 0,
    baseRunId: id(base?.run ?? 0),
  });
  const begun = header(2, 11, { run: 1, sequence: 10 });

  it("are of one run when one of them has only begun the next one, or both have", () => {
    for (const other of [header(1, 10), begun, header(2, 12), header(3, 12, { run: 1, sequence: 10 })]) {
      assert(areSidesOfOneRun(begun, other) && areSidesOfOneRun(other, begun));
      assert(areOfOneRun([begun, other]));
    }
    assertEquals(lastRunOf(begun), { id: id(1), sequence: 10 });
  });

  it("are not of one run when a run used one of them alone", () => {
    for (const other of [header(4, 11), header(4, 12), header(5, 13, { run: 4, sequence: 12 })]) {
      assert(!areSidesOfOneRun(begun, other) && !areSidesOfOneRun(other, begun));
      assert(!areOfOneRun([begun, other]));
    }
  });

  it("of runs without an id are of one when they have the same sequence", () => {
    assert(areSidesOfOneRun(header(0, 10), header(0, 10)));
    assert(areSidesOfOneRun(header(2, 11, { run: 0, sequence: 10 }), header(0, 10)));
    assert(!areSidesOfOneRun(header(0, 11), header(0, 10)));
  });
});
