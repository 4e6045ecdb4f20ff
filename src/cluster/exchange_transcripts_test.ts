/**
 * Stories of the exchange as text: `testdata/cluster/exchange/*.txt` hold commands and, below `----`, all that the nodes
 * do. `GOLDEN=write deno test -A src/cluster/exchange_transcripts_test.ts` writes them anew.
 *
 * | command | meaning |
 * | ------- | ------- |
 * | `form 1 2 3 [late 2 50]` | clustering publishes a cluster; node 2 learns of it 50 ms after the others |
 * | `orphan 2` | clustering publishes that the node is in no cluster |
 * | `stock 2` | the node sends what a stock node does |
 * | `set 2 JSON` | fields of its namespace in the next exchanges |
 * | `twice 2` | it tells its namespace twice |
 * | `drop ack 2` | loses the next messages of a kind |
 * | `run 200` | virtual ms |
 * | `show` | state of all nodes |
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ExchangeLab } from "./exchange_testing.ts";

const FOLDER = new URL("../../testdata/cluster/exchange/", import.meta.url);

function runCommand(lab: ExchangeLab, command: string): string[] {
  const lines: string[] = [];
  lab.trace = (line) => void lines.push(line);
  const [name, ...words] = command.split(" ");
  const number = Number(words[0]);
  const node = () => lab.node(number);
  switch (name) {
    case "form": {
      const lateAt = words.indexOf("late");
      const numbers = (lateAt < 0 ? words : words.slice(0, lateAt)).map(Number);
      const [late, delay] = lateAt < 0 ? [0, 0] : words.slice(lateAt + 1).map(Number);
      lab.form(numbers, (each) => each === late ? delay : 0);
      break;
    }
    case "orphan":
      lab.step(node(), { kind: "orphaned" });
      break;
    case "stock":
      node().own = { ...node().own, capabilities: undefined, incarnation: undefined, host: undefined };
      break;
    case "set": {
      const [namespace] = node().own.namespaces;
      const changes = JSON.parse(words.slice(1).join(" "));
      node().own = { ...node().own, namespaces: [{ ...namespace, ...changes }] };
      break;
    }
    case "twice":
      node().own = { ...node().own, namespaces: [...node().own.namespaces, ...node().own.namespaces] };
      break;
    case "drop":
      lab.drops.set(words[0], Number(words[1]));
      break;
    case "run":
      lab.run(number);
      break;
    case "show":
      return lab.show();
    default:
      throw new TypeError(`Unknown command "${command}"`);
  }
  return lines;
}

function retell(text: string): string {
  const lab = new ExchangeLab();
  const told: string[] = [];
  for (const block of text.trimEnd().split(/\n\n+/)) {
    const lines = block.split("\n");
    const end = lines.indexOf("----");
    const commands = (end < 0 ? lines : lines.slice(0, end)).filter((line) => line !== "");
    const isProse = commands.every((line) => line.startsWith("#"));
    const done = commands.flatMap((command) => command.startsWith("#") ? [] : runCommand(lab, command));
    told.push([...commands, ...(isProse ? [] : ["----", ...done])].join("\n"));
  }
  return told.join("\n\n") + "\n";
}

for (const entry of [...Deno.readDirSync(FOLDER)].filter(({ name }) => name.endsWith(".txt"))) {
  Deno.test(`Exchange tells the story ${entry.name}`, async () => {
    const path = new URL(entry.name, FOLDER);
    const text = await Deno.readTextFile(path);
    const told = retell(text);
    if (Deno.env.get("GOLDEN") === "write") await Deno.writeTextFile(path, told);
    else assertEquals(told, text);
  });
}
