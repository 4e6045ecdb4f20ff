import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type EmbeddedNode, open } from "../../mod.ts";
import { createPlatform } from "../platform/mod.ts";

const RECORD_COUNT = 200;

type Storage = NonNullable<
  NonNullable<NonNullable<Parameters<typeof open>[0]>["settings"]>["namespaces"]
>[number]["storage"];

function openIn(folder: string, storage: Storage = {}): Promise<EmbeddedNode> {
  return open({
    settings: {
      service: { nodeId: "A1", workDirectory: folder },
      namespaces: [{
        name: "test",
        storage: {
          kind: "device",
          files: [`${folder}/test.dat`],
          filesize: 16 * 2 ** 20,
          encryptionKeyFile: `${folder}/key`,
          ...storage,
        },
      }],
    },
  });
}

async function statistic({ client }: EmbeddedNode, name: string): Promise<string | undefined> {
  return new RegExp(`(?:^|;)${name}=([^;]*)`).exec(await client.info("namespace/test"))?.[1];
}

/** Values of `n` that a query by index finds. */
async function query({ client }: EmbeddedNode, from: number, to: number): Promise<number[]> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await client.info("sindex/test/numbers")).includes("load_pct=100")) {
    assert(performance.now() < deadlineMs, "The index is built");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const found: number[] = [];
  const where = { bin: "n", between: [from, to] } as const;
  for await (const { bins } of client.scan({ namespace: "test", set: "s", where })) {
    found.push(Number(bins.n));
  }
  return found.sort((a, b) => a - b);
}

const textOf = (n: number) => `record ${n}, `.repeat(60);

for (const kind of ["device", "memory"] as const) {
  Deno.test(`a node with compressed and encrypted records serves clients: ${kind}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/key`, "a key of more than sixteen bytes");
      const first = await openIn(folder, { kind, postWriteCache: 0 });
      await first.client.info("sindex-create:namespace=test;set=s;indexname=numbers;bin=n;type=numeric");
      const key = (n: number) => ({ namespace: "test", set: "s", key: n });
      const change = (words: string) => first.client.info(`set-config:context=namespace;id=test;${words}`);
      for (let n = 0; n < RECORD_COUNT; n++) {
        if (n === 50) assertEquals(await change("compression=lz4"), "ok");
        if (n === 100) assertEquals(await change("compression=zstd"), "ok");
        if (n === 150) assertEquals(await change("compression-level=1"), "ok");
        await first.client.put(key(n), { n, text: textOf(n) });
      }
      assert(Number(await statistic(first, "data_compression_ratio")) < 0.9);
      assertEquals(await query(first, 90, 94), [90, 91, 92, 93, 94]);
      for (let n = 90; n < 94; n++) await first.client.put(key(n), { n: n + 1000 });
      assertEquals(await query(first, 90, 94), [94]);
      await first.close();

      const second = await openIn(folder, { kind, postWriteCache: 0 });
      assertEquals(await query(second, 1090, 1093), [1090, 1091, 1092, 1093]);
      for (const n of [0, 49, 75, 91, 120, 199]) {
        const record = await second.client.get(key(n));
        assertEquals(record?.bins, { n: n === 91 ? 1091 : n, text: textOf(n) });
      }
      let count = 0;
      for await (const { bins } of second.client.scan({ namespace: "test", set: "s" })) {
        assertStringIncludes(String(bins.text), "record ");
        count++;
      }
      assertEquals(count, RECORD_COUNT);
      await second.close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("set-config refuses compression by zstd where the runtime has none", async () => {
  const ports = await createPlatform({ log: { enabled: () => false, write() {} } });
  const node = await open({
    settings: {
      service: { nodeId: "A1" },
      namespaces: [{ name: "test", storage: { dataSize: 16 * 2 ** 20 } }],
    },
    ports: { ...ports, compute: { ...ports.compute, hasZstd: () => false } },
  });
  const change = (method: string) =>
    node.client.info(`set-config:context=namespace;id=test;compression=${method}`);
  await assertRejects(() => change("zstd"), Error, "use lz4");
  assertEquals(await change("lz4"), "ok");
  await node.close();
});
