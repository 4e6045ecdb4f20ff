/**
 * Files, by Deno's own interface or by `node:fs/promises`. What reads and writes at offsets is loaded when the first such
 * file is opened: a node in memory needs small whole files alone.
 *
 * @module
 */
import type { Disk, DiskFile, DiskOpenOptions } from "../port/mod.ts";
import { isDeno } from "./builtin.ts";
import { attempt } from "./disk_error.ts";

/** What a runtime does with whole files and folders; errors are the runtime's own. */
export type WholeFiles = Omit<Disk, "open">;

const nodeDisk = () => import("./node_disk.ts");

async function wholeFiles(): Promise<WholeFiles> {
  return isDeno ? (await import("./deno_disk.ts")).denoFiles : (await nodeDisk()).nodeFiles;
}

async function openFile(path: string, options: DiskOpenOptions): Promise<DiskFile> {
  const { openFile } = isDeno ? await import("./deno_file.ts") : await nodeDisk();
  return await openFile(path, options);
}

/** Files of the machine. */
export function createDisk(): Disk {
  return {
    open: (path, options = {}) => attempt("open", path, () => openFile(path, options)),
    readFile: (path, sizeMaxBytes) =>
      attempt("read", path, async () => (await wholeFiles()).readFile(path, sizeMaxBytes)),
    replaceFile: (path, content) =>
      attempt("replace", path, async () => (await wholeFiles()).replaceFile(path, content)),
    list: (path) => attempt("list", path, async () => (await (await wholeFiles()).list(path)).sort()),
    makeDirectory: (path) =>
      attempt("create the folder", path, async () => (await wholeFiles()).makeDirectory(path)),
    remove: (path) => attempt("remove", path, async () => (await wholeFiles()).remove(path)),
  };
}
