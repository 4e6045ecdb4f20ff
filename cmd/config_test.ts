// deno-lint-ignore-file no-console
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import { runConfig } from "./config.ts";

/** Runs the verb and catches what it prints. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const { log, error } = console;
  console.log = (line: string) => void out.push(line);
  console.error = (line: string) => void err.push(line);
  try {
    return { code: await runConfig(args), out: out.join("\n"), err: err.join("\n") };
  } finally {
    console.log = log;
    console.error = error;
  }
}

const sample = (name: string) => fileURLToPath(new URL(`../testdata/config/${name}`, import.meta.url));

describe("aerie config", () => {
  it("check() reports all errors and ends with 1 when the file is wrong", async () => {
    const { code, out } = await run("check", sample("wrong.conf"));
    assertEquals(code, 1);
    assertStringIncludes(out, 'nearest known name: "proto-fd-max"');
    assertMatch(out, /: \d+ errors, 1 warning$/);
  });

  it("check() ends with 0 for good files in both forms", async () => {
    assertEquals((await run("check", sample("sample.conf"))).code, 0);
    assertEquals((await run("check", sample("sample.yaml"))).code, 0);
  });

  it("check() ends with 1 when the file can't be read", async () => {
    const { code, err } = await run("check", sample("absent.conf"));
    assertEquals(code, 1);
    assertStringIncludes(err, "absent.conf");
  });

  it("print() shows values with their origins", async () => {
    const { code, out } = await run(
      "print",
      "--config-file",
      sample("sample.conf"),
      "--port",
      "3100",
      "--given",
    );
    assertEquals(code, 0);
    assertMatch(out, /network\.service\.port = 3100 +# --port/);
    assertMatch(out, /namespace\.bar\.set\.users\.stop-writes-count = 1048576 +# .*sample\.conf:59/);
  });

  it("reference() prints the page", async () => {
    assertStringIncludes((await run("reference")).out, "| `proto-fd-max` | 15000 |");
  });

  it("answers wrong usage with 2 and --help with an example", async () => {
    assertEquals((await run()).code, 2);
    assertEquals((await run("chekc")).code, 2);
    assertEquals((await run("check")).code, 2);
    assertEquals((await run("print", "--nonsense")).code, 2);
    const help = await run("--help");
    assertEquals(help.code, 0);
    assertStringIncludes(help.out, "aerie config check /etc/aerospike/aerospike.conf");
  });
});
