import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type EmbeddedNode, open } from "../../mod.ts";
import { createPlatform } from "../platform/mod.ts";
import {
  type AerieClient,
  type BatchRow,
  type Bins,
  connect,
  ConnectionError,
  Double,
  ops,
  type ScanRequest,
  ServerError,
} from "./mod.ts";

const keyOf = (key: string | number) => ({ namespace: "test", set: "demo", key });

/** A real node on a free port of loopback, and a client that reaches it through sockets. */
async function withNode(run: (client: AerieClient, node: EmbeddedNode) => Promise<void>): Promise<void> {
  const workDirectory = await Deno.makeTempDir();
  const node = await open({
    listen: true,
    settings: {
      service: { nodeId: "A1", workDirectory },
      network: {
        service: { port: 0 },
        info: { port: 0 },
        http: { port: 0 },
        fabric: { port: 0 },
        heartbeat: { port: 0 },
      },
      namespaces: [{ name: "test", nsupPeriod: 120, storage: { dataSize: 16 * 2 ** 20 } }],
    },
  });
  const port = node.listeners.find((listener) => listener.kind === "service")?.port;
  const client = await connect({ hosts: [`127.0.0.1:${port}`], ports: await createPlatform() });
  try {
    await run(client, node);
  } finally {
    client.close();
    await node.close();
    await Deno.remove(workDirectory, { recursive: true });
  }
}

async function count(client: AerieClient, request: ScanRequest): Promise<number> {
  let records = 0;
  for await (const record of client.scan(request)) {
    assertEquals(record.namespace, "test");
    records++;
  }
  return records;
}

Deno.test("single-record calls do to a real node what they say", async () => {
  await withNode(async (client) => {
    const key = keyOf("k1");
    assertEquals(client.nodes.map((node) => node.name), ["A1"]);
    assertEquals((await client.put(key, { a: 1, s: "hi", gone: 2 })).generation, 1);
    assertEquals((await client.put(key, { gone: null })).generation, 2);
    await client.increment(key, { a: 5 });
    await client.append(key, { s: "!" });
    await client.prepend(key, { s: ">" });
    assertEquals(await client.get(key), { bins: { a: 6, s: ">hi!" }, generation: 5, ttlS: -1 });
    assertEquals((await client.get(key, { bins: ["a", "none"] }))?.bins, { a: 6 });
    const result = await client.operate(key, [
      ops.increment("a", 1),
      ops.get("a"),
      ops.put("a", 9),
      ops.get("a"),
    ]);
    assertEquals(result.results, [{ bin: "a", value: 7 }, { bin: "a", value: 9 }]);
    const touched = await client.touch(key, { ttlS: 1000 });
    assert(touched !== undefined && touched.ttlS > 900 && touched.ttlS <= 1000);
    assertEquals((await client.exists(key))?.generation, 7);
    assertEquals([await client.delete(key), await client.delete(key)], [true, false]);
    assertEquals([await client.get(key), await client.exists(key), await client.touch(key)], [
      undefined,
      undefined,
      undefined,
    ]);
  });
});

Deno.test("a real node's refusals arrive as ServerError", async () => {
  await withNode(async (client) => {
    const key = keyOf("k1");
    await client.put(key, { a: 1 });
    const refusals: [() => Promise<unknown>, number][] = [
      [() => client.put(key, { a: 2 }, { exists: "create-only" }), 5],
      [() => client.put(keyOf("k2"), { a: 2 }, { exists: "update-only" }), 2],
      [() => client.put(key, { a: 2 }, { generation: 9, generationPolicy: "equal" }), 3],
      [() => client.append(key, { a: "x" }), 12],
      [() => client.get({ namespace: "none", key: 1 }), 20],
      [() => count(client, { namespace: "none" }), 20],
    ];
    for (const [call, code] of refusals) {
      const error = await assertRejects(call, ServerError);
      assertEquals([error.resultCode, error.inDoubt, error.node], [code, false, "A1"]);
    }
  });
});

Deno.test("values come back from a real node as they went", async () => {
  const value = fc.letrec<{ value: Bins[string] }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
      fc.double({ noNaN: true }),
      fc.string({ unit: "binary" }),
      fc.uint8Array(),
      fc.array(tie("value"), { maxLength: 20 }),
      fc.array(fc.tuple(fc.string(), tie("value")), { maxLength: 10 }).map((entries) => new Map(entries)),
    ),
  })).value;
  await withNode(async (client) => {
    await fc.assert(
      fc.asyncProperty(value, async (a) => {
        await client.put(keyOf("v"), { a }, { exists: "replace" });
        assertEquals((await client.get(keyOf("v")))?.bins, { a });
      }),
      { numRuns: 200 },
    );
    await client.put(keyOf("d"), { a: new Double(2) });
    await assertRejects(() => client.increment(keyOf("d"), { a: 1 }), ServerError, "INCOMPATIBLE_TYPE");
  });
});

Deno.test("batches, scans and truncate see every record of a real node once", async () => {
  await withNode(async (client) => {
    const rows = Array.from(
      { length: 700 },
      (_, i): BatchRow => ({ type: "put", key: keyOf(i), bins: { i, j: "x" } }),
    );
    const written = await client.batch(rows, { sendKey: true });
    assertEquals(written.filter((row) => row.resultCode === 0).length, 700);
    const records = await client.getMany(Array.from({ length: 800 }, (_, i) => keyOf(i)), { bins: ["i"] });
    assertEquals(
      records.map((record) => record?.bins.i),
      Array.from({ length: 800 }, (_, i) => i < 700 ? i : undefined),
    );
    const seen = new Set<unknown>();
    for await (const record of client.scan({ namespace: "test", set: "demo", bins: ["i"] })) {
      assertEquals(record.bins, { i: record.key as number });
      seen.add(record.key);
    }
    assertEquals(seen.size, 700);
    assertEquals(await count(client, { namespace: "test", policy: { maxRecords: 17 } }), 17);
    assertEquals(await count(client, { namespace: "test", set: "other" }), 0);
    const halves = [{ first: 0, count: 1000 }, { first: 1000, count: 3096 }];
    const counts = await Promise.all(
      halves.map((partitions) => count(client, { namespace: "test", partitions })),
    );
    assertEquals(counts[0] + counts[1], 700);
    await client.truncate({ namespace: "test", set: "demo" });
    assertEquals(await count(client, { namespace: "test" }), 0);
  });
});

Deno.test("compressed requests and replies say the same", async () => {
  await withNode(async (client) => {
    const policy = { compress: true };
    const text = "x".repeat(20_000);
    await client.put(keyOf("z"), { text }, policy);
    assertEquals((await client.get(keyOf("z"), { policy }))?.bins, { text });
    assertEquals((await client.getMany([keyOf("z")], { policy }))[0]?.bins, { text });
    assertEquals(await count(client, { namespace: "test", policy }), 1);
  });
});

Deno.test("calls fail with ConnectionError once the node has stopped", async () => {
  await withNode(async (client, node) => {
    await client.put(keyOf("k"), { a: 1 });
    await node.close();
    await assertRejects(() => client.get(keyOf("k")), ConnectionError);
  });
});
