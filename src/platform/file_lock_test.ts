import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { lockByFile, lockFile } from "./file_lock.ts";

const MODULE = new URL("./file_lock.ts", import.meta.url).href;

/** A process that locks a file and then waits. */
async function startHolder(path: string): Promise<Deno.ChildProcess> {
  const code = `import { lockFile } from "${MODULE}";
    await lockFile(${JSON.stringify(path)});
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", code],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return child;
}

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(`${tmpdir()}/aerie-lock-`);
  try {
    await writeFile(`${folder}/a.dat`, "");
    await body(`${folder}/a.dat`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("lockFile()", () => {
  it("names the process that has the file, and works at once when that was killed", () =>
    withFile(async (path) => {
      const holder = await startHolder(path);
      const error = await assertRejects(() => lockFile(path), Error);
      assertMatch(
        error.message,
        /^it is in use by (process \d+|another process); give each node files of its own/,
      );
      holder.kill("SIGKILL");
      await holder.status;
      await (await lockFile(path))();
    }));
});

describe("lockByFile()", () => {
  it("refuses a file that a living process has, and takes over what a dead one left", () =>
    withFile(async (path) => {
      const unlock = await lockByFile(path);
      await assertRejects(() => lockByFile(path), Error, "it is in use by this process already");
      await unlock();
      await writeFile(`${path}.lock`, "999999999 1");
      const again = await lockByFile(path);
      await again();
      // The same id, but a process that began at another time.
      await writeFile(`${path}.lock`, `${Deno.pid} 1`);
      await (await lockByFile(path))();
      assertEquals(await Array.fromAsync(Deno.readDir(path.slice(0, -6)), ({ name }) => name), ["a.dat"]);
    }));
});
