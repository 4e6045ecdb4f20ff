import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ownCommand, PROCESS_LINE_SIZE_MAX, startProcess, usableCpuCount } from "./process.ts";

interface Lines {
  output: string[];
  error: string[];
}

async function start(script: string, env: Record<string, string> = {}) {
  const lines: Lines = { output: [], error: [] };
  const process = await startProcess(["sh", "-c", script], {
    onLine: (line, stream) => void lines[stream].push(line),
    env,
  });
  return { process, lines };
}

describe("startProcess()", () => {
  it("gives lines of both streams, the last one without an end too, and the exit code", async () => {
    const { process, lines } = await start("echo one; echo two >&2; printf 'three\\nfour'; exit 3");
    assertEquals(await process.ended, { code: 3, signal: undefined });
    assertEquals(lines, { output: ["one", "three", "four"], error: ["two"] });
  });

  it("cuts a line that does not end", async () => {
    const { process, lines } = await start(`head -c ${3 * PROCESS_LINE_SIZE_MAX} /dev/zero | tr '\\0' x`);
    await process.ended;
    assertEquals(lines.output.join("").length, 3 * PROCESS_LINE_SIZE_MAX);
    assert(lines.output.length > 1);
  });

  it("sends signals, and none to a process that has ended", async () => {
    const { process } = await start("read line; echo never");
    process.signal("SIGTERM");
    assertEquals(await process.ended, { code: undefined, signal: "SIGTERM" });
    process.signal("SIGKILL");
  });

  it("adds to the environment and keeps the rest of it", async () => {
    const { process, lines } = await start('echo "$NEW ${PATH:+path}"', { NEW: "new" });
    await process.ended;
    assertEquals(lines.output, ["new path"]);
  });

  it("rejects with the program's name when there is none", async () => {
    await assertRejects(
      () => startProcess(["no-such-program-anywhere"], { onLine: () => {} }),
      Error,
      'Cannot start "no-such-program-anywhere"',
    );
  });
});

describe("usableCpuCount()", () => {
  it("is at least one and at most what the machine has", () => {
    const count = usableCpuCount();
    assert(Number.isInteger(count) && count >= 1 && count <= navigator.hardwareConcurrency, String(count));
  });
});

describe("ownCommand()", () => {
  it("begins with the runtime when the program runs from its sources", () => {
    const [program, ...rest] = ownCommand();
    assertEquals(program, Deno.execPath());
    assertEquals(rest.slice(0, 2), ["run", "-A"]);
  });
});
