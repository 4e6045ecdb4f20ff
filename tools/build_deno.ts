/**
 * The Deno build: `deno run -A tools/build_deno.ts` bundles the executable's entry into `dist/deno/`, which is what
 * `./compile.sh` puts into the executable. `deno run -A dist/deno/aerie.js` runs it as it is.
 *
 * Deno takes some 40 KiB of memory and 0.2 ms for each module that it loads, beside its code: a server of hundreds of
 * small ones needs a fifth less memory and starts in two thirds of the time from a bundle. What is imported at its first
 * use stays in files of its own.
 *
 * Options: `--out FOLDER` (default `dist/deno`).
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import * as esbuild from "esbuild";
import {
  absolute,
  denoResolver,
  installPackages,
  refuseLocalPaths,
  report,
  root,
  runTool,
} from "./bundle.ts";
import { print } from "./print.ts";

/** Name of the file that is run. */
const ENTRY_NAME = "aerie";

/** What the entry does: `import.meta.main` of the sources is true in one file of many only. */
const START = `import { run } from ${JSON.stringify(`${root}/cmd/main.ts`)};
await run();`;

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, { string: ["out"] });
  const out = absolute(args["out"] ?? `${root}/dist/deno`);
  await Deno.remove(out, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  const packagesFolder = `${root}/dist/deno_build`;
  await installPackages(packagesFolder);
  const { outputFiles } = await esbuild.build({
    stdin: { contents: START, resolveDir: root, sourcefile: `${ENTRY_NAME}.js` },
    entryNames: ENTRY_NAME,
    chunkNames: "[name]-[hash]",
    outdir: out,
    format: "esm",
    bundle: true,
    splitting: true,
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["deno", "module"],
    external: ["node:*"],
    target: "esnext",
    absWorkingDir: root,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "eof",
    logLevel: "warning",
    define: { "import.meta.main": "false" },
    plugins: [denoResolver(packagesFolder)],
    write: false,
  });
  await Deno.mkdir(out, { recursive: true });
  for (const { path, contents } of outputFiles) {
    await Deno.writeFile(path, contents);
    refuseLocalPaths(path);
  }
  report(`${out}/${ENTRY_NAME}.js`);
  const sizeBytes = outputFiles.reduce((sum, { contents }) => sum + contents.length, 0);
  print(`${outputFiles.length} files, ${(sizeBytes / 1e6).toFixed(1)} MB`);
}

if (import.meta.main) await runTool(main);
