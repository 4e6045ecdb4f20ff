/**
 * Compression, checksums and ciphers by `node:zlib` and `node:crypto`, which Deno has too. Both are loaded at their first
 * use: loading them takes a good part of the time in which a node should be ready.
 *
 * @module
 */
import type { AesKey, Compute } from "../port/mod.ts";
import { builtin } from "./builtin.ts";

type Zlib = typeof import("node:zlib");
type Crypto = typeof import("node:crypto");

/** Bytes of the tag that AES-GCM adds. */
const GCM_TAG_SIZE = 16;

let zlibModule: Zlib | undefined;
let cryptoModule: Crypto | undefined;

function zlib(): Zlib {
  return zlibModule ??= builtin<Zlib>("node:zlib");
}

function cryptography(): Crypto {
  return cryptoModule ??= builtin<Crypto>("node:crypto");
}

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Expands a stream; undefined when it is damaged or too long. */
function expand(run: () => Uint8Array): Uint8Array | undefined {
  try {
    return plain(run());
  } catch {
    return undefined;
  }
}

function aesGcmSeal(source: Uint8Array, { key, nonce }: AesKey, context: Uint8Array): Uint8Array {
  const cipher = cryptography().createCipheriv(key.length === 16 ? "aes-128-gcm" : "aes-256-gcm", key, nonce);
  cipher.setAAD(context);
  const body = cipher.update(source);
  cipher.final();
  const sealed = new Uint8Array(body.length + GCM_TAG_SIZE);
  sealed.set(body);
  sealed.set(cipher.getAuthTag(), body.length);
  return sealed;
}

function aesGcmOpen(
  source: Uint8Array,
  { key, nonce }: AesKey,
  context: Uint8Array,
): Uint8Array | undefined {
  const end = source.length - GCM_TAG_SIZE;
  if (end < 0) return undefined;
  const algorithm = key.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
  const decipher = cryptography().createDecipheriv(algorithm, key, nonce);
  decipher.setAAD(context);
  decipher.setAuthTag(source.subarray(end));
  try {
    const body = plain(decipher.update(source.subarray(0, end)));
    decipher.final();
    return body;
  } catch {
    return undefined;
  }
}

/** The platform's computations. */
export function createCompute(): Compute {
  return {
    deflate: (source) => plain(zlib().deflateSync(source, { level: 1 })),
    inflate(source, sizeMaxBytes) {
      // A zlib stream has a header of two bytes and a checksum of four.
      if (source.length < 6 || sizeMaxBytes < 1) return undefined;
      return expand(() => zlib().inflateSync(source, { maxOutputLength: sizeMaxBytes }));
    },
    hasZstd: () => typeof zlib().zstdCompressSync === "function",
    zstdCompress(source, level) {
      const { constants, zstdCompressSync } = zlib();
      // With the size known, high levels need no large tables for small sources: a tenth of the time.
      const options = {
        params: { [constants.ZSTD_c_compressionLevel]: level },
        pledgedSrcSize: source.length,
      };
      return plain(zstdCompressSync(source, options));
    },
    zstdExpand(source, sizeBytes) {
      const bytes = expand(() => zlib().zstdDecompressSync(source, { maxOutputLength: sizeBytes }));
      // Deno gives what it has when a frame is cut short.
      return bytes?.length === sizeBytes ? bytes : undefined;
    },
    aesCtr(source, { key, nonce }) {
      const algorithm = key.length === 16 ? "aes-128-ctr" : "aes-256-ctr";
      return plain(cryptography().createCipheriv(algorithm, key, nonce).update(source));
    },
    aesGcmSeal,
    aesGcmOpen,
    crc32: (source, seed = 0) => zlib().crc32(source, seed),
    sha1Hex: (source) => cryptography().createHash("sha1").update(source).digest("hex"),
    sha256: (source) => plain(cryptography().createHash("sha256").update(source).digest()),
  };
}
