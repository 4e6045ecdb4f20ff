/**
 * Files. What reads and writes at offsets is `node:fs/promises`, which Deno has too; it is loaded when the first such
 * file is opened. Under Deno small whole files, all that a node in memory needs, go through Deno's own interface.
 *
 * @module
 */
import type { Disk } from "../port/mod.ts";
import { isDeno } from "./builtin.ts";
import { attempt } from "./disk_error.ts";

/** What a runtime does with whole files and folders; errors are the runtime's own. */
export type WholeFiles = Omit<Disk, "open">;

const atOffsets = () => import("./node_disk.ts");

async function wholeFiles(): Promise<WholeFiles> {
  return isDeno ? (await import("./deno_disk.ts")).denoFiles : (await atOffsets()).nodeFiles;
}

/** Files of the machine. */
export function createDisk(): Disk {
  return {
    open: (path, options = {}) =>
      attempt("open", path, async () => (await atOffsets()).openFile(path, options)),
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
