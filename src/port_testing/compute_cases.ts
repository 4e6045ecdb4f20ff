/**
 * What every Compute must do.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../base/mod.ts";
import type { Compute } from "../port/mod.ts";
import type { PortCase } from "./case.ts";

function computeCase(name: string, body: (compute: Compute) => void): PortCase {
  return {
    name,
    run({ ports }) {
      body(ports.compute);
      return Promise.resolve();
    },
  };
}

const sample = utf8("a record, a bin, a particle; ".repeat(400));

/** All cases of a Compute. */
export const computeCases: readonly PortCase[] = [
  computeCase("inflate() gives back what deflate() took", (compute) => {
    for (const source of [new Uint8Array(0), Uint8Array.of(7), sample]) {
      const packed = compute.deflate(source);
      assertEquals(packed[0], 0x78, "a zlib header");
      assertEquals(compute.inflate(packed, Math.max(1, source.length)), source);
    }
    assert(compute.deflate(sample).length < sample.length / 10);
  }),
  computeCase("inflate() refuses when the result would be larger than allowed", (compute) => {
    const packed = compute.deflate(sample);
    assertEquals(compute.inflate(packed, sample.length - 1), undefined);
    assertEquals(compute.inflate(compute.deflate(new Uint8Array(50 << 20)), 1024), undefined);
  }),
  computeCase("inflate() refuses a stream cut at any byte", (compute) => {
    const packed = compute.deflate(sample);
    for (let size = 0; size < packed.length; size++) {
      assertEquals(compute.inflate(packed.subarray(0, size), sample.length), undefined, `cut at ${size}`);
    }
  }),
  computeCase("inflate() refuses a stream with a wrong byte, or gives the right bytes", (compute) => {
    const packed = compute.deflate(sample);
    for (let at = 0; at < packed.length; at++) {
      const damaged = packed.slice();
      damaged[at] ^= 0x55;
      const result = compute.inflate(damaged, sample.length);
      if (result !== undefined) assertEquals(result, sample, `byte ${at}`);
    }
  }),
  computeCase("crc32() gives the known check value, and continues from a seed", (compute) => {
    assertEquals(compute.crc32(utf8("123456789")), 0xcbf43926);
    assertEquals(compute.crc32(utf8("6789"), compute.crc32(utf8("12345"))), 0xcbf43926);
  }),
  computeCase("sha1Hex() gives the known digest", (compute) => {
    assertEquals(compute.sha1Hex(utf8("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  }),
];
