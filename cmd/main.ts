/**
 * The executable: one verb per file. `aerie` alone serves; a file named `asd` or `asinfo` takes the stock programs'
 * command lines.
 *
 * @module
 */

import { exit, programArguments, programName } from "./program.ts";
import { print, printError } from "./terminal.ts";

/** A verb: what it is for, and what runs it. */
interface Verb {
  doc: string;
  run: (args: string[]) => Promise<number>;
}

const verbs: Record<string, Verb> = {
  serve: {
    doc: "run a node (default)",
    run: async (args) => (await import("./serve.ts")).runServe(args),
  },
  info: {
    doc: "ask a node, as asinfo does",
    run: async (args) => (await import("./info.ts")).runInfo(args),
  },
  shell: {
    doc: "look at records and change them",
    run: async (args) => (await import("./shell.ts")).runShell(args),
  },
  status: {
    doc: "the cluster at a glance",
    run: async (args) => (await import("./status.ts")).runStatus(args),
  },
  doctor: {
    doc: "check addresses, ports and limits of this machine",
    run: async (args) => (await import("./doctor.ts")).runDoctor(args),
  },
  backup: {
    doc: "write a namespace into backup files",
    run: async (args) => (await import("./backup.ts")).runBackup(args),
  },
  restore: {
    doc: "write backup files into a cluster",
    run: async (args) => (await import("./restore.ts")).runRestore(args),
  },
  inspect: {
    doc: "look into a data file, and check it",
    run: async (args) => (await import("./inspect.ts")).runInspect(args),
  },
  demo: {
    doc: "a cluster on this machine, under load, to be disturbed",
    run: async (args) => (await import("./demo.ts")).runDemo(args),
  },
  config: {
    doc: "check a configuration file, print the effective settings",
    run: async (args) => (await import("./config.ts")).runConfig(args),
  },
  sim: {
    doc: "run the simulator",
    run: async (args) => (await import("./sim.ts")).runSim(args),
  },
  version: {
    doc: "print the version",
    run: async (args) => (await import("./version.ts")).runVersion(args),
  },
  asd: {
    doc: "run a node with the stock server's command line",
    run: async (args) => (await import("./asd.ts")).runAsd(args),
  },
  asinfo: {
    doc: "ask a node with the stock tool's command line",
    run: async (args) => (await import("./info.ts")).runInfo(args),
  },
};

function usage(): string {
  const lines = Object.entries(verbs).map(([name, verb]) => `  ${name.padEnd(9)} ${verb.doc}`);
  return `aerie: an edge database that speaks the Aerospike protocol

Usage: aerie [VERB] [OPTIONS]

${lines.join("\n")}

aerie VERB --help tells more. Without a verb, aerie serves.

Example: aerie serve --port 3000 --data-size 512M`;
}

/** Runs a verb; resolves to the exit code: 0 fine, 1 failed, 2 wrong usage. */
export async function main(program: string, args: string[]): Promise<number> {
  const calledAs = program.replace(/^.*[/\\]/, "").replace(/\.(exe|ts|js|cjs|mjs)$/, "");
  if (calledAs === "asd" || calledAs === "asinfo") return await verbs[calledAs].run(args);
  const [first, ...rest] = args;
  if (first === "--help" || first === "-h" || first === "help") {
    print(usage());
    return 0;
  }
  if (first === "--version") return await verbs.version.run([]);
  if (first === undefined || first.startsWith("-")) return await verbs.serve.run(args);
  const verb = Object.hasOwn(verbs, first) ? verbs[first] : undefined;
  if (verb === undefined) {
    printError(`aerie: there is no verb "${first}"\n\n${usage()}`);
    return 2;
  }
  return await verb.run(rest);
}

/** Runs the verb that this process was started with, and ends it. */
export async function run(): Promise<never> {
  return exit(await main(programName(), programArguments()));
}

if (import.meta.main) await run();
