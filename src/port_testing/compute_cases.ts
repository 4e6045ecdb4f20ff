/**
 * What every Compute must do.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fromHex, toHex, utf8 } from "../base/mod.ts";
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
  computeCase("zstdExpand() gives back what zstdCompress() took, and nothing else", (compute) => {
    // Node has zstd from 22.15 on.
    if (!compute.hasZstd()) return;
    for (const source of [Uint8Array.of(7), sample]) {
      for (const level of [1, 9]) {
        const packed = compute.zstdCompress(source, level);
        assertEquals(compute.zstdExpand(packed, source.length), source);
        assertEquals(compute.zstdExpand(packed.subarray(0, packed.length - 1), source.length), undefined);
      }
    }
    const packed = compute.zstdCompress(sample, 9);
    assert(packed.length < sample.length / 10);
    for (const size of [sample.length - 1, sample.length + 1]) {
      assertEquals(compute.zstdExpand(packed, size), undefined);
    }
    assertEquals(compute.zstdExpand(utf8("this is no frame of zstd"), 1000), undefined);
    assertEquals(compute.zstdExpand(new Uint8Array(0), 1000), undefined);
  }),
  computeCase("aesCtr() gives the known bytes of both key sizes, and is its own reverse", (compute) => {
    // NIST SP 800-38A, F.5.1 and F.5.5.
    const nonce = fromHex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    const source = fromHex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    const known = {
      "2b7e151628aed2a6abf7158809cf4f3c": "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff",
      "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4":
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5",
    };
    for (const [key, sealed] of Object.entries(known)) {
      const aes = { key: fromHex(key), nonce };
      assertEquals(toHex(compute.aesCtr(source, aes)), sealed);
      assertEquals(compute.aesCtr(fromHex(sealed), aes), source);
      assertEquals(toHex(compute.aesCtr(source.subarray(0, 5), aes)), sealed.slice(0, 10));
    }
  }),
  computeCase(
    "aesGcmOpen() opens what aesGcmSeal() made, with the same key, nonce and context alone",
    (compute) => {
      const aes = { key: new Uint8Array(32).fill(1), nonce: new Uint8Array(12).fill(2) };
      const context = utf8("context");
      const sealed = compute.aesGcmSeal(sample, aes, context);
      assertEquals(sealed.length, sample.length + 16);
      assertEquals(compute.aesGcmOpen(sealed, aes, context), sample);
      assertEquals(compute.aesGcmOpen(sealed, aes, utf8("other")), undefined);
      assertEquals(compute.aesGcmOpen(sealed, { ...aes, key: new Uint8Array(32) }, context), undefined);
      assertEquals(compute.aesGcmOpen(sealed, { ...aes, nonce: new Uint8Array(12) }, context), undefined);
      assertEquals(compute.aesGcmOpen(sealed.subarray(1), aes, context), undefined);
      assertEquals(compute.aesGcmOpen(new Uint8Array(3), aes, context), undefined);
    },
  ),
  computeCase("sha256() gives the known digest", (compute) => {
    assertEquals(
      toHex(compute.sha256(utf8("abc"))),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  }),
  computeCase("crc32() gives the known check value, and continues from a seed", (compute) => {
    assertEquals(compute.crc32(utf8("123456789")), 0xcbf43926);
    assertEquals(compute.crc32(utf8("6789"), compute.crc32(utf8("12345"))), 0xcbf43926);
  }),
  computeCase("sha1Hex() gives the known digest", (compute) => {
    assertEquals(compute.sha1Hex(utf8("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  }),
];
