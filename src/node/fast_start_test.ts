import { assert, assertEquals } from "@std/assert";
import { type EmbeddedNode, open } from "../../mod.ts";

const RECORD_COUNT = 300;

function openIn(folder: string): Promise<EmbeddedNode> {
  return open({
    settings: {
      service: { nodeId: "A1", workDirectory: folder },
      namespaces: [{
        name: "test",
        storage: { kind: "device", files: [`${folder}/test.dat`], filesize: 16 * 2 ** 20, postWriteCache: 0 },
      }],
    },
  });
}

async function statistic({ client }: EmbeddedNode, name: string): Promise<string | undefined> {
  return new RegExp(`(?:^|;)${name}=([^;]*)`).exec(await client.info("namespace/test"))?.[1];
}

async function untilReady({ client }: EmbeddedNode, index: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await client.info(`sindex/test/${index}`)).includes("load_pct=100")) {
    assert(performance.now() < deadlineMs, "The index is built");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function keysBetween({ client }: EmbeddedNode, from: number, to: number): Promise<number[]> {
  const found: number[] = [];
  const where = { bin: "n", between: [from, to] } as const;
  for await (const { bins } of client.scan({ namespace: "test", set: "s", where })) {
    found.push(Number(bins.n));
  }
  return found.sort((a, b) => a - b);
}

Deno.test("a node that starts fast has records and secondary indexes, and takes in what changes", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const first = await openIn(folder);
    await first.client.info("sindex-create:namespace=test;set=s;indexname=numbers;bin=n;type=numeric");
    for (let n = 0; n < RECORD_COUNT; n++) {
      await first.client.put({ namespace: "test", set: "s", key: n }, { n, text: "x".repeat(100) });
    }
    assertEquals(await statistic(first, "start_kind"), "cold");
    await first.close();

    const second = await openIn(folder);
    assertEquals(await statistic(second, "start_kind"), "fast");
    assertEquals(await statistic(second, "start_records"), String(RECORD_COUNT));
    await untilReady(second, "numbers");
    assertEquals(await keysBetween(second, 100, 109), Array.from({ length: 10 }, (_, place) => 100 + place));
    await second.client.put({ namespace: "test", set: "s", key: 100 }, { n: 5000 });
    await second.client.delete({ namespace: "test", set: "s", key: 101 });
    assertEquals(await keysBetween(second, 100, 102), [102]);
    assertEquals(await keysBetween(second, 5000, 5000), [5000]);
    await second.close();

    const third = await openIn(folder);
    assertEquals(await statistic(third, "start_kind"), "fast");
    await untilReady(third, "numbers");
    assertEquals(await keysBetween(third, 100, 102), [102]);
    const record = await third.client.get({ namespace: "test", set: "s", key: 100 });
    assertEquals(record?.bins, { n: 5000, text: "x".repeat(100) });
    await third.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a new data file has the room of its header from the begin, so that it opens on a full file system", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const node = await openIn(folder);
    await node.close();
    const { blocks } = await Deno.stat(`${folder}/test.dat`);
    // Both places of the header and of each partition page; without, a quarter of it is there.
    assert(blocks === null || blocks * 512 >= 2 * 4096 + 2 * 68 * 4096, `${blocks} blocks of 512 bytes`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
