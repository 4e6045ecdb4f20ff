/**
 * Runs files of the suite, each in a process of its own with a bound in time, so that a hang or a crash of one loses
 * nothing of the others.
 *
 * @module
 */

import { CLIENT_VERSION, type Suite } from "./suite.ts";

/** One line of the reporter. */
export interface ReportLine {
  /** What it is about; `end` when mocha came to its end. */
  type: "test" | "hook" | "end";
  /** Outcome of a test; `fail` on a hook. */
  state?: "pass" | "fail" | "pending";
  /** Why it failed. */
  error?: string;
  /** File relative to the package, such as `test/get.js`. */
  file: string;
  /** Full title. */
  title: string;
}

/** What came out of one file. */
export interface FileRun {
  /** The file. */
  file: string;
  /** Failed hooks, and tests, in the order of their end. */
  lines: ReportLine[];
  /** How long it took. */
  elapsedMs: number;
  /** Why it did not come to its end: killed after the time limit, or a crash with the end of its output. */
  brokenBy?: string;
}

/** How to run. */
export interface RunOptions {
  /** The suite. */
  suite: Suite;
  /** Address of the server. */
  host: string;
  /** Service port of the server. */
  port: number;
  /** Only tests whose full title contains this text. */
  grep?: string;
  /** Limit for one file, in milliseconds. */
  fileTimeoutMs: number;
}

/** The version that the suite takes the server for: without it some tests skip themselves. */
const VERSION = "8.1.2.0";

const REPORTER = new URL("./reporter.cjs", import.meta.url).pathname;
const WARM_UP = new URL("./warm_up.cjs", import.meta.url).pathname;

/** Loaded before each file; in one process for all files, the first to need it would load it for the others. */
const HELPER = "test/test_helper.js";

/** How much of a crashed process's output is shown. */
const OUTPUT_SIZE_MAX = 500;

/**
 * Runs one file.
 *
 * @param file such as `test/get.js`
 */
export async function runFile(file: string, options: RunOptions): Promise<FileRun> {
  const { suite } = options;
  const report = await Deno.makeTempFile({ prefix: "aerie-conformance-" });
  const [program, ...before] = suite.node;
  const grep = options.grep === undefined ? [] : ["--fgrep", options.grep];
  const startMs = performance.now();
  const child = new Deno.Command(program, {
    args: [
      ...before,
      suite.mocha,
      "--exit",
      "--reporter",
      REPORTER,
      "--file",
      HELPER,
      "--file",
      WARM_UP,
      ...grep,
      file,
    ],
    cwd: suite.directory,
    env: {
      AERIE_REPORT: report,
      AEROSPIKE_VERSION_OVERRIDE: VERSION,
      npm_package_version: CLIENT_VERSION,
      OPTIONS: `--host ${options.host} --port ${options.port}`,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.fileTimeoutMs);
  const output = await child.output();
  clearTimeout(timer);
  const lines = parseReport(await Deno.readTextFile(report));
  await Deno.remove(report);
  const run: FileRun = { file, lines, elapsedMs: performance.now() - startMs };
  if (late) run.brokenBy = `killed after ${options.fileTimeoutMs / 1000} s`;
  else if (lines.at(-1)?.type !== "end") run.brokenBy = `ended early: ${outputText(output)}`;
  return run;
}

function parseReport(text: string): ReportLine[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as ReportLine);
}

function outputText(output: Deno.CommandOutput): string {
  const decoder = new TextDecoder();
  const text = decoder.decode(output.stderr) + decoder.decode(output.stdout);
  return text.replace(/\s+/g, " ").slice(0, OUTPUT_SIZE_MAX);
}
