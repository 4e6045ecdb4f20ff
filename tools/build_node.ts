/**
 * The Node build: `deno run -A tools/build_node.ts` bundles the executable's entry into `dist/aerie.mjs`, which any
 * Node 22 or later runs; `--executable` also makes `dist/aerie-node`, one file with Node inside.
 *
 * Steps: install the locked packages below `dist/`, bundle with esbuild, look for paths of this machine in the result,
 * and for the executable let Node prepare a blob, and put it into a copy of the Node program.
 *
 * Options: `--entry FILE` (default `cmd/main.ts`), `--out FOLDER` (default `dist`), `--node FILE` (the Node program to
 * copy, default: the one that `npx` gives for {@linkcode NODE_PACKAGE}).
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import * as esbuild from "esbuild";
import {
  absolute,
  denoResolver,
  installPackages,
  readImports,
  refuseLocalPaths,
  report,
  root,
  run,
  runTool,
} from "./bundle.ts";

/** Where the Node program comes from when the caller names none: the oldest line that the bundle supports. */
const NODE_PACKAGE = "node@22.23.3";

/** What esbuild may assume. */
const NODE_TARGET = "node22";

/** Largest executable, in bytes. */
const EXECUTABLE_SIZE_MAX = 135_000_000;

/** Marks the place in a Node program that says whether a blob is inside; given by Node's documentation. */
const SENTINEL_FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/**
 * What the bundle begins with. The entry's own start is behind `import.meta.main`, which a bundle for Node 22 lacks, and
 * it awaits at the top level, which a script inside an executable can't.
 */
function start(entry: string): string {
  return `import { main } from ${JSON.stringify(entry)};
main(process.argv0, process.argv.slice(2)).then((code) => process.exit(code), (error) => {
  console.error(error);
  process.exit(1);
});`;
}

interface BundleOptions {
  entry: string;
  packagesFolder: string;
  outfile: string;
  format: "esm" | "cjs";
}

/** Writes one bundle. */
async function bundle({ entry, packagesFolder, outfile, format }: BundleOptions): Promise<void> {
  await esbuild.build({
    stdin: { contents: start(entry), resolveDir: root, sourcefile: "start.js" },
    outfile,
    format,
    bundle: true,
    platform: "node",
    target: NODE_TARGET,
    absWorkingDir: root,
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: "eof",
    logLevel: "warning",
    define: {
      "import.meta.main": "false",
      ...(format === "cjs" ? { "import.meta.url": "bundleUrl" } : {}),
    },
    banner: {
      js: format === "cjs"
        ? `const bundleUrl = require("node:url").pathToFileURL(process.execPath).href;`
        : `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`,
    },
    plugins: [denoResolver(packagesFolder)],
  });
  refuseLocalPaths(outfile);
}

interface ExecutableOptions {
  out: string;
  bundleFile: string;
  nodeFile: string;
}

/** Makes the single executable. */
async function makeExecutable({ out, bundleFile, nodeFile }: ExecutableOptions): Promise<string> {
  const executable = `${out}/aerie-node`;
  const blob = `${out}/node_build/aerie.blob`;
  const config = `${out}/node_build/sea.json`;
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      main: bundleFile,
      output: blob,
      disableExperimentalSEAWarning: true,
      useCodeCache: true,
    }),
  );
  await run(nodeFile, ["--experimental-sea-config", config], out);
  const copy = `${executable}.part`;
  await Deno.copyFile(nodeFile, copy);
  await Deno.chmod(copy, 0o755);
  const inject = [
    "run",
    "-A",
    readImports()["postject"]!,
    copy,
    "NODE_SEA_BLOB",
    blob,
    "--sentinel-fuse",
    SENTINEL_FUSE,
  ];
  await run(Deno.execPath(), inject, root);
  await Deno.rename(copy, executable);
  return executable;
}

/** The path of a Node program of {@linkcode NODE_PACKAGE}. */
async function fetchNode(): Promise<string> {
  const path = await run("npx", ["--yes", "-p", NODE_PACKAGE, "node", "-p", "process.execPath"], root);
  return path.trim();
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, { string: ["entry", "out", "node"], boolean: ["executable"] });
  const entry = absolute(args["entry"] ?? `${root}/cmd/main.ts`);
  const out = absolute(args["out"] ?? `${root}/dist`);
  const packagesFolder = `${out}/node_build`;
  await installPackages(packagesFolder);
  const common = { entry, packagesFolder };
  await bundle({ ...common, outfile: `${out}/aerie.mjs`, format: "esm" });
  report(`${out}/aerie.mjs`);
  if (!args["executable"]) return;
  const bundleFile = `${out}/node_build/aerie.cjs`;
  await bundle({ ...common, outfile: bundleFile, format: "cjs" });
  const executable = await makeExecutable({ out, bundleFile, nodeFile: args["node"] ?? await fetchNode() });
  const sizeBytes = report(executable);
  if (sizeBytes > EXECUTABLE_SIZE_MAX) {
    throw new Error(`${executable} has ${sizeBytes} bytes; the limit is ${EXECUTABLE_SIZE_MAX}`);
  }
}

if (import.meta.main) await runTool(main);
