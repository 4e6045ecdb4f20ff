/**
 * Scenarios with links that go down and come up, in network namespaces of this machine: each node has an address and a
 * host of its own. They run in a process of their own, in a namespace of its own, because the namespaces' bridge must
 * not meet the machine's network.
 *
 * @module
 */

import { type Report, type Scenario, Skipped } from "./scenario.ts";

const INSIDE = new URL("./links_inside.ts", import.meta.url).pathname;

function inNamespace(name: string): Scenario {
  return {
    name,
    async run(report) {
      const refused = await refusal();
      if (refused !== undefined) throw new Skipped(refused);
      await runInside(name, report);
    },
  };
}

/** Why network namespaces can't be had here; undefined when they can. */
async function refusal(): Promise<string | undefined> {
  const probe = "ip link set lo up && ip link add br0 type bridge && ip link add v0 type veth peer name v1";
  try {
    const command = new Deno.Command("unshare", { args: ["--net", "sh", "-c", probe], stderr: "piped" });
    const { success, stderr } = await command.output();
    if (success) return undefined;
    const why = new TextDecoder().decode(stderr).trim();
    return `network namespaces are not permitted here (${why}); root with unshare and iproute2 is needed`;
  } catch (error) {
    return `unshare is not here: ${(error as Error).message}`;
  }
}

async function runInside(name: string, report: Report): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    args: ["--net", Deno.execPath(), "run", "-A", INSIDE, name],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  for (const line of decoder.decode(stdout).split("\n")) {
    const [what, figure] = line.split("\t");
    if (figure !== undefined) report.note(what, figure);
  }
  if (code !== 0) throw new Error(decoder.decode(stderr).trim() || `it ended with exit code ${code}`);
}

/** All of them, by the names that `links_inside.ts` knows. */
export const linkScenarios: readonly Scenario[] = [
  inNamespace("namespaces: the link of a node goes down for 5 s"),
  inNamespace("namespaces: the link of the principal goes down for 5 s"),
  inNamespace("namespaces: a link flaps for less than the node timeout"),
];
