/**
 * Keys of records and their digests. Source: wire-protocol reference, section 5.
 *
 * @module
 */

import {
  ByteBuffer,
  DIGEST_SIZE_BYTES,
  type Digester,
  NAMESPACE_NAME_SIZE_MAX,
  partitionId,
  SET_NAME_SIZE_MAX,
  utf8,
} from "../base/mod.ts";
import { appendParticle } from "./particle.ts";

/** What a record is called. */
export interface Key {
  /** Namespace, 1 to 31 bytes. */
  readonly namespace: string;
  /** Set, up to 63 bytes; absent or empty for none. */
  readonly set?: string | undefined;
  /** The user's key: text, integer (or any other number), 64-bit integer, or bytes. */
  readonly key: UserKey;
}

/** The user's part of a key. */
export type UserKey = string | number | bigint | Uint8Array;

/** A record addressed by its digest, as scans return it. */
export interface DigestKey {
  /** Namespace. */
  readonly namespace: string;
  /** Set. */
  readonly set?: string | undefined;
  /** The 20 bytes. */
  readonly digest: Uint8Array;
}

/** Either way to name a record. */
export type AnyKey = Key | DigestKey;

/** A key ready for the wire. */
export interface ResolvedKey {
  /** Namespace. */
  namespace: string;
  /** Set, empty for none. */
  set: string;
  /** 20 bytes. */
  digest: Uint8Array;
  /** Partition of the digest. */
  partition: number;
  /** Particle type and value of the user's key; undefined when only the digest is known. */
  userKey: Uint8Array | undefined;
}

/** Turns keys into digests. */
export class KeyResolver {
  readonly #digester: Digester;
  readonly #scratch = new ByteBuffer(128);
  #setName = "";
  #setBytes: Uint8Array = new Uint8Array(0);

  /** @param digester the hash function */
  constructor(digester: Digester) {
    this.#digester = digester;
  }

  /**
   * Checks a key and computes its digest.
   *
   * @throws {TypeError} when the key is of an unknown kind
   * @throws {RangeError} when a name is too long or an integer has more than 64 bits
   */
  resolve(key: AnyKey): ResolvedKey {
    checkNamespace(key.namespace);
    const set = key.set ?? "";
    const setBytes = this.#encodeSet(set);
    if ("digest" in key) return resolveDigest(key, set);
    const userKey = this.#encodeUserKey(key.key);
    const digest = this.#digester.digest(setBytes, userKey);
    return { namespace: key.namespace, set, digest, partition: partitionId(digest), userKey };
  }

  #encodeSet(set: string): Uint8Array {
    if (set !== this.#setName) {
      const encoded = utf8(set);
      if (encoded.length > SET_NAME_SIZE_MAX) {
        throw new RangeError(`Cannot use "${set}" as a set's name: at most ${SET_NAME_SIZE_MAX} bytes`);
      }
      this.#setName = set;
      this.#setBytes = encoded;
    }
    return this.#setBytes;
  }

  #encodeUserKey(key: UserKey): Uint8Array {
    const kind = typeof key;
    if (kind !== "string" && kind !== "number" && kind !== "bigint" && !(key instanceof Uint8Array)) {
      throw new TypeError(`Cannot use a key of type ${kind}: expected text, a number, a bigint or bytes`);
    }
    const scratch = this.#scratch;
    scratch.reset();
    scratch.appendU8(0);
    const type = appendParticle(scratch, key);
    scratch.bytes[0] = type;
    return scratch.toBytes();
  }
}

function resolveDigest(key: DigestKey, set: string): ResolvedKey {
  const digest = key.digest;
  if (!(digest instanceof Uint8Array) || digest.length !== DIGEST_SIZE_BYTES) {
    throw new TypeError(`Cannot use this digest: expected ${DIGEST_SIZE_BYTES} bytes`);
  }
  return { namespace: key.namespace, set, digest, partition: partitionId(digest), userKey: undefined };
}

/**
 * Checks a namespace's name.
 *
 * @throws {RangeError} when it is empty or too long
 */
export function checkNamespace(namespace: string): void {
  if (namespace.length > 0 && namespace.length <= NAMESPACE_NAME_SIZE_MAX / 3) return;
  const sizeBytes = utf8(namespace).length;
  if (sizeBytes === 0 || sizeBytes > NAMESPACE_NAME_SIZE_MAX) {
    throw new RangeError(
      `Cannot use "${namespace}" as a namespace's name: 1 to ${NAMESPACE_NAME_SIZE_MAX} bytes`,
    );
  }
}
