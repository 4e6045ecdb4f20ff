import { assertEquals, assertStringIncludes } from "@std/assert";
import { importOrder } from "./import_order.ts";

/** Texts of the findings for one file that imports one specifier. */
function findings(path: string, specifier: string): string[] {
  const tree = new Map([[path, `import { x } from "${specifier}";\nexport const y = x;\n`]]);
  return importOrder.run(tree).map(({ text }) => text);
}

Deno.test("importOrder accepts an earlier tier's door", () => {
  assertEquals(findings("src/storage/a.ts", "../record/mod.ts"), []);
  assertEquals(findings("src/xdr/a.ts", "../client/mod.ts"), []);
  assertEquals(findings("src/sim/a.ts", "../node/mod.ts"), []);
  assertEquals(findings("mod.ts", "./src/platform/mod.ts"), []);
  assertEquals(findings("cmd/serve.ts", "../src/http/mod.ts"), []);
  assertEquals(findings("src/storage/a.ts", "./b.ts"), []);
});

Deno.test("importOrder refuses a later tier, the same tier and both ports' implementations", () => {
  const refused = [
    ["src/wire/a.ts", "../record/mod.ts", "src/wire may not import record"],
    ["src/storage/a.ts", "../cluster/mod.ts", "src/storage may not import cluster"],
    ["src/platform/a.ts", "../sim/mod.ts", "src/platform may not import sim"],
    ["src/sim/a.ts", "../platform/mod.ts", "src/sim may not import platform"],
    ["src/client/a.ts", "../node/mod.ts", "src/client may not import node"],
    ["src/node/a.ts", "../client/mod.ts", "src/node may not import client"],
    ["src/base/a.ts", "../port/mod.ts", "it may import nothing"],
  ] as const;
  for (const [path, specifier, expected] of refused) {
    const [text, ...rest] = findings(path, specifier);
    assertStringIncludes(text ?? "nothing found", expected);
    assertEquals(rest, []);
  }
});

Deno.test("importOrder refuses another folder's inner file, in tests too", () => {
  for (const path of ["src/storage/a.ts", "src/storage/a_test.ts", "cmd/serve.ts", "mod.ts"]) {
    const specifier = path.startsWith("src/")
      ? "../record/bin.ts"
      : path === "mod.ts"
      ? "./src/record/bin.ts"
      : "../src/record/bin.ts";
    assertStringIncludes(
      findings(path, specifier)[0] ?? "nothing found",
      "other folders go through src/record/mod.ts",
    );
  }
});

Deno.test("importOrder lets a test import any door, and refuses that to the code", () => {
  assertEquals(findings("src/storage/a_test.ts", "../sim/mod.ts"), []);
  assertEquals(findings("src/storage/a.ts", "../sim/mod.ts").length, 1);
});

Deno.test("importOrder lets tests and helpers of tests use another folder's helpers, and nobody else", () => {
  assertEquals(findings("src/query/a_test.ts", "../storage/testing.ts"), []);
  assertEquals(findings("src/query/testing.ts", "../storage/testing.ts"), []);
  assertEquals(findings("src/query/a.ts", "../storage/testing.ts").length, 1);
});

Deno.test("importOrder refuses tools/ and cmd/ as a source, whoever imports them", () => {
  assertStringIncludes(
    findings("src/node/a.ts", "../../tools/x.ts")[0] ?? "nothing found",
    "nothing outside imports tools/",
  );
  assertStringIncludes(
    findings("src/http/a.ts", "../../cmd/main.ts")[0] ?? "nothing found",
    "nothing outside imports cmd/",
  );
});

Deno.test("importOrder sees re-exports, import types and dynamic imports", () => {
  for (
    const source of [
      `export * from "../node/mod.ts";`,
      `export type { A } from "../node/mod.ts";`,
      `export type A = import("../node/mod.ts").A;`,
      `export const a = await import("../node/mod.ts");`,
    ]
  ) {
    assertEquals(importOrder.run(new Map([["src/wire/a.ts", source]])).length, 1, source);
  }
});

Deno.test("importOrder asks for a place when a folder has none", () => {
  assertStringIncludes(
    findings("src/extra/a.ts", "../base/mod.ts")[0] ?? "nothing found",
    "has no place in the import order",
  );
});
