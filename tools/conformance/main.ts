/**
 * Runs the official Node client's own test suite against a server and compares with what the stock server does.
 *
 * Example: `deno task conformance --file get --file put`
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { LocalCluster } from "../../cmd/local_cluster.ts";
import { startNode } from "../node_process.ts";
import { SOURCE_COMMAND } from "../system/loaded_cluster.ts";
import { print } from "../print.ts";
import { type Needs, needsOf, Observer } from "./observer.ts";
import { filesWithHookExceptions, printableReport, updatedList, withoutSetupList } from "./report.ts";
import { CLUSTER_EXCEPTIONS } from "./judged.ts";
import {
  exceptForClusters,
  MUST_PASS_FILE,
  type MustPass,
  readMustPass,
  readStock,
  regressionsOf,
  resultsOf,
  type StockTest,
  type TestResult,
} from "./results.ts";
import { type FileRun, runFile, type RunOptions } from "./run.ts";
import { CLIENT_VERSION, prepareSuite } from "./suite.ts";

const HELP = `Usage: deno task conformance [--host H --port P | --nodes N] [--file F]... [--grep G] [--update]
                             [--skip-setup] [--report FILE]

Runs the test suite of the official Node client ${CLIENT_VERSION}. Exit code 1 when a test that must pass does not.
--host, --port  an empty server with namespace "test", TTLs allowed; without them a node is started for it
--nodes         a cluster of N nodes is started for it, with two copies of each record
--file          only files whose name contains F; can be repeated
--grep          only tests whose title contains G
--update        write testdata/conformance/must_pass.json anew from what each test sends (whole suite only)
--skip-setup    hooks that register UDFs or create indexes do nothing, so that the tests around them run
--report        write all outcomes to FILE as JSON`;

/** Limit for one file, in milliseconds; the slowest takes about 150 s. */
const FILE_TIMEOUT_MS = 240_000;

/** How long a cluster may take to form. */
const CLUSTER_LIMIT_MS = 30_000;
/** Memory for the data of each node of a cluster. */
const CLUSTER_DATA_SIZE = "1G";

interface Arguments {
  host?: string;
  port?: string;
  nodes?: string;
  file?: string[];
  grep?: string;
  update: boolean;
  report?: string;
  "skip-setup": boolean;
  help: boolean;
}

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    string: ["host", "port", "nodes", "file", "grep", "report"],
    boolean: ["update", "skip-setup", "help"],
    collect: ["file"],
  }) as unknown as Arguments;
  if (args.help) {
    print(HELP);
    return 0;
  }
  const nodeCount = Number(args.nodes ?? 1);
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || (nodeCount > 1 && args.update)) {
    print(`--nodes takes a number from 1, and goes without --update\n\n${HELP}`);
    return 2;
  }
  const suite = await prepareSuite();
  const server = await startServer(args, nodeCount);
  try {
    const { host, port } = server;
    const options: RunOptions = { suite, host, port, fileTimeoutMs: FILE_TIMEOUT_MS };
    options.skipSetup = args["skip-setup"];
    if (args.grep !== undefined) options.grep = args.grep;
    return await runAll(args, options);
  } finally {
    await server.stop();
  }
}

/** What the suite is run against. */
interface Server {
  host: string;
  port: number;
  stop(): Promise<void>;
}

async function startServer(args: Arguments, nodeCount: number): Promise<Server> {
  if (args.port !== undefined) {
    return { host: args.host ?? "127.0.0.1", port: Number(args.port), stop: () => Promise.resolve() };
  }
  if (nodeCount === 1) return await startNode();
  const cluster = await LocalCluster.start(nodeCount, {
    command: SOURCE_COMMAND,
    dataSize: CLUSTER_DATA_SIZE,
    flags: () => ["--namespace.test.nsup-period", "10"],
  });
  try {
    await cluster.untilOne(CLUSTER_LIMIT_MS, { settled: true });
  } catch (error) {
    await cluster.close();
    throw error;
  }
  const { host, ports } = cluster.nodes[0].place;
  return { host, port: ports.service, stop: () => cluster.close() };
}

async function runAll(args: Arguments, options: RunOptions): Promise<number> {
  const stock = await readStock();
  const files = [...new Set(stock.map((test) => test.file))]
    .filter((file) => !args.file?.length || args.file.some((part) => file.includes(part)));
  if (args.update) return await updateList(stock, options);
  const ofOneNode = await readMustPass();
  const isCluster = Number(args.nodes ?? 1) > 1;
  const list = isCluster ? exceptForClusters(ofOneNode, CLUSTER_EXCEPTIONS) : ofOneNode;
  const runs = await plainRuns(files, options);
  const results = await retry(stock, runs, { names: list.mustPass, options });
  const selected = args.grep === undefined ? results : results.filter((test) => test.outcome !== "missing");
  const regressions = regressionsOf(selected, list.mustPass);
  if (args.grep === undefined) {
    regressions.push(...await regressionsWithoutSetup(stock, files, { list, options }));
  }
  print(printableReport({ results: selected, regressions, list, runs }));
  if (args.report !== undefined) {
    await Deno.writeTextFile(args.report, JSON.stringify({ results: selected, regressions }, null, 1));
  }
  return regressions.length === 0 ? 0 : 1;
}

/** Runs again the files with tests that only a hook around them keeps from running. */
async function regressionsWithoutSetup(
  stock: readonly StockTest[],
  files: readonly string[],
  input: { list: MustPass; options: RunOptions },
): Promise<TestResult[]> {
  const concerned = files.filter((file) => input.list.withoutSetup[file] !== undefined);
  const runs = await plainRuns(concerned, { ...input.options, skipSetup: true });
  const names = input.list.withoutSetup;
  return regressionsOf(
    await retry(stock, runs, { names, options: { ...input.options, skipSetup: true } }),
    names,
  );
}

/** Writes the list of tests that must pass anew, from what the tests send. */
async function updateList(stock: readonly StockTest[], options: RunOptions): Promise<number> {
  const files = [...new Set(stock.map((test) => test.file))];
  const first = await observedRuns(files, options);
  const { mustPass } = updatedList(resultsOf(stock, first.runs), first.needs);
  const results = await retry(stock, first.runs, { names: mustPass, options });
  const list = updatedList(results, first.needs);
  const second = await observedRuns(filesWithHookExceptions(list), { ...options, skipSetup: true });
  list.withoutSetup = withoutSetupList(resultsOf(stock, second.runs), list, second.needs);
  await Deno.writeTextFile(MUST_PASS_FILE, `${JSON.stringify(list, null, 1)}\n`);
  const regressions = regressionsOf(results, list.mustPass);
  print(printableReport({ results, regressions, list, runs: first.runs }));
  return regressions.length === 0 ? 0 : 1;
}

async function plainRuns(files: readonly string[], options: RunOptions): Promise<FileRun[]> {
  const runs: FileRun[] = [];
  for (const file of files) runs.push(await runFile(file, options));
  return runs;
}

async function observedRuns(
  files: readonly string[],
  options: RunOptions,
): Promise<{ runs: FileRun[]; needs: Map<string, Needs> }> {
  const observer = new Observer(options);
  const runs: FileRun[] = [];
  const needs = new Map<string, Needs>();
  for (const file of files) {
    const run = await runFile(file, { ...options, host: "127.0.0.1", port: observer.port });
    runs.push(run);
    needs.set(file, needsOf(run.lines, observer.sightings));
  }
  observer.close();
  return { runs, needs };
}

/**
 * Many tests wait for fixed times, and some fail now and then on the stock server too. What did not pass and should
 * have has a second chance; the report names what needed it.
 */
async function retry(
  stock: readonly StockTest[],
  runs: FileRun[],
  input: { names: MustPass["mustPass"]; options: RunOptions },
): Promise<TestResult[]> {
  const results = resultsOf(stock, runs);
  const failed = new Set([
    ...results.filter((test) => test.flaky && test.outcome !== "pass"),
    ...regressionsOf(results, input.names),
  ]);
  const files = [...new Set([...failed].map((test) => test.file))];
  const second = resultsOf(stock, await plainRuns(files, input.options));
  return results.map((test) => {
    if (!failed.has(test)) return test;
    const again = second.find((other) => other.file === test.file && other.name === test.name);
    return again?.outcome === "pass" ? { ...again, passedAtSecondTry: true } : test;
  });
}

if (import.meta.main) Deno.exit(await main());
