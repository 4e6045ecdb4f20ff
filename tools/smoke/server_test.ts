import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { startServer } from "./server.ts";

/** A server of one line of JavaScript. */
function script(source: string): string[] {
  return [Deno.execPath(), "eval", "--ext=js", source];
}

const STAYS = "setInterval(() => {}, 1000);";
const STOPS = "Deno.addSignalListener('SIGTERM', () => { console.log('stopped in 1 ms'); Deno.exit(0); });";

Deno.test("startServer() waits for the ready line, and stop() returns the exit code and all output", async () => {
  const server = await startServer(script(`${STOPS}${STAYS}console.error('ready in 12 ms');`), { cwd: "." });
  assert(server.readyMs > 0);
  assertMatch(await server.residentMb(), /^(\d+|unknown)$/);
  const { code, output } = await server.stop();
  assertEquals(code, 0);
  assertStringIncludes(output, "stopped in 1 ms");
  server.kill();
});

Deno.test("startServer() fails with the output when the process ends before it is ready", async () => {
  const error = await assertRejects(
    () => startServer(script("console.log('no such port'); Deno.exit(3);"), { cwd: "." }),
    Error,
  );
  assertStringIncludes(error.message, "it ended with 3 before it was ready");
  assertStringIncludes(error.message, "no such port");
});
