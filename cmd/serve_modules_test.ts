/**
 * What a server loads when it starts: each module costs memory and time on machines that have little of both.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DENO_FLAGS, ownCommand } from "../src/platform/mod.ts";

interface Dependency {
  code?: { specifier?: string };
  isDynamic?: boolean;
}

interface ModuleGraph {
  roots: string[];
  modules: { specifier: string; dependencies?: Dependency[] }[];
  redirects: Record<string, string>;
}

const root = new URL("..", import.meta.url);

/** What is loaded with a module: all that it imports, and they, but what is imported at a first use only. */
async function modulesOf(entry: string): Promise<string[]> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  });
  const { success, stdout } = await command.output();
  assert(success);
  const graph = JSON.parse(new TextDecoder().decode(stdout)) as ModuleGraph;
  const byName = new Map(graph.modules.map((module) => [module.specifier, module]));
  const found = new Set<string>();
  const waiting = [graph.roots[0]];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    name = graph.redirects[name] ?? name;
    if (found.has(name)) continue;
    found.add(name);
    for (const { code, isDynamic } of byName.get(name)?.dependencies ?? []) {
      if (code?.specifier !== undefined && !isDynamic) waiting.push(code.specifier);
    }
  }
  return [...found].map((name) => name.replace(root.href, ""));
}

describe("modules of a server at its start", () => {
  it("modulesOf() finds what is imported, and what those import", async () => {
    const names = await modulesOf("cmd/serve_node.ts");
    for (const name of ["cmd/serve_node.ts", "src/node/session.ts", "src/storage/index.ts"]) {
      assert(names.includes(name), name);
    }
  });

  it("are no modules of Node's", async () => {
    for (const entry of ["cmd/main.ts", "cmd/serve.ts", "cmd/serve_node.ts"]) {
      assertEquals((await modulesOf(entry)).filter((name) => name.startsWith("node:")), []);
    }
  });

  it("are no packages, and no HTTP, before they are used", async () => {
    const names = await modulesOf("cmd/serve_node.ts");
    const mayBe = /^npm:\/*re2js@/;
    assertEquals(names.filter((name) => name.startsWith("npm:") && !mayBe.test(name)), []);
    assertEquals(names.filter((name) => name.startsWith("src/http/") || name.endsWith("yaml_form.ts")), []);
  });

  it("are none of a node in the process that supervises several", async () => {
    const names = await modulesOf("cmd/serve.ts");
    assert(names.includes("cmd/supervisor.ts"));
    const allowed = /^(cmd|src\/base|src\/port|src\/config|src\/platform)\//;
    assertEquals(names.filter((name) => !allowed.test(name)), []);
  });
});

Deno.test("the task, the executable and the nodes of a supervisor run with the same flags", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  const script = Deno.readTextFileSync(new URL("compile.sh", root));
  for (const flag of DENO_FLAGS) {
    for (const text of [tasks.start, tasks.aerie, script]) assertStringIncludes(text, flag);
    assert(ownCommand().includes(flag));
  }
});
