import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DiskPages } from "./disk_pages.ts";
import { SeededRandom } from "./seeded_random.ts";

const SIZE_MAX_BYTES = 60_000;

function bytesOf(pages: DiskPages): Uint8Array {
  const bytes = new Uint8Array(pages.sizeBytes).fill(1);
  assertEquals(pages.read(0, bytes), bytes.length);
  return bytes;
}

describe("DiskPages", () => {
  it("write(), resize() and flip() do what they do to an array, and copies go their own way", () => {
    const random = new SeededRandom(5);
    let model = new Uint8Array(0);
    let pages = new DiskPages();
    const copies: { pages: DiskPages; model: Uint8Array }[] = [];
    for (let step = 0; step < 300; step++) {
      const choice = random.below(4);
      if (choice === 0) {
        const size = random.below(SIZE_MAX_BYTES);
        const resized = new Uint8Array(size);
        resized.set(model.subarray(0, size));
        model = resized;
        pages.resize(size);
      } else if (choice === 1 && model.length > 0) {
        const at = random.below(model.length);
        model[at] ^= 1;
        pages.flip(at);
      } else if (choice === 2) {
        copies.push({ pages, model: model.slice() });
        pages = pages.copy();
      } else {
        const offset = random.below(SIZE_MAX_BYTES);
        const source = new Uint8Array(random.below(40_000)).fill(1 + random.below(255));
        const longer = new Uint8Array(Math.max(model.length, offset + source.length));
        longer.set(model);
        longer.set(source, offset);
        model = longer;
        pages.write(offset, source);
      }
      assertEquals(bytesOf(pages), model);
    }
    for (const copy of copies) assertEquals(bytesOf(copy.pages), copy.model);
  });

  it("findUsed() finds what is not zero, from its place to the end and then from the first place on", () => {
    const pages = new DiskPages();
    pages.resize(100_000);
    assertEquals(pages.findUsed(500, 0), 500);
    pages.write(40_000, Uint8Array.of(7));
    pages.write(10, Uint8Array.of(7));
    assertEquals(pages.findUsed(0, 0), 10);
    assertEquals(pages.findUsed(11, 0), 40_000);
    assertEquals(pages.findUsed(40_001, 0), 10);
    assertEquals(pages.findUsed(40_001, 11), 40_000);
  });
});
