import { assert, assertEquals, assertLess } from "@std/assert";
import { startNode } from "../node_process.ts";
import { CLIENT_SUITE_RECORDING, readRecording } from "../replay/recording.ts";
import { fuzz } from "./run.ts";
import { shapesOf } from "./shapes.ts";

/** The run in CI sends far more; this one shows on every change that nothing simple broke. */
const MUTATION_COUNT = 6000;

/** Resident memory may grow by this much. */
const RESIDENT_GROWTH_MAX_BYTES = 400 * 1024 * 1024;

Deno.test("a node keeps serving a good client while it gets mutated requests", async () => {
  const node = await startNode({ namespaces: ["test", "witness"], dataSize: "512M" });
  try {
    const before = node.residentBytes() ?? 0;
    const shapes = shapesOf(await readRecording(CLIENT_SUITE_RECORDING));
    const seed = Date.now() % 1_000_000;
    const result = await fuzz({
      ...{ host: node.host, port: node.port, shapes, seed, count: MUTATION_COUNT },
      witnessNamespace: "witness",
    });
    const failures = result.failures.map(({ what, mutations }) =>
      `${what}: mutations ${mutations.map((mutation) => mutation.index).join(" ")}`
    );
    assertEquals(failures, [], `seed ${seed}\n${node.output()}`);
    assert(node.isAlive(), `seed ${seed}: the node ended\n${node.output()}`);
    assertLess((node.residentBytes() ?? 0) - before, RESIDENT_GROWTH_MAX_BYTES, `seed ${seed}`);
  } finally {
    await node.stop();
  }
});
