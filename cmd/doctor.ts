/**
 * `aerie doctor`: looks at this machine and a configuration before a node runs with it, or beside one that does.
 *
 * @module
 */

import { readFileSync, statSync } from "node:fs";
import { becomeNodeOfSeveral, severalNodesProblems, splitSettingFlags } from "../src/config/mod.ts";
import { createLog, createPlatform } from "../src/platform/mod.ts";
import { checkNetwork, type DoctorInput, type Finding, type MachineFacts } from "./doctor_checks.ts";
import { checkClock, checkFiles, checkMemory, checkWorkDirectory } from "./doctor_machine.ts";
import { readSettings } from "./serve.ts";
import { parseNodeCount, seedHostOf } from "./serve_several.ts";
import { print, printError } from "./terminal.ts";

const help = `aerie doctor: what a node with these settings would meet on this machine

  aerie doctor [--config-file FILE] [--yaml] [--json] [--nodes N|auto] [FLAGS]

Tells which addresses would be advertised to clients and to peers, and why; whether this machine can open and dial
them; who uses the ports; whether memory, open files, clock and work directory will do. When a node runs with these
settings, what it says of its peers: which of them it can dial, and which dial it. Connects to addresses of this machine
only.

Flags
  --config-file FILE   aerospike.conf, or its YAML form (by its ending, or --yaml)
  --json               the findings as JSON
  --nodes N|auto       N nodes on this host, as for "aerie serve"
  --CONTEXT.NAME V     any setting, as for "aerie serve"

Exit codes: 0 fine, 1 problems were found, 2 wrong usage

Examples
  aerie doctor --config-file /etc/aerospike/aerospike.conf
  aerie doctor --bind 0.0.0.0 --network.service.access-address 203.0.113.7
`;

const FINE = 0;
const PROBLEMS = 1;
const USAGE = 2;

/** Where text goes; the terminal by default. */
export interface DoctorOutput {
  /** One text of the result. */
  print(text: string): void;
  /** One text for the person who called. */
  complain(text: string): void;
}

/**
 * Runs the verb.
 *
 * @param args the words after `doctor`
 * @param output where text goes
 * @returns the exit code: 0 fine, 1 problems were found, 2 wrong usage
 */
export async function runDoctor(
  args: string[],
  output: DoctorOutput = { print, complain: printError },
): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    output.print(help);
    return FINE;
  }
  const { flags, rest } = splitSettingFlags(args);
  const options = parseOptions(rest);
  if (typeof options === "string") {
    output.complain(`aerie doctor: ${options}\nSee "aerie doctor --help".`);
    return USAGE;
  }
  const settings = await readSettings({ flags }, { ...options, quiet: true });
  if (settings === undefined) return PROBLEMS;
  const ports = await createPlatform({ log: createLog({ sinks: [] }) });
  const input = { settings, ports, facts: machineFacts() };
  const findings = options.nodes === 1 ? await examine(input) : await examineSeveral(input, options.nodes);
  output.print(options.json ? JSON.stringify(findings) : findingsText(findings));
  return findings.some(({ level }) => level === "problem") ? PROBLEMS : FINE;
}

/** All checks, in the order in which people read them. */
export async function examine(input: DoctorInput): Promise<Finding[]> {
  const network = await checkNetwork(input);
  return [
    ...network.filter(({ topic }) => topic !== "ports"),
    ...network.filter(({ topic }) => topic === "ports"),
    ...checkMemory(input),
    ...checkFiles(input),
    ...checkClock(input),
    ...await checkWorkDirectory(input),
  ];
}

/**
 * All checks for several nodes on this host: addresses, ports and work directory of each, the machine once.
 *
 * @param input settings as one node would have them
 */
export async function examineSeveral(input: DoctorInput, count: number): Promise<Finding[]> {
  const problems = severalNodesProblems(input.settings, count);
  if (problems.length > 0) {
    const advice = "change the setting, or run fewer nodes";
    return problems.map((text) => ({ level: "problem", topic: `${count} nodes on this host`, text, advice }));
  }
  const seedHost = await seedHostOf(input.settings);
  const findings: Finding[] = [];
  for (let index = 0; index < count; index++) {
    const settings = structuredClone(input.settings);
    becomeNodeOfSeveral(settings, { index, count }, seedHost);
    const one = { ...input, settings };
    const own = [...await checkNetwork(one), ...await checkWorkDirectory(one)];
    findings.push(...own.map((finding) => ({ ...finding, topic: `node ${index}, ${finding.topic}` })));
  }
  return [...findings, ...checkMemory(input), ...checkFiles(input), ...checkClock(input)];
}

interface DoctorOptions {
  configFile?: string;
  nodes: number;
  yaml: boolean;
  json: boolean;
}

function parseOptions(words: readonly string[]): DoctorOptions | string {
  const options: DoctorOptions = { yaml: false, json: false, nodes: 1 };
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === "--yaml") options.yaml = true;
    else if (word === "--json") options.json = true;
    else if (word.startsWith("--config-file=")) options.configFile = word.slice("--config-file=".length);
    else if (word === "--config-file" && words[at + 1] !== undefined) options.configFile = words[++at];
    else if (word === "--nodes" || word.startsWith("--nodes=")) {
      const count = parseNodeCount(word === "--nodes" ? words[++at] : word.slice("--nodes=".length));
      if (typeof count === "string") return count;
      options.nodes = count;
    } else return `unknown option "${word}"`;
  }
  return options;
}

const MARKS = { fine: "  ok ", note: "  -- ", problem: "  !! " } as const;

/** Findings by topic; what to do stands below each. */
export function findingsText(findings: readonly Finding[]): string {
  const lines: string[] = [];
  for (const topic of new Set(findings.map((one) => one.topic))) {
    lines.push(topic);
    for (const { level, text, advice } of findings.filter((one) => one.topic === topic)) {
      lines.push(MARKS[level] + text);
      if (advice !== undefined) lines.push(`       ${level === "problem" ? "to do: " : ""}${advice}`);
    }
  }
  const count = findings.filter(({ level }) => level === "problem").length;
  lines.push(
    "",
    count === 0 ? "No problems." : `${count} ${count === 1 ? "problem" : "problems"}, marked with "!!".`,
  );
  return lines.join("\n");
}

function machineFacts(): MachineFacts {
  return { fileCountMax: readFileCountMax(), clockSynchronized: readClockSynchronized() };
}

/** The soft limit of this process, which a node started the same way has too. */
function readFileCountMax(): number | undefined {
  try {
    const line = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    if (line?.[1] === "unlimited") return Infinity;
    const count = Number(line?.[1]);
    return count > 0 ? count : undefined;
  } catch {
    return undefined;
  }
}

/** systemd-timesyncd touches this file when it has set the clock. */
function readClockSynchronized(): boolean | undefined {
  try {
    statSync("/run/systemd/timesync/synchronized");
    return true;
  } catch {
    return undefined;
  }
}
