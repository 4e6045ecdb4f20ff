import { assertEquals, assertGreater, assertNotEquals } from "@std/assert";
import { toHex } from "../../src/base/mod.ts";
import { frameSizeBytes } from "../replay/message.ts";
import { CLIENT_SUITE_RECORDING, readRecording } from "../replay/recording.ts";
import { mutate } from "./mutate.ts";
import { SeededRandom } from "./random.ts";
import { shapeOf, shapesOf } from "./shapes.ts";

const shapes = shapesOf(await readRecording(CLIENT_SUITE_RECORDING));

Deno.test("shapesOf() tells messages apart by bits, fields, operations and info commands", () => {
  assertGreater(shapes.length, 120);
  assertEquals(new Set(shapes.map((shape) => shape.name)).size, shapes.length);
  for (const shape of shapes) for (const frame of shape.frames) assertEquals(shapeOf(frame), shape.name);
});

Deno.test("mutate() makes the same bytes when seed and number are the same", async () => {
  for (let index = 0; index < 300; index++) {
    const first = await mutate(shapes, { seed: 5, index });
    const second = await mutate(shapes, { seed: 5, index });
    assertEquals(toHex(first.bytes), toHex(second.bytes));
  }
  const other = await mutate(shapes, { seed: 6, index: 1 });
  assertNotEquals(toHex((await mutate(shapes, { seed: 5, index: 1 })).bytes), toHex(other.bytes));
});

Deno.test("mutate() keeps the frame's size right when it says so", async () => {
  let framedCount = 0;
  for (let index = 0; index < 3000; index++) {
    const mutation = await mutate(shapes, { seed: 1, index });
    if (!mutation.framed) continue;
    framedCount++;
    assertEquals(frameSizeBytes(mutation.bytes), mutation.bytes.length, mutation.kind);
    assertEquals(mutation.bytes[0], 2);
  }
  assertGreater(framedCount, 2700);
});

Deno.test("mutate() changes most frames", async () => {
  const originals = new Set(shapes.flatMap((shape) => shape.frames.map((frame) => toHex(frame))));
  let changedCount = 0;
  for (let index = 0; index < 2000; index++) {
    if (!originals.has(toHex((await mutate(shapes, { seed: 2, index })).bytes))) changedCount++;
  }
  assertGreater(changedCount, 1900);
});

Deno.test("SeededRandom.below() reaches every value when asked often", () => {
  const random = new SeededRandom(3);
  const seen = new Set(Array.from({ length: 500 }, () => random.below(10)));
  assertEquals(seen.size, 10);
});
