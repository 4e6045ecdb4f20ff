import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { assertEquals } from "@std/assert";

const root = new URL("../..", import.meta.url).pathname;

async function run(program: string, args: string[]): Promise<{ code: number; text: string }> {
  const command = new Deno.Command(program, {
    args,
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function hasNode(): Promise<boolean> {
  try {
    return (await run("node", ["--version"])).code === 0;
  } catch {
    return false;
  }
}

Deno.test({
  name: "createPlatform() keeps every port's promises when it runs on Node",
  // Without a Node on the path there is nothing to run it on.
  ignore: !await hasNode(),
  async fn() {
    const folder = mkdtempSync(`${tmpdir()}/aerie-node-ports-`);
    try {
      const entry = "src/platform/node_testing.ts";
      const build = ["run", "-A", "tools/build_node.ts", "--entry", entry, "--out", folder];
      const built = await run(Deno.execPath(), build);
      assertEquals(built.code, 0, built.text);
      const { code, text } = await run("node", [`${folder}/aerie.mjs`]);
      assertEquals(code, 0, text);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});
