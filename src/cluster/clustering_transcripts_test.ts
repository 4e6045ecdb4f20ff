/**
 * Stories of the clustering as text: `testdata/cluster/*.txt` hold commands and, below `----`, all that the nodes do.
 * `GOLDEN=write deno test -A src/cluster` writes them anew; a change is reviewed like code.
 *
 * | command | meaning |
 * | ------- | ------- |
 * | `add-nodes 1 2 3 [every 100]` | starts nodes, with so many ms between them |
 * | `restart 2` | starts a node again |
 * | `run 2000` | virtual ms, with transcript |
 * | `skip 2000` | virtual ms, without |
 * | `show` | state of all nodes |
 * | `split 3 2 / 1` | cuts the network into groups |
 * | `cut 1>2` | cuts one direction |
 * | `heal` | all links work again |
 * | `drop learn 2` | loses the next messages of a kind |
 * | `crash 3`, `kill 3` | a process ends; with `kill` the others know |
 * | `sleep 3 5000` | a process does nothing for some ms |
 * | `duplicate 2 on` | another process uses the id |
 * | `min-cluster-size 2` | of all nodes |
 * | `recluster 3` | the command, with migrations allowed |
 * | `recluster 3 migrations-forbidden` | the command, without |
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ClusteringLab, DEFAULT_CLUSTERING_SETTINGS, labNodeId } from "./clustering_testing.ts";

const FOLDER = new URL("../../testdata/cluster/", import.meta.url);

/** Runs one command; returns what the nodes did. */
function runCommand(lab: ClusteringLab, command: string): string[] {
  const lines: string[] = [];
  lab.trace = (line) => void lines.push(line);
  const [name, ...words] = command.split(" ");
  const numbers = words.filter((word) => /^\d+$/.test(word)).map(Number);
  switch (name) {
    case "add-nodes": {
      const at = words.indexOf("every");
      const ids = (at < 0 ? words : words.slice(0, at)).map(Number);
      for (const id of ids) {
        lab.start(id);
        if (at >= 0) lab.run(Number(words[at + 1]));
      }
      break;
    }
    case "restart":
      lab.start(numbers[0]);
      break;
    case "run":
      lab.run(numbers[0]);
      break;
    case "skip":
      lab.run(numbers[0]);
      lines.length = 0;
      break;
    case "show":
      return lab.show();
    case "split":
      lab.split(...words.join(" ").split("/").map((group) => group.trim().split(" ").map(Number)));
      break;
    case "cut":
      lab.cutLink(...words[0].split(">").map(Number) as [number, number]);
      break;
    case "heal":
      lab.split();
      break;
    case "drop":
      lab.drops.set(words[0], numbers[0]);
      break;
    case "crash":
    case "kill":
      lab.crash(numbers[0], name === "kill");
      break;
    case "sleep":
      lab.sleep(numbers[0], numbers[1]);
      break;
    case "duplicate":
      setDuplicate(lab, numbers[0], words[1] === "on");
      break;
    case "min-cluster-size":
      for (const node of lab.alive) {
        node.settings = { ...DEFAULT_CLUSTERING_SETTINGS, clusterSizeMin: numbers[0] };
        lab.step(node, { kind: "settings", settings: node.settings });
      }
      break;
    case "recluster":
      lab.step(lab.node(numbers[0]), {
        kind: "recluster",
        migrationsAllowed: words[1] !== "migrations-forbidden",
      });
      break;
    default:
      throw new TypeError(`Unknown command "${command}"`);
  }
  return lines;
}

/** The node learns that it has a double; the others stop hearing it, as the heartbeat would arrange. */
function setDuplicate(lab: ClusteringLab, n: number, duplicate: boolean): void {
  lab.step(lab.node(n), { kind: "duplicate-id", duplicate });
  const others = lab.alive.map(({ id }) => id).filter((id) => id !== labNodeId(n));
  for (const id of others) {
    if (duplicate) lab.cutLink(n, parseInt(id, 16));
    else lab.cut.delete(`${labNodeId(n)}>${id}`);
  }
}

/** Runs a story; returns it with what really happened. */
function retell(text: string): string {
  const lab = new ClusteringLab(1);
  const told: string[] = [];
  for (const block of text.trimEnd().split(/\n\n+/)) {
    const lines = block.split("\n");
    const end = lines.indexOf("----");
    const commands = (end < 0 ? lines : lines.slice(0, end)).filter((line) => line !== "");
    const done: string[] = [];
    for (const command of commands) if (!command.startsWith("#")) done.push(...runCommand(lab, command));
    const isProse = commands.every((line) => line.startsWith("#"));
    told.push([...commands, ...(isProse ? [] : ["----", ...done])].join("\n"));
  }
  return told.join("\n\n") + "\n";
}

for (const entry of [...Deno.readDirSync(FOLDER)].filter(({ name }) => name.endsWith(".txt"))) {
  Deno.test(`Clustering tells the story ${entry.name}`, async () => {
    const path = new URL(entry.name, FOLDER);
    const text = await Deno.readTextFile(path);
    const told = retell(text);
    if (Deno.env.get("GOLDEN") === "write") await Deno.writeTextFile(path, told);
    else assertEquals(told, text);
  });
}
