import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  copyFile,
  mkdtemp,
  open as openFile,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { inflateSync } from "node:zlib";
import { open } from "../mod.ts";
import type { SettingsOverrides } from "../src/config/mod.ts";
import { runInspect } from "./inspect.ts";

const MIB = 1024 * 1024;
type Storage = NonNullable<NonNullable<SettingsOverrides["namespaces"]>[number]["storage"]>;

let folder = "";
beforeEach(async () => void (folder = await mkdtemp(`${tmpdir()}/aerie-inspect-`)));
afterEach(() => rm(folder, { recursive: true }));

interface Said {
  code: number;
  text: string;
  complaint: string;
}

async function inspect(...args: string[]): Promise<Said> {
  const lines: string[] = [];
  const complaints: string[] = [];
  const code = await runInspect(args, {
    print: (line) => lines.push(line),
    complain: (line) => complaints.push(line),
  });
  return { code, text: lines.join("\n"), complaint: complaints.join("\n") };
}

async function inspectJson(...args: string[]): Promise<{ code: number; rows: Record<string, unknown>[] }> {
  const { code, text, complaint } = await inspect(...args, "--json");
  assertEquals(complaint, "");
  return { code, rows: text.split("\n").map((line) => JSON.parse(line)) };
}

/** The file of format version 1 that is kept with the tests: 63 records in two units of block 0. */
async function goldenFile(): Promise<string> {
  const packed = await readFile(new URL("../testdata/storage/format_1.dat.zlib", import.meta.url));
  const path = `${folder}/golden.dat`;
  await writeFile(path, inflateSync(packed));
  return path;
}

/** A node with some records in a file. */
async function runNode(storage: Storage = {}) {
  const path = `${folder}/node.dat`;
  const settings = {
    service: { nodeId: "A1", workDirectory: folder },
    namespaces: [{
      name: "test",
      storage: { kind: "device", files: [path], filesize: 16 * MIB, ...storage },
    }],
  } satisfies SettingsOverrides;
  const node = await open({ settings });
  for (let number = 0; number < 20; number++) {
    const key = { namespace: "test", set: "users", key: number % 2 === 0 ? `user-${number}` : number };
    await node.client.put(key, { name: `name ${number}`, age: number, text: "long ".repeat(200) }, {
      sendKey: true,
    });
  }
  return { path, node };
}

async function overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
  const file = await openFile(path, "r+");
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

async function flipAt(path: string, at: number): Promise<void> {
  const content = await readFile(path);
  await overwrite(path, at, Uint8Array.of(content[at] ^ 0x10));
}

/** Where the flush units of the first block begin. */
function unitsOf(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = MIB; at < 2 * MIB; at += 4096) {
    if (new TextDecoder().decode(bytes.subarray(at, at + 4)) === "AUNT") found.push(at);
  }
  return found;
}

describe("aerie inspect", () => {
  it("shows header, blocks and records of a data file", async () => {
    const path = await goldenFile();
    const { code, text } = await inspect(path, "--verify");
    assertEquals(code, 0);
    for (const words of ["version 1", "namespace        test", "golden", "15 blocks of 1.0 MiB", "none"]) {
      assertStringIncludes(text, words);
    }
    assertMatch(text, /\n +0 +1048576 +1048577 +2 +0 +63 +12908 +2 %\n/);
    assertStringIncludes(text, "1 of 15 blocks in use, 63 records");
    assertStringIncludes(text, "all is as it should be");

    const { rows } = await inspectJson(path, "--records", "--limit", "0");
    const records = rows.filter(({ type }) => type === "record");
    assertEquals(records.length, 63);
    assertEquals(records.filter(({ isTombstone }) => isTombstone).length, 2);
    const { digest } = records[5];
    const { text: found } = await inspect(path, "--digest", `${digest}`.slice(0, 12));
    // It was written twice.
    assertEquals(found.split(`digest ${digest}`).length, 3);
    assertStringIncludes(found, 'set "t"  generation 2  updated 2025-11-05T00:53:22.000Z');
  });

  it("lists as many records as asked for, and says that there may be more", async () => {
    const { text } = await inspect(await goldenFile(), "--records", "--limit", "3");
    assertEquals(text.split("  digest ").length, 4);
    assertStringIncludes(text, "--limit is reached");
  });

  it("works on the file of a running node, changes nothing, and shows keys and bins", async () => {
    const { path, node } = await runNode({ flushMaxMs: 1 });
    try {
      let text = "";
      for (let tries = 0; tries < 200 && !text.includes('"user-18"'); tries++) {
        ({ text } = await inspect(path, "--records"));
      }
      assertMatch(text, /set "users" +key "user-18" +generation 1/);
      assertMatch(text, /key 7 /);
      assertMatch(
        text,
        /\n {4}"name" string, 6 bytes\n {4}"age" integer, 8 bytes\n {4}"text" string, 1000 bytes/,
      );
      const { mtimeMs, size } = await stat(path);
      const { code } = await inspect(path, "--verify", "--block", "0");
      assertEquals(code, 0);
      const after = await stat(path);
      assertEquals([after.mtimeMs, after.size], [mtimeMs, size]);
    } finally {
      await node.close();
    }
  });

  it("shows encrypted and compressed records with the key, and checks them without", async () => {
    await writeFile(`${folder}/key`, "a key of more than sixteen bytes");
    const storage: Storage = {
      compression: "lz4",
      encryption: "aes-128",
      encryptionKeyFile: `${folder}/key`,
    };
    const { path, node } = await runNode(storage);
    await node.close();
    const without = await inspect(path, "--verify");
    assertEquals(without.code, 0, without.text);
    assertStringIncludes(without.text, "encryption       aes-128");
    assertStringIncludes(without.text, "their contents were not");
    const refused = await inspect(path, "--records");
    assertEquals([refused.code, refused.complaint.includes("give --key-file")], [1, true]);
    const { code, rows } = await inspectJson(path, "--records", "--verify", "--key-file", `${folder}/key`);
    assertEquals(code, 0);
    const record = rows.find(({ key }) => key === '"user-18"')!;
    assertEquals([record.compression, record.set], ["lz4", "users"]);
    assert(Number(record.storedBytes) < 200 && Number(record.sizeBytes) > 1000);
    await writeFile(`${folder}/other`, "another key, which opens nothing");
    const wrong = await inspect(path, "--records", "--key-file", `${folder}/other`);
    assertEquals([wrong.code, wrong.complaint.includes("does not open it")], [1, true]);
    // Damage is found without the key, too.
    await flipAt(path, MIB + 48 + 100);
    const damaged = await inspect(path, "--verify");
    assertEquals(damaged.code, 1);
    assertMatch(
      damaged.text,
      /FAULT .*node.dat at byte \d+: expected a record with checksum [0-9a-f]{8}; found checksum/,
    );
  });

  const damage: [string, (path: string) => Promise<void>, RegExp][] = [
    [
      "a byte of a record",
      (path) => flipAt(path, MIB + 48 + 60),
      /at byte 1048624: expected a record with checksum/,
    ],
    [
      "the size of a record",
      (path) => flipAt(path, MIB + 48 + 5),
      /at byte 1048624: expected a record of at most/,
    ],
    [
      "a unit's header",
      (path) => flipAt(path, MIB + 20),
      /at byte 1048576: expected a flush unit; found none/,
    ],
    [
      "the padding of a unit",
      (path) => flipAt(path, MIB + 12280),
      /at byte \d+: expected \d+ zeros behind the unit/,
    ],
    ["a copy of the header", (path) => flipAt(path, 70), /at byte 0: expected copy A of the header/],
    [
      "a partition page",
      async (path) => {
        const content = await readFile(path);
        for (let at = 8192; at < 565_248; at += 4096) if (content[at] !== 0) await flipAt(path, at + 100);
      },
      /expected partition page 0, of which there is no sound copy/,
    ],
    [
      "a block by other bytes",
      (path) => overwrite(path, 4 * MIB, new Uint8Array(100).fill(7)),
      /at byte 4194304: expected a flush unit of this block, or zeros/,
    ],
    [
      "a block by a copy of another one",
      async (path) => overwrite(path, 3 * MIB, (await readFile(path)).subarray(MIB, MIB + 20_000)),
      /at byte 3145728: expected a flush unit of this block/,
    ],
    [
      "the end of the file",
      (path) => truncate(path, 15 * MIB),
      /at byte 15728640: expected a file of 16777216 bytes/,
    ],
  ];
  for (const [name, make, words] of damage) {
    it(`--verify finds damage to ${name}, says where, and ends with code 1`, async () => {
      const path = await goldenFile();
      await make(path);
      const { code, text } = await inspect(path, "--verify");
      assertEquals(code, 1);
      assertMatch(text, words);
      assertMatch(text, /\d+ faults?$/m);
      const { rows } = await inspectJson(path, "--verify");
      assertEquals(rows.filter(({ type }) => type === "fault").length, rows.at(-1)!.faultCount);
      // Without --verify the same file is shown as far as it goes.
      assertEquals((await inspect(path)).code, 0);
    });
  }

  it("--verify calls what a power cut has torn normal, and other damage a fault", async () => {
    const { path, node } = await runNode({ flushMaxMs: 1 });
    const torn = `${folder}/torn.dat`;
    try {
      let units: number[] = [];
      for (let tries = 0; tries < 200 && units.length < 2; tries++) {
        await node.client.put({ namespace: "test", key: tries }, { n: tries });
        await copyFile(path, torn);
        units = unitsOf(await readFile(torn));
      }
      assert(units.length >= 2, "two units were written");
      // The node still runs: the copy is what a power cut would leave.
      await flipAt(torn, units[units.length - 1] + 48 + 30);
      const { code, text } = await inspect(torn, "--verify");
      assertEquals(code, 0, text);
      assertMatch(text, /^torn .*expected a record with checksum/m);
      assertMatch(text, /1 torn by a power cut, which is normal; all is as it should be$/m);
      await flipAt(torn, units[0] + 48 + 60);
      const both = await inspectJson(torn, "--verify");
      const { faultCount, tornCount } = both.rows.at(-1)!;
      assertEquals([both.code, faultCount, tornCount], [1, 1, 1]);
      assertEquals(both.rows.filter(({ type }) => type === "torn").length, 1);
    } finally {
      await node.close();
    }
  });

  it("ends well whatever bytes are damaged", async () => {
    const path = await goldenFile();
    const good = await readFile(path);
    let state = 1;
    const below = (limit: number) => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) % limit;
    for (let round = 0; round < 40; round++) {
      const bytes = good.slice();
      for (let count = 0; count < 30; count++) {
        const at = below(2) === 0 ? 8192 + below(8192) : MIB + below(24_000);
        bytes[at] = below(256);
      }
      await writeFile(path, bytes);
      const { complaint } = await inspect(path, "--verify", "--records", "--limit", "0", "--block", "0");
      assertEquals(complaint, "");
    }
  });

  it("says what is wrong with a file that is not ours, and with the command line", async () => {
    const path = `${folder}/other`;
    const tell = async (content: Uint8Array | string) => {
      await writeFile(path, content);
      const { code, complaint } = await inspect(path);
      assertEquals(code, 1);
      return complaint;
    };
    assertStringIncludes(
      await tell("some text"),
      "is no data file of aerie: it begins with 736f6d6520746578, not with",
    );
    assertStringIncludes(await tell(""), "is empty");
    assertStringIncludes(await tell("AERIEIDX and more"), "is the map of an index checkpoint");
    assertStringIncludes(await tell(new Uint8Array(20_000)), "begins with zeros");
    const damaged = (await readFile(await goldenFile())).subarray(0, 2 * MIB);
    damaged[70] ^= 1;
    damaged[4096 + 70] ^= 1;
    assertStringIncludes(await tell(damaged), "both copies of its header are damaged");
    for (
      const [args, words] of [
        [[], "give a FILE"],
        [["a", "b"], "give one FILE"],
        [["a", "--wrong"], "unknown flag --wrong"],
        [["a", "--digest", "abc"], "even number"],
        [["a", "--block", "x"], "--block must be a number"],
        [["a", "--limit=-1"], "--limit is"],
      ] as [string[], string][]
    ) {
      const { code, complaint } = await inspect(...args);
      assertEquals(code, 2);
      assertStringIncludes(complaint, words);
    }
    assertStringIncludes((await inspect(`${folder}/none`)).complaint, "there is no such file");
    assertStringIncludes(
      (await inspect(await goldenFile(), "--block", "15")).complaint,
      "there is no block 15",
    );
    assertStringIncludes((await inspect("--help")).text, "aerie inspect FILE");
  });
});
