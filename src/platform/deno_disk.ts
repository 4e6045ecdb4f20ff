/**
 * Whole files and folders by Deno's own interface.
 *
 * @module
 */
import type { WholeFiles } from "./disk.ts";
import { folderOf, isFolderRefusal, tooLarge } from "./disk_error.ts";

async function readWhole(path: string, sizeMaxBytes: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  if (size > sizeMaxBytes) throw tooLarge(size, sizeMaxBytes);
  const content = new Uint8Array(size);
  let done = 0;
  while (done < size) {
    const count = await file.read(content.subarray(done));
    if (count === null) break;
    done += count;
  }
  return content.subarray(0, done);
}

/** Makes a rename survive a power cut. Not every system lets a folder be opened; there the rename is durable itself. */
async function syncFolder(path: string): Promise<void> {
  try {
    using folder = await Deno.open(path);
    await folder.sync();
  } catch (error) {
    if (!isFolderRefusal(error)) throw error;
  }
}

async function replace(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const file = await Deno.open(temporary, { write: true, create: true, truncate: true });
  try {
    for (let done = 0; done < content.length;) done += await file.write(content.subarray(done));
    await file.sync();
  } finally {
    file.close();
  }
  await Deno.rename(temporary, path);
  await syncFolder(folderOf(path));
}

async function list(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path)) names.push(name);
  return names;
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whole files and folders. */
export const denoFiles: WholeFiles = {
  readFile: readWhole,
  replaceFile: replace,
  list,
  makeDirectory: (path) => Deno.mkdir(path, { recursive: true }),
  remove,
};
