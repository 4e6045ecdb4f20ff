/**
 * Imports point one way only, and a folder is entered through its door, `mod.ts`.
 *
 * Exempt: `tools/`, `bench/` and `container/` may import anything; tests, benchmarks and test helpers may import any folder (a test of
 * storage needs the simulator's ports), yet through its door too, or through its `testing.ts` files.
 *
 * @module
 */
import { importsOf, parseTree } from "./syntax.ts";
import { type Check, type Finding, isTestFile, sourcePaths, type Tree } from "./tree.ts";

/** Folders of one tier don't import each other; a folder may import every tier before its own. */
const TIERS: readonly (readonly string[])[] = [
  ["base", "port"],
  ["wire", "config"],
  ["record"],
  ["storage", "udf", "cluster"],
  ["sindex", "partition"],
  ["security"],
  ["transaction"],
  ["query", "xdr"],
  ["node"],
  ["http"],
];

/** Folders beside the tiers. */
const CLIENT_MAY_IMPORT = ["base", "port", "wire"];
const CLIENT_IMPORTED_BY = ["xdr", "http"];
const PLATFORM_MAY_IMPORT = ["base", "port"];
const SIM_MAY_NOT_IMPORT = ["platform", "http"];

/** Folders that may import anything, since nothing of the product imports them. */
const TOOLING = ["tools", "bench", "container"];

/** What each folder of `src/` may import. */
export const MAY_IMPORT: ReadonlyMap<string, ReadonlySet<string>> = allowed();

function allowed(): Map<string, Set<string>> {
  const result = new Map<string, Set<string>>();
  const before: string[] = [];
  for (const tier of TIERS) {
    for (const folder of tier) result.set(folder, new Set(before));
    before.push(...tier);
  }
  for (const folder of CLIENT_IMPORTED_BY) result.get(folder)!.add("client");
  result.set("client", new Set(CLIENT_MAY_IMPORT));
  result.set("platform", new Set(PLATFORM_MAY_IMPORT));
  result.set("sim", new Set([...before, "client"].filter((folder) => !SIM_MAY_NOT_IMPORT.includes(folder))));
  return result;
}

/** See the module's text. */
export const importOrder: Check = {
  name: "import order",
  run(tree: Tree): Finding[] {
    const { files } = parseTree(tree);
    return sourcePaths(tree).flatMap((path) =>
      importsOf(files.get(path)!).flatMap(({ specifier, line }) => {
        const text = specifier === undefined ? undefined : fault(path, specifier);
        return text === undefined ? [] : [{ path, line, text }];
      })
    );
  },
};

/** What is wrong with one import, or undefined. */
function fault(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = resolve(path, specifier);
  const from = folderOf(path);
  const to = folderOf(target);
  if (from === to || TOOLING.includes(from)) return undefined;
  if (to === "cmd" || TOOLING.includes(to)) {
    return `${from} imports ${target}: nothing outside imports ${to}/`;
  }
  if (isTestFile(path) && /\/([a-z_]+_)?testing\.ts$/.test(target)) return undefined;
  if (to !== "mod.ts" && target !== `src/${to}/mod.ts`) {
    return `imports ${target}: other folders go through src/${to}/mod.ts`;
  }
  if (isTestFile(path) || from === "mod.ts" || from === "client.ts" || from === "cmd") return undefined;
  const may = MAY_IMPORT.get(from);
  if (may === undefined) {
    return `src/${from} has no place in the import order; name it in tools/checks/import_order.ts`;
  }
  if (may.has(to)) return undefined;
  return `src/${from} may not import ${to}; it may import ${[...may].join(", ") || "nothing"}`;
}

/** `src/wire/x.ts` is of `wire`, `cmd/x.ts` of `cmd`, `mod.ts` of itself. */
function folderOf(path: string): string {
  const parts = path.split("/");
  return parts[0] === "src" && parts.length > 2 ? parts[1]! : parts[0]!;
}

function resolve(path: string, specifier: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}
