import { assertEquals, assertMatch } from "@std/assert";
import { type EmbeddedNode, open } from "../../mod.ts";
import { encodeBase64, utf8 } from "../base/mod.ts";

const SOURCE = "function twice(rec) return rec.a * 2 end\n";

function openIn(workDirectory: string): Promise<EmbeddedNode> {
  return open({
    settings: {
      service: { nodeId: "A1", workDirectory },
      namespaces: [{ name: "test", storage: { dataSize: 16 * 2 ** 20 } }],
    },
  });
}

function put(source: string, fileName = "m.lua"): string {
  const content = encodeBase64(utf8(source));
  return `udf-put:filename=${fileName};content=${content};content-len=${content.length};udf-type=LUA;`;
}

Deno.test("udf-put, udf-list, udf-get and udf-remove keep modules over a restart", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const key = { namespace: "test", set: "demo", key: 1 };
    const first = await openIn(folder);
    assertEquals(await first.client.info("udf-list"), "");
    assertEquals(await first.client.info(put(SOURCE)), "ok");
    assertEquals(
      await first.client.info(put("", "gone.lua").replace("content=;", "content=YQ==;")),
      "error=invalid_content_len",
    );
    assertEquals(await first.client.info(put("x = 1", "gone.lua")), "ok");
    assertEquals(await first.client.info("udf-remove:filename=gone.lua;"), "ok");
    const list = await first.client.info("udf-list");
    assertMatch(list, /^filename=m\.lua,hash=[0-9a-f]{40},type=LUA;$/);
    await first.close();

    const second = await openIn(folder);
    assertEquals(await second.client.info("udf-list"), list);
    assertEquals(
      await second.client.info("udf-get:filename=m.lua;"),
      `type=LUA;content=${encodeBase64(utf8(SOURCE))};`,
    );
    await second.client.put(key, { a: 21 });
    assertEquals(await second.client.execute(key, { module: "m", function: "twice" }), 42);
    assertEquals(await second.client.info("udf-clear-cache"), "ok");
    assertEquals(await second.client.execute(key, { module: "m", function: "twice" }), 42);
    assertEquals(await second.client.info(put("function twice(rec) return 1 end")), "ok");
    assertEquals(
      await second.client.execute(key, { module: "m", function: "twice" }),
      1,
      "a new text counts at once",
    );
    await second.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("udf-put says what is wrong", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const node = await openIn(folder);
    const cases: [string, string][] = [
      ["udf-put:", "error=invalid_filename"],
      [put(SOURCE, "../m.lua"), "error=invalid_filename"],
      [put(SOURCE, "x".repeat(128)), "error=invalid_filename"],
      ["udf-put:filename=m.lua;content=YQ==", "error=invalid_content_len"],
      ["udf-put:filename=m.lua;content-len=4", "error=invalid_content"],
      ["udf-put:filename=m.lua;content-len=4;content=????", "error=invalid_base64_content"],
      [put(SOURCE).replace("LUA", "C"), "error=invalid_udf_type"],
      [
        put("x = = 1"),
        `error=compile_error;file=m.lua;line=1;message=${encodeBase64(utf8("unexpected symbol near '='"))}`,
      ],
    ];
    for (const [command, expected] of cases) assertEquals(await node.client.info(command), expected, command);
    assertEquals(await node.client.info("udf-list"), "");
    await node.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
