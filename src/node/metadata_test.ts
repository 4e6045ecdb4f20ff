import { assertEquals, assertRejects } from "@std/assert";
import { type EmbeddedNode, open } from "../../mod.ts";

/** A node with a work directory. */
function openIn(workDirectory: string): Promise<EmbeddedNode> {
  return open({
    settings: {
      service: { nodeId: "A1", workDirectory },
      namespaces: [{ name: "test", storage: { dataSize: 16 * 2 ** 20 } }],
    },
  });
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function lutOf({ client }: EmbeddedNode): Promise<string> {
  return /truncate_lut=(\d+)/.exec(await client.info("namespace/test"))![1];
}

Deno.test("NodeMetadata keeps truncation marks of namespaces and sets over a restart, and their end too", async () => {
  await withFolder(async (folder) => {
    const first = await openIn(folder);
    await first.client.put({ namespace: "test", set: "demo", key: 1 }, { a: 1 });
    await first.client.put({ namespace: "test", set: "gone", key: 1 }, { a: 1 });
    for (const set of ["demo", "gone"]) await first.client.truncate({ namespace: "test", set });
    await first.client.truncate({ namespace: "test" });
    await first.client.info("truncate-undo:namespace=test;set=gone");
    const lut = await lutOf(first);
    const marks = await first.client.info("smd-show:module=truncate");
    assertEquals(marks.split(";").map((mark) => mark.split("=")[0]), ["test", "test|demo"]);
    await first.close();

    const second = await openIn(folder);
    assertEquals(await lutOf(second), lut);
    assertEquals(await second.client.info("smd-show:module=truncate"), marks);
    const key = { namespace: "test", set: "demo", key: 2 };
    await second.client.put(key, { a: 2 });
    assertEquals((await second.client.get(key))?.bins, { a: 2 });
    await second.client.info("truncate-namespace-undo:namespace=test");
    await second.close();

    const third = await openIn(folder);
    assertEquals(await lutOf(third), "0");
    await third.close();
  });
});

Deno.test("createNode() refuses to start with metadata that it can't understand", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/smd`);
    await Deno.writeTextFile(`${folder}/smd/truncate.smd`, "[[1,");
    await assertRejects(() => openIn(folder), Error, "truncate.smd");
  });
});

Deno.test("NodeMetadata truncates all the same when the work directory can't be written", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/smd`, "a file where a folder should be");
    const node = await openIn(folder);
    await node.client.truncate({ namespace: "test" });
    assertEquals(await lutOf(node) !== "0", true);
    await node.close();
  });
});

Deno.test("NodeMetadata keeps definitions of indexes over a restart, with their last names, and their end too", async () => {
  await withFolder(async (folder) => {
    const create = (node: EmbeddedNode, rest: string) =>
      node.client.info(`sindex-create:namespace=test;${rest}`);
    const entry = (name: string, rest: string) =>
      `ns=test:indexname=${name}:${rest}:indextype=default:context=null:exp=null`;
    const first = await openIn(folder);
    await create(first, "set=demo;indexname=a;bin=i;type=numeric");
    await create(first, "set=demo;indexname=b;bin=i;type=numeric");
    await create(first, "indexname=gone;bin=s;type=string");
    await first.client.info("sindex-delete:namespace=test;indexname=gone");
    await first.close();

    const second = await openIn(folder);
    const list = await second.client.info("sindex-list:");
    assertEquals(list.replace(/:state=(WO|RW)$/, ""), entry("b", "set=demo:bin=i:type=numeric"));
    await second.client.put({ namespace: "test", set: "demo", key: 1 }, { i: 5 });
    assertEquals(/entries=(\d+)/.exec(await second.client.info("sindex/test/b"))![1], "1");
    await second.client.info("sindex-delete:namespace=test;indexname=b");
    await second.close();

    const third = await openIn(folder);
    assertEquals(await third.client.info("sindex-list:"), "");
    await third.close();
  });
});
