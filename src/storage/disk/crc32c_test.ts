import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { utf8 } from "../../base/mod.ts";
import { TestRandom } from "../testing.ts";
import { crc32c, crc32cOfWord, crc32cOfWords } from "./crc32c.ts";

/** One bit at a time. */
function naive(bytes: Uint8Array, seed: number): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe("crc32c()", () => {
  it("gives the check values of RFC 3720", () => {
    assertEquals(crc32c(utf8("123456789")), 0xe3069283);
    assertEquals(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assertEquals(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e);
  });

  it("gives what a bit at a time gives, from any offset, continued from any seed", () => {
    const random = new TestRandom(3);
    const bytes = new Uint8Array(100);
    random.fill(bytes);
    for (let round = 0; round < 200; round++) {
      const start = random.below(50);
      const end = start + random.below(50);
      const seed = random.u32();
      assertEquals(crc32c(bytes, start, end, seed), naive(bytes.subarray(start, end), seed));
      const middle = start + random.below(end - start + 1);
      assertEquals(
        crc32c(bytes, middle, end, crc32c(bytes, start, middle, seed)),
        crc32c(bytes, start, end, seed),
      );
    }
  });
});

describe("crc32cOfWords()", () => {
  it("gives what crc32c() gives, for any number of words, continued from any seed", () => {
    const random = new TestRandom(4);
    const bytes = new Uint8Array(200);
    random.fill(bytes);
    const words = new Int32Array(bytes.buffer);
    for (let round = 0; round < 200; round++) {
      const start = random.below(20);
      const end = start + random.below(30);
      const seed = random.u32();
      assertEquals(crc32cOfWords(words, start, end, seed), crc32c(bytes, start * 4, end * 4, seed));
      assertEquals(crc32cOfWord(words[start], seed), crc32c(bytes, start * 4, start * 4 + 4, seed));
    }
  });
});
