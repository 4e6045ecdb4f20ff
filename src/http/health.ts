/**
 * Health checks. Alive: the event loop turns and no assertion has failed; a process that is not alive should be started
 * again. Ready: clients can be served; a node that is not ready should get no traffic.
 *
 * @module
 */

import type { AerieNode } from "../node/mod.ts";

/** Outcome of one check. */
export interface Check {
  /** What was looked at. */
  name: string;
  /** What is wrong; undefined when nothing is. */
  problem: string | undefined;
}

/** Checks of `/livez`. */
export function livezChecks(node: AerieNode): Check[] {
  return [{
    name: "process",
    problem: node.state === "failed" ? "an assertion failed, see the log" : undefined,
  }];
}

/** Checks of `/readyz`. */
export function readyzChecks(node: AerieNode): Check[] {
  const partitions = node.namespaces.map(({ settings, partitions }) => ({
    name: `partitions/${settings.name}`,
    problem: partitions.generation < 0 ? "there is no partition map yet" : undefined,
  }));
  return [
    { name: "state", problem: node.state === "ready" ? undefined : `the node is ${node.state}` },
    { name: "cluster", problem: node.cluster.size > 0 ? undefined : "the node is in no cluster" },
    {
      name: "awake",
      problem: node.cluster.isFenced
        ? "the node slept, and waits until a majority of its cluster has confirmed it"
        : undefined,
    },
    ...partitions,
  ];
}

/**
 * Checks as text: `ok`, or a line per failed check; verbose, a line per check.
 *
 * @param name of the whole, for the last line
 */
export function checkText(name: string, checks: readonly Check[], verbose: boolean): string {
  const failed = checks.filter(({ problem }) => problem !== undefined);
  if (!verbose && failed.length === 0) return "ok\n";
  const lines = (verbose ? checks : failed).map((check) =>
    check.problem === undefined ? `[+] ${check.name} ok` : `[-] ${check.name} failed: ${check.problem}`
  );
  return `${lines.join("\n")}\n${name} ${failed.length === 0 ? "passed" : "failed"}\n`;
}
