import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { open } from "../mod.ts";
import { type AerieClient, connect, Double, GeoJson, ops } from "../src/client/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import type { AsbItem, AsbRecord } from "./backup/asb.ts";
import { AsbReader } from "./backup/asb_reader.ts";
import { runBackup } from "./backup.ts";
import { runRestore } from "./restore.ts";

const FILL_TIME_MAX_MS = 60_000;

interface Outcome {
  code: number;
  printed: string;
  complaints: string;
}

async function run(
  verb: typeof runBackup | typeof runRestore,
  args: string[],
  onStop?: (stop: () => void) => () => void,
): Promise<Outcome> {
  const printed: string[] = [];
  const complaints: string[] = [];
  const code = await verb(args, {
    print: (text) => void printed.push(text),
    complain: (text) => void complaints.push(text),
    ...(onStop === undefined ? {} : { onStop }),
  });
  return { code, printed: printed.join("\n"), complaints: complaints.join("\n") };
}

/** A node on free ports, its client, and a directory, all gone afterwards. */
async function withNode(
  use: (place: { host: string; client: AerieClient; directory: string }) => Promise<void>,
) {
  const directory = await Deno.makeTempDir();
  const node = await open({
    listen: true,
    settings: {
      service: { workDirectory: directory },
      network: {
        service: { port: 0 },
        info: { port: 0 },
        fabric: { port: 0 },
        heartbeat: { port: 0 },
        http: { port: 0 },
      },
      namespaces: [
        { name: "test", nsupPeriod: 120, storage: { dataSize: 64 * 2 ** 20 } },
        { name: "copy", nsupPeriod: 120, storage: { dataSize: 64 * 2 ** 20 } },
      ],
    },
  });
  const host = `127.0.0.1:${node.listeners.find((listener) => listener.kind === "service")!.port}`;
  const client = await connect({ hosts: [host], ports: await createPlatform() });
  try {
    await use({ host, client, directory });
  } finally {
    client.close();
    await node.close();
    await Deno.remove(directory, { recursive: true });
  }
}

async function fill(client: AerieClient, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, key) => ({
    type: "put" as const,
    key: { namespace: "test", set: key % 3 === 0 ? "a b" : "other", key },
    bins: { n: key, text: `value ${key}\n\\ ` },
    policy: { sendKey: key % 2 === 0, ttlS: key % 5 === 0 ? 1000 : -1 },
  }));
  // The default is a second, which a busy machine may need for 20,000 records.
  const results = await client.batch(rows, { totalTimeoutMs: FILL_TIME_MAX_MS });
  for (const { resultCode } of results) assertEquals(resultCode, 0);
}

function filesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".asb"));
}

/** Records of a directory's files, by digest, without generations; of the void-time only whether there is one. */
function content(directory: string): Map<string, unknown> {
  const items: AsbItem[] = [];
  for (const name of filesIn(directory)) {
    const reader = new AsbReader();
    reader.push(Deno.readFileSync(`${directory}/${name}`));
    for (let item = reader.next(); item !== undefined; item = reader.next()) items.push(item);
    reader.end();
  }
  const records = items.filter((item): item is AsbRecord => item.kind === "record");
  const byDigest = new Map(records.map((record) => {
    // A restore sets a TTL, whose end moves by a second when the clock's second ends meanwhile.
    const { generation: _, namespace: __, voidTime, ...rest } = record;
    return [String(record.digest), {
      ...rest,
      expires: voidTime !== 0,
      bins: [...rest.bins].sort((a, b) => a.name < b.name ? -1 : 1),
    }];
  }));
  assertEquals(byDigest.size, records.length, "no record is in the files twice");
  return byDigest;
}

Deno.test("a backup that is restored and backed up again has the same content", async () => {
  await withNode(async ({ host, client, directory }) => {
    await fill(client, 1000);
    const key = { namespace: "test", set: "types", key: "all" };
    await client.put(key, {
      i: -(2n ** 63n),
      f: new Double(3),
      t: true,
      b: new Uint8Array([0, 10, 32, 92, 255]),
      l: [1, "two", [3]],
      m: new Map<string | number, string>([["b", "x"], [1, "y"]]),
      g: new GeoJson({ type: "Point", coordinates: [8.5, 47.4] }),
    }, { sendKey: true });
    // An ordered map keeps its order flag.
    await client.operate(key, [ops.cdtModify("om", { opcode: 67, args: ["k", "v", 1] })]);
    await client.put({ namespace: "test", key: 1.5 }, { a: 1 }, { sendKey: true });
    const first = await run(runBackup, ["-h", host, "-n", "test", "-d", `${directory}/1`, "-w", "3"]);
    assertEquals([first.code, first.complaints], [0, ""]);
    assertStringIncludes(first.printed, "1002 records, 0 indexes, 0 modules");
    const restored = await run(runRestore, ["-h", host, "-d", `${directory}/1`, "-n", "copy"]);
    assertEquals([restored.code, restored.complaints], [0, ""]);
    assertStringIncludes(restored.printed, "1002 records read, 1002 written;");
    await run(runBackup, ["-h", host, "-n", "copy", "-o", `${directory}/1/second`, "--compact"]);
    await Deno.mkdir(`${directory}/2`);
    await Deno.rename(`${directory}/1/second`, `${directory}/2/second.asb`);
    const before = content(`${directory}/1`);
    assertEquals(before.size, 1002);
    assertEquals(content(`${directory}/2`), before);
  });
});

Deno.test("a restore makes the indexes of a backup anew: over a bin, in a context, over an expression", async () => {
  await withNode(async ({ host, client, directory }) => {
    // The context is the map's key "c"; the expression adds 1 to bin n.
    const definitions = [
      "set=s;indexname=plain;bin=n;type=numeric",
      "set=s;indexname=nested;indextype=list;context=kiKiA2M=;bin=m;type=string",
      "set=s;indexname=sum;exp=kxSTUQKhbgE=;type=numeric",
    ];
    for (const definition of definitions) {
      assertEquals(await client.info(`sindex-create:namespace=test;${definition}`), "ok", definition);
    }
    const list = async (namespace: string) =>
      (await client.info(`sindex-list:namespace=${namespace}`)).replaceAll(`ns=${namespace}:`, "")
        .replaceAll("state=WO", "state=RW").split(";").sort();
    const saved = await run(runBackup, ["-h", host, "-n", "test", "-d", `${directory}/1`]);
    assertEquals([saved.code, saved.complaints], [0, ""]);
    const restored = await run(runRestore, ["-h", host, "-d", `${directory}/1`, "-n", "copy"]);
    assertEquals([restored.code, restored.complaints], [0, ""]);
    assertStringIncludes(restored.printed, "3 indexes");
    assertEquals(await list("copy"), await list("test"));
  });
});

Deno.test("a backup that was interrupted goes on and has each record once", async () => {
  await withNode(async ({ host, client, directory }) => {
    await fill(client, 20_000);
    const args = ["-h", host, "-n", "test", "-d", `${directory}/all`, "-w", "2", "-F", "1"];
    let isFirst = true;
    const cut = await run(runBackup, [...args, "-L", "20000"], (stop) => {
      const timer = setTimeout(stop, isFirst ? 300 : 1e6);
      isFirst = false;
      return () => clearTimeout(timer);
    });
    assertEquals(cut.code, 1);
    assertStringIncludes(cut.complaints, "--continue goes on");
    const count = Number(/after (\d+) records/.exec(cut.complaints)![1]);
    assert(count > 0 && count < 20_000, `${count} records until the interruption`);
    // What a crash left behind the last whole state does not matter.
    const [file] = filesIn(`${directory}/all`);
    await Deno.writeTextFile(`${directory}/all/${file}`, "+ n te", { append: true });
    const rest = await run(runBackup, [...args, "--continue"]);
    assertEquals([rest.code, rest.complaints], [0, ""]);
    assertEquals(content(`${directory}/all`).size, 20_000);
    const other = await run(runBackup, [...args, "--continue"]);
    assertStringIncludes(other.complaints, "there is no state file");
  });
});

/** Interrupts a backup once it has begun. */
function soon(before: () => void = () => {}): (stop: () => void) => () => void {
  return (stop) => {
    const timer = setTimeout(() => {
      before();
      stop();
    }, 300);
    return () => clearTimeout(timer);
  };
}

Deno.test("a backup whose last state can't be kept goes on from the one before", async () => {
  await withNode(async ({ host, client, directory }) => {
    await fill(client, 3000);
    const args = ["-h", host, "-n", "test", "-d", `${directory}/all`];
    // As on a full disk: nothing new can be written.
    const obstacle = `${directory}/all/test.state.new`;
    const cut = await run(runBackup, [...args, "-L", "2000"], soon(() => Deno.mkdirSync(obstacle)));
    assertEquals(cut.code, 1);
    assertStringIncludes(cut.complaints, "--continue goes on after record 0 from");
    const fileCount = filesIn(`${directory}/all`).length;
    assert(fileCount > 1, "there are files that the state does not know");
    const rest = await run(runBackup, [...args, "--continue"]);
    assertEquals([rest.code, rest.complaints], [0, ""]);
    assertEquals(content(`${directory}/all`).size, 3000);
  });
});

Deno.test("a backup goes on with the same partitions alone", async () => {
  await withNode(async ({ host, client, directory }) => {
    await fill(client, 3000);
    const args = ["-h", host, "-n", "test", "-d", `${directory}/some`, "-L", "1000"];
    const cut = await run(runBackup, [...args, "--partitions", "0-2000"], soon());
    assertEquals(cut.code, 1);
    const other = await run(runBackup, [...args, "--partitions", "0-1999,2001", "--continue"]);
    assertStringIncludes(other.complaints, "belongs to a backup of something else");
  });
});

Deno.test("a backup ends with a word when nobody reads its standard output any more", async () => {
  await withNode(async ({ host, client }) => {
    await fill(client, 20_000);
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        new URL("main.ts", import.meta.url).pathname,
        "backup",
        "-h",
        host,
        "-n",
        "test",
        "-o",
        "-",
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    await child.stdout.cancel();
    const [{ code }, said] = await Promise.all([child.status, new Response(child.stderr).text()]);
    assertEquals(code, 1);
    assertStringIncludes(said, "nobody reads it any more");
    assert(!said.includes("Uncaught"), said);
  });
});

Deno.test("backup and restore choose by set, partition, time and policy", async () => {
  await withNode(async ({ host, client, directory }) => {
    await fill(client, 300);
    const to = (name: string) => ["-h", host, "-n", "test", "-d", `${directory}/${name}`];
    await run(runBackup, [...to("set"), "-s", "a b"]);
    assertEquals(content(`${directory}/set`).size, 100);
    await run(runBackup, [...to("low"), "--partitions", "0-2047"]);
    await run(runBackup, [...to("high"), "--partitions", "2048-4095"]);
    assertEquals(content(`${directory}/low`).size + content(`${directory}/high`).size, 300);
    await run(runBackup, [...to("past"), "--modified-before", "2020-01-01"]);
    assertEquals(content(`${directory}/past`).size, 0);
    await run(runBackup, [...to("recent"), "-a", "2020-01-01", "-b", "2200-01-01"]);
    assertEquals(content(`${directory}/recent`).size, 300);
    const again = await run(runRestore, ["-h", host, "-d", `${directory}/recent`]);
    assertStringIncludes(again.printed, "300 records read, 0 written, 300 kept");
    const unique = await run(runRestore, [
      "-h",
      host,
      "-d",
      `${directory}/recent`,
      "-n",
      "copy",
      "-u",
      "-s",
      "other",
    ]);
    assertStringIncludes(unique.printed, "300 records read, 200 written, 100 of other sets");
    const replaced = await run(runRestore, ["-h", host, "-d", `${directory}/recent`, "-r"]);
    assertStringIncludes(replaced.printed, "300 written");
    const twice = await run(runBackup, to("set"));
    assertEquals(twice.code, 1);
    assertStringIncludes(twice.complaints, "--remove-files");
  });
});

Deno.test("backup and restore say what is wrong with flags and files", async () => {
  await withNode(async ({ host, directory }) => {
    for (
      const args of [[], ["-n", "test"], ["-n", "test", "-d", "x", "-o", "y"], [
        "-n",
        "t",
        "-d",
        "x",
        "--partitions",
        "5000",
      ]]
    ) {
      assertEquals((await run(runBackup, args)).code, 2, args.join(" "));
    }
    assertEquals((await run(runRestore, ["-d", "x", "-u", "-r"])).code, 2);
    const unknown = await run(runBackup, ["-h", host, "-n", "nope", "-d", `${directory}/none`]);
    assertStringIncludes(unknown.complaints, 'the cluster has no namespace "nope"; it has test, copy');
    await Deno.writeTextFile(`${directory}/there`, "mine");
    const there = await run(runBackup, ["-h", host, "-n", "test", "-o", `${directory}/there`]);
    assertStringIncludes(there.complaints, "is there already; --remove-files replaces it");
    assertEquals(await Deno.readTextFile(`${directory}/there`), "mine");
    const replaced = await run(runBackup, ["-h", host, "-n", "test", "-o", `${directory}/there`, "-r"]);
    assertEquals([replaced.code, replaced.complaints], [0, ""]);
    await Deno.remove(`${directory}/there`);
    await Deno.writeTextFile(
      `${directory}/a.asb`,
      "Version 3.1\n# namespace test\n# first-file\n* u L a.lua 2 --\n",
    );
    await Deno.writeTextFile(`${directory}/b.asb`, "Version 3.1\n# namespace nope\n");
    const missing = await run(runRestore, ["-h", host, "-d", directory]);
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.complaints, 'b.asb: the cluster has no namespace "nope"');
    assertStringIncludes(missing.printed, "0 modules");
    for (const name of ["a", "b"]) await Deno.remove(`${directory}/${name}.asb`);
    await Deno.writeTextFile(`${directory}/bad.asb`, "Version 3.1\n# namespace test\n+ x");
    const { code, complaints } = await run(runRestore, ["-h", host, "-d", directory]);
    assertEquals(code, 1);
    assertStringIncludes(complaints, "bad.asb: the file ends in the middle of an item, at byte");
  });
});
