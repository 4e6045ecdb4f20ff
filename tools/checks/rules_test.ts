import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dependencies } from "./dependencies.ts";
import { documents } from "./documents.ts";
import { lengths } from "./lengths.ts";
import { CHECKS, type Finding, readTree, type Tree } from "./mod.ts";
import { words } from "./words.ts";

const root = new URL("../..", import.meta.url).pathname;

function one(findings: Finding[]): Finding {
  assertEquals(findings.length, 1, JSON.stringify(findings));
  return findings[0]!;
}

Deno.test("lengths reports a file above 500 lines and fails one above 800", () => {
  const file = (lines: number): Tree => new Map([["src/wire/a.ts", "export {};\n".repeat(lines)]]);
  assertEquals(lengths.run(file(500)), []);
  assertEquals(one(lengths.run(file(501))).warning, true);
  assertEquals(one(lengths.run(file(801))).warning, false);
});

Deno.test("lengths reports a function above 70 lines, fails one above 100 and leaves tests alone", () => {
  const source = (lines: number) => `export function f() {\n${"  f();\n".repeat(lines - 2)}}\n`;
  assertEquals(lengths.run(new Map([["src/wire/a.ts", source(70)]])), []);
  assertEquals(one(lengths.run(new Map([["src/wire/a.ts", source(71)]]))).warning, true);
  assertEquals(one(lengths.run(new Map([["src/wire/a.ts", source(101)]]))).warning, false);
  assertEquals(lengths.run(new Map([["src/wire/a_test.ts", source(101)]])), []);
});

Deno.test("words finds registry hosts, local paths, notes to oneself and silenced checks", () => {
  const host = ["registry.n", "pmjs.org"].join("");
  for (
    const [path, text] of [
      ["README.md", `https://${host}/x`],
      ["a.sh", `cd ${["/wo", "rk/x"].join("")}`],
      ["src/wire/a.ts", `// ${["TO", "DO"].join("")}: later`],
      ["src/wire/a.ts", `// ${["@ts-ig", "nore"].join("")}`],
      ["src/wire/a_test.ts", `Deno.test.${["on", "ly"].join("")}("x", () => {});`],
    ] as const
  ) {
    assertEquals(words.run(new Map([[path, `first\n${text}\n`]]))[0]?.line, 2, text);
  }
  assertEquals(words.run(new Map([["README.md", "an ordinary page: network/work/x, ./root/x\n"]])), []);
});

const LOCK = JSON.stringify({ specifiers: { "npm:hono@4.0.0": "4.0.0" } });

Deno.test("dependencies accepts a locked package of one exact version with a row", () => {
  const tree = new Map([
    ["deno.json", `"hono": "npm:hono@4.0.0"`],
    ["deno.lock", LOCK],
    ["docs/DEPENDENCIES.md", "| `hono` | HTTP |"],
  ]);
  assertEquals(dependencies.run(tree), []);
});

Deno.test("dependencies refuses a package without row, exact version or lock, and a lock that names a host", () => {
  const base = {
    "deno.json": `"hono": "npm:hono@4.0.0"`,
    "deno.lock": LOCK,
    "docs/DEPENDENCIES.md": "| `hono` | x |",
  };
  for (
    const [change, expected] of [
      [{ "docs/DEPENDENCIES.md": "| `other` | x |" }, "has no row"],
      [{ "deno.json": `"hono": "npm:hono@^4.0.0"` }, "one exact version"],
      [{ "src/http/a.ts": `import "npm:hono@4.0.1/x";` }, "but deno.json has 4.0.0"],
      [{ "src/http/a.ts": `import "npm:@scope/other@1.0.0/x";` }, "@scope/other has no row"],
      [{ "deno.lock": `{"specifiers":{}}` }, "is not in deno.lock"],
      [{ "deno.lock": LOCK.replace("}", `,"x":"https://example.org/a.tgz"}`) }, "names the host"],
    ] as const
  ) {
    const found = dependencies.run(new Map(Object.entries({ ...base, ...change })));
    assertStringIncludes(found.map(({ text }) => text).join("; ") || "nothing found", expected);
  }
});

Deno.test("documents finds missing pages, broken links and another Deno version", () => {
  const tree = new Map([
    [
      "README.md",
      `[here](docs/A.md) [there](docs/B.md#part)\n\nnpx ${["deno@", "2.0.0"].join("")} task test\n`,
    ],
    ["docs/A.md", "[up](../README.md) [out](https://example.org)"],
    ["tools/deno_version", "2.9.6\n"],
  ]);
  const texts = documents.run(tree).map(({ path, text }) => `${path} ${text}`).join("; ");
  assertStringIncludes(texts, "LICENSE is missing or empty");
  assertStringIncludes(texts, "README.md link to docs/B.md, which does not exist");
  assertStringIncludes(texts, "but tools/deno_version says 2.9.6");
  assert(!texts.includes("docs/A.md"), texts);
});

Deno.test("readTree() sees sources, scripts without an ending and the lock file, not recordings", () => {
  const tree = readTree(root);
  for (
    const path of ["deno.json", "deno.lock", "src/base/mod.ts", "tools/deno_version", "tools/checks/mod.ts"]
  ) {
    assert(tree.has(path), path);
  }
  assertEquals([...tree.keys()].filter((path) => /^(testdata|dist|\.git)\//.test(path)), []);
});

Deno.test("CHECKS are all run by name", () => {
  assertEquals(new Set(CHECKS.map(({ name }) => name)).size, CHECKS.length);
});
