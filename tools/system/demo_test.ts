import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";

const main = new URL("../../cmd/main.ts", import.meta.url).pathname;

interface Demo {
  child: Deno.ChildProcess;
  output: { text: string };
  folder: string;
  /** Resolves when the output matches. */
  saw(pattern: RegExp): Promise<void>;
  end(): Promise<Deno.CommandStatus>;
}

/** Runs the demo with a folder of its own for temporary files. */
async function startDemo(args: string[]): Promise<Demo> {
  const folder = await Deno.makeTempDir({ prefix: "aerie-demo-" });
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", main, "demo", ...args],
    env: { TMPDIR: folder },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = { text: "" };
  const pipes = [child.stdout, child.stderr].map(async (stream) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) output.text += decoder.decode(bytes, { stream: true });
  });
  return {
    child,
    output,
    folder,
    async saw(pattern) {
      const endMs = performance.now() + 30_000;
      while (!pattern.test(output.text)) {
        assert(performance.now() < endMs, `waited 30 s for ${pattern}; printed:\n${output.text}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async end() {
      const status = await child.status;
      await Promise.allSettled([...pipes, child.stdin.close()]);
      return status;
    },
  };
}

/** Processes whose command line names the folder. */
function processesOf(folder: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return pid > 0 && pid !== Deno.pid && Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(folder);
    } catch {
      return false;
    }
  });
}

async function leftovers(demo: Demo): Promise<string[]> {
  const endMs = performance.now() + 10_000;
  while (processesOf(demo.folder).length > 0 && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const files = (await Array.fromAsync(Deno.readDir(demo.folder))).map(({ name }) => name);
  return [...processesOf(demo.folder).map((pid) => `process ${pid}`), ...files];
}

describe("aerie demo", () => {
  it("does what its keys say, counts errors, and leaves nothing behind", async () => {
    const demo = await startDemo(["--nodes", "2", "--seconds", "40"]);
    try {
      const keys = demo.child.stdin.getWriter();
      const press = (text: string) => keys.write(new TextEncoder().encode(text));
      await demo.saw(/A1 up of 2, \d+\+\d+ partitions.* [1-9]\d* writes/);
      await press("2k");
      await demo.saw(/A1 up of 1, 4096\+0 partitions, 0 to move \| A2 down/);
      await press("h");
      await demo.saw(/A2 is started again(.|\n)*A1 up of 2, .*A2 up of 2/);
      await press("1f");
      await demo.saw(/A1 frozen \| A2 up of 1, 4096/);
      await press("h");
      await demo.saw(/A1 goes on(.|\n)*A1 up of 2, .*A2 up of 2/);
      await press("a");
      await demo.saw(/A3 up of 3/);
      await press("q");
      keys.releaseLock();
      await demo.end();
      assertMatch(demo.output.text, /\d+ reads and \d+ writes succeeded, \d+ requests failed/);
      assertEquals(await leftovers(demo), []);
    } finally {
      await Deno.remove(demo.folder, { recursive: true });
    }
  });

  it("leaves nothing behind when a signal ends it", async () => {
    const demo = await startDemo(["--nodes", "2"]);
    try {
      await demo.saw(/A1 up of 2/);
      demo.child.kill("SIGINT");
      const { code } = await demo.end();
      assertEquals(code, 0, demo.output.text);
      assertEquals(await leftovers(demo), []);
    } finally {
      await Deno.remove(demo.folder, { recursive: true });
    }
  });

  it("leaves no process behind when it is killed", async () => {
    const demo = await startDemo(["--nodes", "2"]);
    try {
      await demo.saw(/A1 up of 2/);
      demo.child.kill("SIGKILL");
      await demo.end();
      assertEquals((await leftovers(demo)).filter((what) => what.startsWith("process")), []);
    } finally {
      await Deno.remove(demo.folder, { recursive: true });
    }
  });
});
