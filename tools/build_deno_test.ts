import { assertEquals, assertStringIncludes } from "@std/assert";
import { connect, GeoJson } from "../client.ts";
import { DENO_FLAGS } from "../src/platform/mod.ts";
import { startNode } from "./node_process.ts";

const root = new URL("..", import.meta.url).pathname;

async function deno(args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...args],
    cwd: root,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("the bundle for Deno serves, also what it loads at a first use, and has every verb", async () => {
  const folder = await Deno.makeTempDir({ prefix: "aerie-bundle-" });
  try {
    const built = await deno(["tools/build_deno.ts", "--out", folder]);
    assertEquals(built.code, 0, built.text);
    const entry = `${folder}/aerie.js`;
    for (
      const verb of ["info", "shell", "status", "doctor", "backup", "restore", "inspect", "demo", "config"]
    ) {
      const { code, text } = await deno([entry, verb, "--help"]);
      assertEquals(code, 0, text);
      assertStringIncludes(text, `aerie ${verb}`);
    }
    const node = await startNode({
      command: [Deno.execPath(), "run", "-A", ...DENO_FLAGS, entry],
      dataSize: "64M",
    });
    try {
      const client = await connect({ hosts: [`127.0.0.1:${node.port}`] });
      const key = { namespace: "test", set: "birds", key: "owl" };
      const place = new GeoJson({ type: "Point", coordinates: [7.5, 51.5] });
      await client.put(key, { wings: 2, place });
      assertEquals((await client.get(key))?.bins["wings"], 2);
      client.close();
    } finally {
      await node.stop();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
