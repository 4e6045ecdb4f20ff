/**
 * Compression and checksums by `node:zlib` and `node:crypto`, which Deno has too. Both are loaded at their first use:
 * loading them takes a good part of the time in which a node should be ready.
 *
 * @module
 */
import process from "node:process";
import type { Compute } from "../port/mod.ts";

type Zlib = typeof import("node:zlib");
type Crypto = typeof import("node:crypto");

let zlibModule: Zlib | undefined;
let cryptoModule: Crypto | undefined;

function zlib(): Zlib {
  return zlibModule ??= process.getBuiltinModule("node:zlib") as Zlib;
}

function cryptography(): Crypto {
  return cryptoModule ??= process.getBuiltinModule("node:crypto") as Crypto;
}

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The platform's computations. */
export function createCompute(): Compute {
  return {
    deflate: (source) => plain(zlib().deflateSync(source, { level: 1 })),
    inflate(source, sizeMaxBytes) {
      // A zlib stream has a header of two bytes and a checksum of four.
      if (source.length < 6 || sizeMaxBytes < 1) return undefined;
      try {
        return plain(zlib().inflateSync(source, { maxOutputLength: sizeMaxBytes }));
      } catch {
        return undefined;
      }
    },
    crc32: (source, seed = 0) => zlib().crc32(source, seed),
    sha1Hex: (source) => cryptography().createHash("sha1").update(source).digest("hex"),
  };
}
