/**
 * Locks on files and raw devices, so that two processes don't write to one. Under Deno the system's own lock (flock),
 * which ends with the process, whatever ends it. Node has none: there a file beside it names the process that holds it,
 * and counts for nothing once that process is gone.
 *
 * @module
 */

import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { errorCode } from "./network_common.ts";

/** Gives a lock back. */
export type Unlock = () => Promise<void>;

/** The part of Deno that locks files. */
interface LockingRuntime {
  open(path: string, options: { read: boolean; write: boolean }): Promise<LockableFile>;
}

interface LockableFile {
  tryLock(exclusive: boolean): Promise<boolean>;
  close(): void;
}

/** Tries to take over the lock file of a process that is gone. */
const STALE_TRIES = 3;
/** File systems that know no locks say so with one of these. */
const UNSUPPORTED: ReadonlySet<string> = new Set(["ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);

/**
 * Locks a file that is there.
 *
 * @throws {Error} with code EBUSY when another process, or this one, has it already
 */
export function lockFile(path: string): Promise<Unlock> {
  const runtime = (globalThis as { Deno?: LockingRuntime }).Deno;
  return runtime === undefined ? lockByFile(path) : lockBySystem(runtime, path);
}

async function lockBySystem(runtime: LockingRuntime, path: string): Promise<Unlock> {
  const file = await runtime.open(path, { read: true, write: true });
  let isLocked = false;
  try {
    isLocked = await file.tryLock(true);
  } catch (error) {
    file.close();
    if (!UNSUPPORTED.has(errorCode(error))) throw error;
    return () => Promise.resolve();
  }
  if (!isLocked) {
    file.close();
    throw busy(await holderOf(path));
  }
  return () => Promise.resolve(file.close());
}

/** The process that holds the system's lock, as Linux tells; undefined when it can't be found out. */
async function holderOf(path: string): Promise<number | undefined> {
  try {
    const { ino } = await fs.stat(path);
    const lines = (await fs.readFile("/proc/locks", "utf8")).split("\n");
    const line = lines.find((text) => text.includes("FLOCK") && text.includes(`:${ino} `));
    return line === undefined ? undefined : Number(line.trim().split(/\s+/)[4]);
  } catch {
    return undefined;
  }
}

/** {@linkcode lockFile} without the system's help. */
export async function lockByFile(path: string): Promise<Unlock> {
  const lockPath = path.startsWith("/dev/")
    ? `${tmpdir()}/aerie${path.replaceAll("/", "-")}.lock`
    : `${path}.lock`;
  const own = `${process.pid} ${await startOf(process.pid)}`;
  for (let tries = 0; tries < STALE_TRIES; tries++) {
    try {
      await fs.writeFile(lockPath, own, { flag: "wx" });
      return () => fs.rm(lockPath, { force: true });
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
    const text = await fs.readFile(lockPath, "utf8").catch(() => "");
    const pid = Number(text.split(" ")[0]);
    const isHeld = pid > 0 && text === `${pid} ${await startOf(pid)}`;
    if (isHeld) throw busy(pid);
    await fs.rm(lockPath, { force: true });
  }
  throw busy(undefined);
}

/** When a process began, in the system's ticks; it tells it from a later one with its id. Empty when there is none. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    try {
      process.kill(pid, 0);
      return "alive";
    } catch (error) {
      return errorCode(error) === "EPERM" ? "alive" : "";
    }
  }
}

function busy(pid: number | undefined): Error {
  const who = pid === undefined
    ? "another process"
    : pid === process.pid
    ? "this process already"
    : `process ${pid}`;
  return Object.assign(
    new Error(`it is in use by ${who}; give each node files of its own, or stop that process first`),
    { code: "EBUSY" },
  );
}
