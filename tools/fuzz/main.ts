/**
 * Sends mutated requests to a node of its own and checks that it keeps serving: no crash, no hang, bounded memory.
 *
 * Example: `deno run -A tools/fuzz/main.ts --mutations 100000 --seed 7`
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { toHex } from "../../src/base/mod.ts";
import { type NodeProcess, startNode } from "../node_process.ts";
import { print } from "../print.ts";
import { CLIENT_SUITE_RECORDING, readRecording } from "../replay/recording.ts";
import { mutate } from "./mutate.ts";
import { queryShapes, queryStage } from "./query_shapes.ts";
import { fuzz, type FuzzResult } from "./run.ts";
import { shapesOf } from "./shapes.ts";

const HELP = `Usage: deno run -A tools/fuzz/main.ts [--mutations N] [--seed S] [--first I] [--print]

--mutations  how many mutations to send; 100,000 unless given
--seed       which ones; a random seed, printed, unless given
--first      number of the first one, to repeat a part of a run
--print      print the mutations as hexadecimal instead of sending them`;

/** Resident memory may grow by this much during a run. */
const RESIDENT_GROWTH_MAX_BYTES = 512 * 1024 * 1024;

const MEBIBYTE = 1024 * 1024;

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, { string: ["mutations", "seed", "first"], boolean: ["help", "print"] });
  if (args.help) {
    print(HELP);
    return 0;
  }
  const seed = args.seed === undefined ? Date.now() % 1_000_000 : Number(args.seed);
  const count = Number(args.mutations ?? 100_000);
  const first = Number(args.first ?? 0);
  const shapes = [...shapesOf(await readRecording(CLIENT_SUITE_RECORDING)), ...queryShapes()];
  print(`seed ${seed}, ${count} mutations of ${shapes.length} message shapes`);
  if (args.print) {
    for (let index = first; index < first + count; index++) {
      const mutation = await mutate(shapes, { seed, index });
      print(`${index} ${mutation.kind}: ${toHex(mutation.bytes)}`);
    }
    return 0;
  }
  const node = await startNode({ namespaces: ["test", "witness"], dataSize: "512M" });
  try {
    const before = node.residentBytes() ?? 0;
    const startMs = performance.now();
    let peak = before;
    const result = await fuzz({
      ...{ host: node.host, port: node.port, shapes, seed, count, first, witnessNamespace: "witness" },
      stage: queryStage(),
      onProgress: () => peak = Math.max(peak, node.residentBytes() ?? peak),
    });
    return report(result, node, { before, peak, elapsedMs: performance.now() - startMs });
  } finally {
    await node.stop();
  }
}

function report(
  result: FuzzResult,
  node: NodeProcess,
  memory: { before: number; peak: number; elapsedMs: number },
): number {
  const mebibytes = (bytes: number) => `${Math.round(bytes / MEBIBYTE)} MiB`;
  print(
    `sent ${result.sentCount} in ${(memory.elapsedMs / 1000).toFixed(1)} s; groups dropped ` +
      `${result.droppedGroupCount}; second client ${result.witnessCount} round trips, slowest ` +
      `${result.witnessSlowestMs.toFixed(1)} ms; resident ${mebibytes(memory.before)}, peak ${
        mebibytes(memory.peak)
      }`,
  );
  const problems = result.failures.map((failure) => {
    const bytes = failure.mutations.map((mutation) =>
      `  ${mutation.index} ${mutation.kind}: ${toHex(mutation.bytes)}`
    );
    return [failure.what, ...bytes].join("\n");
  });
  if (!node.isAlive()) problems.push(`the node ended:\n${node.output()}`);
  if (memory.peak - memory.before > RESIDENT_GROWTH_MAX_BYTES) {
    problems.push(`resident memory grew by more than ${mebibytes(RESIDENT_GROWTH_MAX_BYTES)}`);
  }
  for (const problem of problems) print(problem);
  print(problems.length === 0 ? "passed" : "failed");
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
