import { assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import { startNode } from "../node_process.ts";
import { CLIENT_SUITE_RECORDING, readRecording } from "./recording.ts";
import { replay } from "./replay.ts";
import { faultsOf, printableReport, readExceptions } from "./report.ts";

/** Fewer comparable answers than this mean that the replay has stopped looking. */
const IN_SCOPE_COUNT_MIN = 4500;

Deno.test("a node answers recorded traffic with the stock server's bytes", async () => {
  const node = await startNode();
  try {
    const result = await replay(await readRecording(CLIENT_SUITE_RECORDING), node);
    const report = printableReport(result);
    assertGreaterOrEqual(result.inScopeCount, IN_SCOPE_COUNT_MIN, report);
    assertEquals(faultsOf(result, await readExceptions()), [], report);
  } finally {
    await node.stop();
  }
});

Deno.test("every exception of the replay is a row of COMPAT.md", async () => {
  const exceptions = await readExceptions();
  const compat = await Deno.readTextFile(new URL("../../COMPAT.md", import.meta.url));
  for (const exception of exceptions) assertStringIncludes(compat, exception.reason);
});
