/**
 * Writes docs/reference/info.md from the table of info commands; with `--check` it fails when the page is stale.
 *
 *     deno run -A tools/generate_info_reference.ts [--check]
 *
 * @module
 */
// deno-lint-ignore-file no-console
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { infoReferencePage } from "../src/node/mod.ts";

/** Where the page is kept. */
export const pagePath: string = fileURLToPath(new URL("../docs/reference/info.md", import.meta.url));

/** Whether the page on disk is what the table gives. */
export async function isCurrent(): Promise<boolean> {
  const present = await readFile(pagePath, "utf8").catch(() => "");
  return present === infoReferencePage();
}

if (import.meta.main) {
  if (!process.argv.includes("--check")) {
    await writeFile(pagePath, infoReferencePage());
    console.log(`wrote ${pagePath}`);
  } else if (!await isCurrent()) {
    console.error(
      "docs/reference/info.md is stale; run: deno run -A tools/generate_info_reference.ts",
    );
    process.exitCode = 1;
  }
}
