/**
 * The text files of the repository as the checks see them: path to text. Tests build small trees by hand, so that each
 * check can be shown to fail.
 *
 * @module
 */

/** Path from the repository's root, with `/`, to the file's text. */
export type Tree = ReadonlyMap<string, string>;

/** One thing that a check found. */
export interface Finding {
  /** File that it is about. */
  path: string;
  /** Line, from 1; absent when it concerns the file as a whole. */
  line?: number;
  /** What is wrong and what to do about it. */
  text: string;
  /** True when it is only reported and fails nothing. */
  warning?: boolean;
}

/** One rule of the repository. */
export interface Check {
  /** Name in the output. */
  name: string;
  /** Looks at the whole tree. */
  run(tree: Tree): Finding[];
}

const SKIPPED_FOLDERS: ReadonlySet<string> = new Set([
  ".git",
  ".aerie",
  "coverage",
  "dist",
  "node_modules",
  "testdata",
]);

const TEXT_NAMES =
  /(\.(ts|js|mjs|cjs|json|jsonc|md|sh|conf|yml|yaml|html|css|txt|lua|toml|service|lock)|^[^.]+|^run)$/;

/** Reads every text file below `root` except what is generated, downloaded or recorded. */
export function readTree(root: string): Tree {
  const tree = new Map<string, string>();
  readFolder(root, "", tree);
  return tree;
}

function readFolder(root: string, folder: string, tree: Map<string, string>): void {
  const entries = [...Deno.readDirSync(folder === "" ? root : `${root}/${folder}`)];
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory) {
      if (!SKIPPED_FOLDERS.has(entry.name)) readFolder(root, path, tree);
    } else if (entry.isFile && TEXT_NAMES.test(entry.name)) {
      tree.set(path, Deno.readTextFileSync(`${root}/${path}`));
    }
  }
}

/** True for tests, benchmarks and the helpers that only they import. */
export function isTestFile(path: string): boolean {
  return /_(test|bench)\.ts$/.test(path) || /(^|\/|_)testing(\.ts$|\/)/.test(path);
}

/** The TypeScript files of a tree, declaration files aside. */
export function sourcePaths(tree: Tree): string[] {
  return [...tree.keys()].filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"));
}

/** The line, from 1, of an offset into a text. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
