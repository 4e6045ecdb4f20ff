/**
 * `aerie serve`: the settings of a node, or of several. What a node is made of is loaded in the process that runs it, not
 * in one that supervises several.
 *
 * @module
 */

import {
  becomeNodeOfSeveral,
  formatDiagnostic,
  type LoadInput,
  loadSettings,
  type Settings,
  severalNodesProblems,
  SHORT_FLAG_HELP,
  splitSettingFlags,
  yamlForm,
} from "../src/config/mod.ts";
import { environment, readText } from "./program.ts";
import { parseNodeCount, seedHostOf, serveSeveral } from "./serve_several.ts";
import { print, printError } from "./terminal.ts";

const HELP = `aerie serve: run a node

Usage: aerie serve [FLAGS]

  --config-file FILE                   aerospike.conf, or its YAML form (by its ending, or --yaml)
  --yaml                               the file is in the YAML form
  --quiet                              don't print the start screen
  --nodes N|auto                       run N nodes on this host; auto: one for each processor
  --node-index K                       run only node K, from 0, of the N
${SHORT_FLAG_HELP.map(([flag, doc]) => `  ${flag.padEnd(36)} ${doc}`).join("\n")}

Without a file: namespace "test" in memory, on loopback, service port 3000.

Examples
  aerie serve --bind 0.0.0.0 --data-size 2G
  aerie serve --nodes 4 --data-size 8G
  aerie serve --config-file /etc/aerospike/aerospike.conf --service.proto-fd-max 1000`;

/** What `serve` understands besides settings. */
export interface ServeOptions {
  /** Configuration file. */
  configFile?: string;
  /** The file is in the YAML form. */
  yaml: boolean;
  /** Print no screen. */
  quiet: boolean;
  /** Number of nodes on this host; one when absent. */
  nodes?: number;
  /** Which of them this process is. */
  nodeIndex?: number;
  /** Another process of ours started this one, and says when it stops. */
  supervised?: boolean;
}

/** Runs the verb; resolves to the exit code when the node has stopped. */
export async function runServe(args: string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    print(HELP);
    return 0;
  }
  const { flags, rest } = splitSettingFlags(args);
  const options = parseOptions(rest);
  if (typeof options === "string") {
    printError(`aerie serve: ${options}\n\n${HELP}`);
    return 2;
  }
  const settings = await readSettings({ flags }, options);
  if (settings === undefined) return 1;
  const { nodes: count = 1, nodeIndex: index } = options;
  if (count === 1) return await serveOne(settings, options);
  if (index === undefined) return await serveSeveral(settings, { args, count, quiet: options.quiet });
  const problems = severalNodesProblems(settings, count);
  for (const problem of problems) printError(`aerie serve: ${problem}`);
  if (problems.length > 0) return 1;
  becomeNodeOfSeveral(settings, { index, count }, await seedHostOf(settings));
  return await serveOne(settings, options);
}

async function serveOne(settings: Settings, options: ServeOptions): Promise<number> {
  return await (await import("./serve_node.ts")).serve(settings, options);
}

function parseOptions(args: string[]): ServeOptions | string {
  const options: ServeOptions = { yaml: false, quiet: false };
  const words = args.flatMap((word) => {
    const [, name, value] = /^(--nodes|--node-index)=(.*)$/.exec(word) ?? [];
    return name === undefined ? [word] : [name, value];
  });
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    if (word === "--nodes" || word === "--node-index") {
      const problem = parseNodeOption(word, words[++index], options);
      if (problem !== undefined) return problem;
      continue;
    }
    if (word === "--yaml") options.yaml = true;
    else if (word === "--quiet") options.quiet = true;
    else if (word.startsWith("--config-file=")) options.configFile = word.slice("--config-file=".length);
    else if (word === "--config-file" && words[index + 1] !== undefined) options.configFile = words[++index];
    else if (word === "--supervised") options.supervised = true;
    else return `unknown option "${word}"`;
  }
  const { nodes = 1, nodeIndex } = options;
  if (nodeIndex !== undefined && nodeIndex >= nodes) {
    return `--node-index ${nodeIndex} is not one of --nodes ${nodes}; they are numbered from 0`;
  }
  return options;
}

/** Takes `--nodes` and `--node-index`; says what is wrong with the value. */
function parseNodeOption(
  name: string,
  value: string | undefined,
  options: ServeOptions,
): string | undefined {
  if (name === "--nodes") {
    const count = parseNodeCount(value);
    if (typeof count === "string") return count;
    options.nodes = count;
    return undefined;
  }
  if (!/^\d{1,3}$/.test(value ?? "")) {
    return `--node-index takes the number of a node, from 0, not "${value ?? ""}"`;
  }
  options.nodeIndex = Number(value);
  return undefined;
}

/**
 * Reads file, environment and flags; prints every remark.
 *
 * @returns the settings, or undefined when a remark is an error
 */
export async function readSettings(input: LoadInput, options: ServeOptions): Promise<Settings | undefined> {
  const whole: LoadInput = { env: environment(), ...input };
  if (options.configFile !== undefined) {
    try {
      whole.fileText = await readText(options.configFile);
    } catch (error) {
      printError(`Cannot read the configuration file "${options.configFile}": ${(error as Error).message}`);
      return undefined;
    }
    whole.fileName = options.configFile;
    if (options.yaml || /\.ya?ml$/.test(options.configFile)) whole.form = await yamlForm();
  }
  const result = loadSettings(whole);
  for (const diagnostic of result.diagnostics) {
    // A supervisor has printed the warnings.
    if (options.supervised && diagnostic.severity !== "error") continue;
    printError(formatDiagnostic(diagnostic));
  }
  return result.ok ? result.settings : undefined;
}
