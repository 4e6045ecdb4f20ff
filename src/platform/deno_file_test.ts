import { assert, assertEquals } from "@std/assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createDisk } from "./disk.ts";

/** So many bytes take far longer to write than some turns of the microtask queue. */
const LARGE_SIZE_BYTES = 64 * 1024 * 1024;
const MICROTASK_TURNS = 50;

/** What was begun in this turn goes on as far as it can without the event loop. */
async function untilLoop(): Promise<void> {
  for (let turn = 0; turn < MICROTASK_TURNS; turn++) await Promise.resolve();
}

function sizeNow(path: string): number {
  return Deno.lstatSync(path).size;
}

Deno.test("DiskFile.write() does not write on the thread of the event loop", async () => {
  const folder = await mkdtemp(`${tmpdir()}/aerie-file-`);
  const path = `${folder}/large`;
  const file = await createDisk().open(path, { write: true, create: true });
  try {
    const written = file.write(0, new Uint8Array(LARGE_SIZE_BYTES).fill(1));
    await untilLoop();
    assert(sizeNow(path) < LARGE_SIZE_BYTES, "all of it was written before anything else could run");
    await written;
    assertEquals(await file.size(), LARGE_SIZE_BYTES);
  } finally {
    await file.close();
    await rm(folder, { recursive: true });
  }
});

Deno.test("DiskFile reads and writes many places at the same time, each its own", async () => {
  const folder = await mkdtemp(`${tmpdir()}/aerie-file-`);
  const file = await createDisk().open(`${folder}/many`, { write: true, create: true });
  const places = Array.from({ length: 100 }, (_, place) => place);
  try {
    await Promise.all(places.map((place) => file.write(place * 5000, new Uint8Array(5000).fill(place))));
    await file.sync();
    const found = await Promise.all(places.map(async (place) => {
      const bytes = new Uint8Array(5000);
      assertEquals(await file.read(place * 5000, bytes), 5000);
      return bytes.every((byte) => byte === place);
    }));
    assert(found.every((isRight) => isRight));
    assertEquals(await file.read(100 * 5000, new Uint8Array(1)), 0);
  } finally {
    await file.close();
    await rm(folder, { recursive: true });
  }
});
