/**
 * Stories of the cluster-wide metadata as text: `testdata/cluster/smd/*.txt` hold commands and, below `----`, all that
 * the nodes do. `GOLDEN=write deno test -A src/cluster/smd_transcripts_test.ts` writes them anew.
 *
 * | command | meaning |
 * | ------- | ------- |
 * | `start 1 2 3` | starts nodes, a second time with what their disks have |
 * | `skew 2 -5000` | a node's wall clock is ahead by some ms |
 * | `cluster 3 2 1` | these nodes are a cluster from now on |
 * | `set 1 truncate test\|demo 500` | a node wants an item set |
 * | `delete 1 truncate test\|demo` | a node wants an item deleted |
 * | `run 2000` | virtual ms, with transcript |
 * | `skip 2000` | virtual ms, without |
 * | `drop set-ack 1` | loses the next messages of a kind |
 * | `crash 3` | a process ends |
 * | `show truncate` | content on all nodes: version, then key=value (generation) |
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { LAB_MODULE_BY_NAME, SmdLab } from "./smd_testing.ts";

const FOLDER = new URL("../../testdata/cluster/smd/", import.meta.url);

/** Runs one command; returns what the nodes did. */
function runCommand(lab: SmdLab, command: string): string[] {
  const lines: string[] = [];
  lab.trace = (line) => void lines.push(line);
  const [name, ...words] = command.split(" ");
  const numbers = words.map(Number);
  switch (name) {
    case "start":
      for (const n of numbers) lab.start(n);
      break;
    case "skew":
      lab.node(numbers[0]).skewMs = numbers[1];
      break;
    case "cluster":
      lab.cluster(numbers);
      break;
    case "set":
    case "delete":
      lab.set(numbers[0], {
        module: LAB_MODULE_BY_NAME[words[1]],
        key: words[2],
        value: name === "set" ? words.slice(3).join(" ") : null,
      });
      break;
    case "run":
      lab.run(numbers[0]);
      break;
    case "skip":
      lab.run(numbers[0]);
      lines.length = 0;
      break;
    case "drop":
      lab.drops.set(words[0], numbers[1]);
      break;
    case "crash":
      lab.crash(numbers[0]);
      break;
    case "show":
      return lab.show(LAB_MODULE_BY_NAME[words[0]]);
    default:
      throw new Error(`unknown command "${command}"`);
  }
  return lines;
}

/** Runs a story; returns it with what really happened. */
function retell(text: string): string {
  const lab = new SmdLab(1);
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
  Deno.test(`Smd tells the story ${entry.name}`, async () => {
    const path = new URL(entry.name, FOLDER);
    const text = await Deno.readTextFile(path);
    const told = retell(text);
    if (Deno.env.get("GOLDEN") === "write") await Deno.writeTextFile(path, told);
    else assertEquals(told, text);
  });
}
