/**
 * Stories of whole nodes as text: `testdata/cluster/nodes/*.txt` hold commands and, below `----`, what the nodes do.
 * `GOLDEN=write deno test -A src/node/cluster/transcripts_test.ts` writes those anew that have changed; a change is
 * reviewed like code. Compared is what each node says to whom in a scene, and roughly when: the order of lines of different
 * nodes, repetitions and milliseconds change with everything that takes time.
 *
 * | command | meaning |
 * | ------- | ------- |
 * | `machines 1 2 3` | the first: machines with these names, on which nodes can start |
 * | `start 1 2 3 [every 100]` | starts nodes, with so many ms between them |
 * | `stop 3`, `kill 3`, `vanish 3` | a node ends in order, at once, or with its machine |
 * | `run 2000` | lets so many virtual ms pass |
 * | `settle` | until nothing has moved for a while |
 * | `split 3 / 2 1`, `heal` | cuts the network into groups, mends it |
 * | `quiesce 3`, `recluster 3` | the info commands |
 * | `put 1-50 old by 3` | writes records by a node |
 * | `get 1-50 by 3` | reads them |
 * | `show` | state of all nodes |
 *
 * A command that ends in `unseen` leaves no lines.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { createDigester } from "../../base/mod.ts";
import { NodeLab } from "./transcript_testing.ts";

const FOLDER = new URL("../../../testdata/cluster/nodes/", import.meta.url);
const SEED = Number(Deno.env.get("SEED") ?? 1);
const SETTLE_LIMIT_MS = 60_000;

/** Numbers of `3-50`. */
function range(text: string): number[] {
  const [first, last] = text.split("-").map(Number);
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/** Runs one command; returns what the nodes did. */
async function runCommand(lab: NodeLab, command: string): Promise<string[]> {
  const [name, ...words] = command.split(" ");
  if (words.at(-1) === "unseen") {
    await runCommand(lab, command.slice(0, -" unseen".length));
    return [];
  }
  switch (name) {
    case "start": {
      const at = words.indexOf("every");
      for (const node of at < 0 ? words : words.slice(0, at)) {
        await lab.start(node);
        if (at >= 0) await lab.run(Number(words[at + 1]));
      }
      return lab.take();
    }
    case "stop":
      await lab.stop(words[0]);
      return lab.take();
    case "kill":
    case "vanish":
      lab[name](words[0]);
      return [];
    case "run":
      await lab.run(Number(words[0]));
      return lab.take();
    case "settle":
      await lab.settle(SETTLE_LIMIT_MS);
      return lab.take();
    case "split":
      lab.split(words.join(" ").split("/").map((group) => group.trim().split(" ")));
      return [];
    case "heal":
      lab.heal();
      return [];
    case "quiesce":
      lab.quiesce(words[0]);
      return [];
    case "recluster":
      return [lab.recluster(words[0])];
    case "put":
      return [await lab.put(words[3], range(words[0]), words[1]), ...lab.take()];
    case "get": {
      const answer = await lab.get(words[2], range(words[0]));
      return [answer, ...lab.take()];
    }
    case "show":
      return lab.show();
    default:
      throw new TypeError(`Unknown command "${command}"`);
  }
}

/** Runs a story; returns it with what really happened. */
async function retell(text: string): Promise<string> {
  // What is loaded from outside while virtual time runs would make each run another.
  await createDigester();
  let lab: NodeLab | undefined;
  const told: string[] = [];
  for (const block of text.trimEnd().split(/\n\n+/)) {
    const lines = block.split("\n");
    const end = lines.indexOf("----");
    const commands = end < 0 ? lines : lines.slice(0, end);
    const done: string[] = [];
    await lab?.beginScene();
    for (const command of commands.filter((line) => line !== "" && !line.startsWith("#"))) {
      if (command.startsWith("machines ")) lab = new NodeLab(SEED, command.split(" ").slice(1));
      else done.push(...await runCommand(lab!, command));
    }
    told.push([...commands, ...(done.length === 0 ? [] : ["----", ...done])].join("\n"));
  }
  return told.join("\n\n") + "\n";
}

/** Times of a story may differ by so much. */
const TOLERANCE_MS = 250;

/** Kinds of messages of which there may be none: they come when two things happen in one order and not in the other. */
const OPTIONAL = /(, )?\b(start-again|join-reject|update)\b/g;

/** What each node says to whom, with the time of the first; states as they are. */
function contentOf(scene: string): Map<string, number> {
  const content = new Map<string, number>();
  for (const line of scene.split("\n")) {
    const [, time, by, text] = /^ *(\d+) {2}(\w) {2}(.*)$/.exec(line) ?? [];
    if (text === undefined) {
      content.set(line, 0);
      continue;
    }
    const plain = text.replace(/, until \d+$/, "").replace(/ ×\d+/g, "").replace(OPTIONAL, "")
      .replace(/^\(left the cluster: .*/, "(left the cluster)");
    const [, receivers, message] = /^-> ([\w ]+): (.*)$/.exec(plain) ?? [];
    for (const to of receivers?.split(" ") ?? [""]) {
      const said = `${by} ${to === "" ? plain : `-> ${to}: ${message}`}`;
      if (message !== "" && !content.has(said)) content.set(said, Number(time));
    }
  }
  return content;
}

/** What two stories tell differently, scene by scene. */
function differences(told: string, kept: string): string[] {
  const [toldScenes, keptScenes] = [told, kept].map((text) => text.trimEnd().split(/\n\n+/).map(contentOf));
  return keptScenes.flatMap((scene, at) => {
    const other = toldScenes[at] ?? new Map<string, number>();
    const missing = [...scene.keys()].filter((said) => !other.has(said)).map((said) => `no longer: ${said}`);
    const added = [...other.keys()].filter((said) => !scene.has(said)).map((said) => `new: ${said}`);
    const moved = [...scene].filter(([said, ms]) => Math.abs(ms - (other.get(said) ?? ms)) > TOLERANCE_MS)
      .map(([said, ms]) => `at ${other.get(said)} ms instead of ${ms}: ${said}`);
    return [...missing, ...added, ...moved].map((line) => `scene ${at}: ${line}`);
  });
}

for (const entry of [...Deno.readDirSync(FOLDER)].filter(({ name }) => name.endsWith(".txt"))) {
  Deno.test(`whole nodes tell the story ${entry.name}`, async () => {
    const path = new URL(entry.name, FOLDER);
    const text = await Deno.readTextFile(path);
    const told = await retell(text);
    const changes = differences(told, text);
    if (Deno.env.get("GOLDEN") !== "write") assertEquals(changes, []);
    else if (changes.length > 0) await Deno.writeTextFile(path, told);
  });
}
