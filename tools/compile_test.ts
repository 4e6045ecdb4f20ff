import { assertEquals, assertStringIncludes } from "@std/assert";

const root = new URL("..", import.meta.url).pathname;

async function compile(args: string[], env: Record<string, string> = {}) {
  const command = new Deno.Command("./compile.sh", { args, env, cwd: root, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout), errors: decoder.decode(stderr) };
}

Deno.test("compile.sh names the file that DENORT_BIN should be, and fails", async () => {
  const { code, errors } = await compile([], { DENORT_BIN: "/nowhere/denort" });
  assertEquals(code, 1);
  assertStringIncludes(errors, `DENORT_BIN names "/nowhere/denort", which is not a file`);
});

Deno.test("compile.sh explains itself, and refuses what it does not know with exit code 2", async () => {
  assertStringIncludes((await compile(["--help"])).output, "./compile.sh --node");
  for (
    const [args, expected] of [
      [["--fast"], `unknown argument "--fast"`],
      [["--target"], "--target needs a value"],
      [["--node", "--target", "x"], "--node builds for this platform only"],
    ] as const
  ) {
    const { code, errors } = await compile([...args]);
    assertEquals(code, 2, args.join(" "));
    assertStringIncludes(errors, expected);
  }
});
