/**
 * What every disk must do.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { utf8, utf8Decode } from "../base/mod.ts";
import type { Disk } from "../port/mod.ts";
import { type PortCase, rejection } from "./case.ts";

function diskCase(name: string, body: (disk: Disk, folder: string) => Promise<void>): PortCase {
  return { name, run: ({ ports, folder }) => body(ports.disk, folder) };
}

/** All cases of a disk. */
export const diskCases: readonly PortCase[] = [
  diskCase("write() and read() work at any offset", async (disk, folder) => {
    const file = await disk.open(`${folder}/data`, { write: true, create: true });
    await file.write(10, utf8("hello"));
    await file.write(0, utf8("0123456789"));
    await file.sync();
    assertEquals(await file.size(), 15);
    const target = new Uint8Array(8);
    assertEquals(await file.read(7, target), 8);
    assertEquals(utf8Decode(target), "789hello");
    assertEquals(await file.read(12, target), 3);
    assertEquals(await file.read(15, target), 0);
    assertEquals(await file.read(1000, target), 0);
    await file.close();
    await file.close();
  }),
  diskCase(
    "open() of a file that somebody has for himself is refused until he closes it",
    async (disk, folder) => {
      const options = { write: true, create: true, exclusive: true };
      const first = await disk.open(`${folder}/mine`, options);
      const error = await rejection(disk.open(`${folder}/mine`, options));
      assertStringIncludes(error.message, "it is in use by");
      assertEquals(error.code, "EBUSY");
      // Who does not ask to be alone may read.
      await (await disk.open(`${folder}/mine`)).close();
      await first.close();
      await (await disk.open(`${folder}/mine`, options)).close();
    },
  ),
  diskCase("isThere() tells that an open file was removed", async (disk, folder) => {
    const file = await disk.open(`${folder}/gone`, { write: true, create: true });
    assertEquals(await file.isThere?.(), true);
    await disk.remove(`${folder}/gone`);
    assertEquals(await file.isThere?.(), false);
    await file.write(0, Uint8Array.of(1));
    await file.close();
  }),
  diskCase("reserve() makes the begin of a new file zeros", async (disk, folder) => {
    const file = await disk.open(`${folder}/room`, { write: true, create: true });
    await file.reserve?.(5000);
    await file.truncate(10_000);
    await file.close();
    assertEquals(await disk.readFile(`${folder}/room`, 10_000), new Uint8Array(10_000));
  }),
  diskCase("write() past the end leaves zeros between", async (disk, folder) => {
    const file = await disk.open(`${folder}/gap`, { write: true, create: true });
    await file.write(4, Uint8Array.of(1));
    await file.close();
    assertEquals(await disk.readFile(`${folder}/gap`, 100), Uint8Array.of(0, 0, 0, 0, 1));
  }),
  diskCase("truncate() cuts and grows with zeros", async (disk, folder) => {
    const file = await disk.open(`${folder}/cut`, { write: true, create: true });
    await file.write(0, Uint8Array.of(1, 2, 3, 4));
    await file.truncate(2);
    await file.truncate(3);
    assertEquals(await file.size(), 3);
    await file.close();
    assertEquals(await disk.readFile(`${folder}/cut`, 100), Uint8Array.of(1, 2, 0));
  }),
  diskCase("open() says what is missing when there is no such file", async (disk, folder) => {
    const error = await rejection(disk.open(`${folder}/none`));
    assertEquals(error.code, "ENOENT");
    assertStringIncludes(error.message, `${folder}/none`);
    const deep = await rejection(disk.open(`${folder}/no/folder`, { write: true, create: true }));
    assertEquals(deep.code, "ENOENT");
    assertEquals((await rejection(disk.readFile(`${folder}/none`, 10))).code, "ENOENT");
    assertEquals((await rejection(disk.list(`${folder}/none`))).code, "ENOENT");
  }),
  diskCase("open() refuses writes when not opened for writing", async (disk, folder) => {
    await disk.replaceFile(`${folder}/fixed`, utf8("x"));
    const file = await disk.open(`${folder}/fixed`);
    const error = await rejection(file.write(0, utf8("y")));
    assertStringIncludes(error.message, `${folder}/fixed`);
    await file.close();
  }),
  diskCase("open() keeps the content when it exists and create is asked for", async (disk, folder) => {
    await disk.replaceFile(`${folder}/kept`, utf8("old"));
    const file = await disk.open(`${folder}/kept`, { write: true, create: true });
    assertEquals(await file.size(), 3);
    await file.close();
  }),
  diskCase("replaceFile() replaces the whole content", async (disk, folder) => {
    await disk.replaceFile(`${folder}/name`, utf8("a long first text"));
    await disk.replaceFile(`${folder}/name`, utf8("short"));
    assertEquals(utf8Decode(await disk.readFile(`${folder}/name`, 100)), "short");
    assertEquals(await disk.list(folder), ["name"]);
  }),
  diskCase("readFile() refuses a file that is too large", async (disk, folder) => {
    await disk.replaceFile(`${folder}/big`, new Uint8Array(101));
    const error = await rejection(disk.readFile(`${folder}/big`, 100));
    assertStringIncludes(error.message, "101");
    assertEquals((await disk.readFile(`${folder}/big`, 101)).length, 101);
  }),
  diskCase(
    "list() gives sorted names; makeDirectory() and remove() may be repeated",
    async (disk, folder) => {
      await disk.makeDirectory(`${folder}/sub/deep`);
      await disk.makeDirectory(`${folder}/sub/deep`);
      for (const name of ["b", "a", "c"]) await disk.replaceFile(`${folder}/sub/${name}`, utf8(name));
      assertEquals(await disk.list(`${folder}/sub`), ["a", "b", "c", "deep"]);
      await disk.remove(`${folder}/sub/b`);
      await disk.remove(`${folder}/sub/b`);
      assertEquals(await disk.list(`${folder}/sub`), ["a", "c", "deep"]);
    },
  ),
];
