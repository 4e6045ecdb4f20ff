/**
 * The files of an index checkpoint, encrypted: what belongs to a namespace with encryption has digests and set names in
 * the clear nowhere. The checkpoint itself knows nothing of it.
 *
 * The page file keeps its form: each frame of 4 KiB is encrypted by AES in counter mode, with a random nonce for each
 * write. The nonces are in the map, which is replaced as a whole:
 *
 * | offset | bytes  | field                                                                        |
 * | ------ | ------ | ---------------------------------------------------------------------------- |
 * | 0      | 8      | magic `AERIEIDE`                                                              |
 * | 8      | 8      | random                                                                       |
 * | 16     |        | what follows, in pieces of 64 KiB, each with a tag of 16 bytes                |
 * |        | 4      | frames                                                                       |
 * |        | 12 × n | nonce of each frame, zeros for one that was never written                     |
 * |        |        | the map: docs/format/checkpoint.md                                            |
 *
 * Pieces are encrypted by AES-256-GCM; the nonce is the random number and the number of the piece (4 bytes, big-endian).
 *
 * The key is derived from the data key of the namespace's first device. A map belongs to the state of the page file at
 * the moment in which it was written: frames that it names are not written again while it counts.
 *
 * @module
 */

import { copyBytes, equalBytes, isBlank, readU32LE, utf8, writeU32, writeU32LE } from "../../base/mod.ts";
import type { AesKey, Clock, Compute, Disk, DiskFile, DiskOpenOptions, Random } from "../../port/mod.ts";
import { FRAME_SIZE_BYTES } from "./checkpoint_frames.ts";
import type { OpenDevice } from "./device_file.ts";

const MAGIC = utf8("AERIEIDE");
const SALT_AT = 8;
const SALT_SIZE = 8;
const SEALED_AT = 16;
const NONCE_SIZE = 12;
/** Encrypted in one go: below a millisecond. */
const PIECE_SIZE_BYTES = 64 * 1024;
const TAG_SIZE = 16;
const AES_BLOCK_SIZE = 16;
/** A sealed map is larger than the map: by 12 bytes for each frame, where the map has 8 or more for each page. */
const SIZE_FACTOR = 3;
const KEY_LABEL = "aerie index checkpoint 1";

/** What sealing stands on. */
export interface SealPorts {
  /** AES. */
  compute: Compute;
  /** Makes nonces. */
  random: Random;
  /** Slices. */
  clock: Clock;
}

/** The files for the checkpoint of some devices: sealed when they are encrypted. */
export function checkpointFiles(files: Disk, devices: readonly OpenDevice[], ports: SealPorts): Disk {
  const { cipher } = devices[0];
  return cipher === undefined ? files : new SealedFiles(files, cipher.derive(KEY_LABEL), ports);
}

/** See the head of the file. */
export class SealedFiles implements Disk {
  readonly #files: Disk;
  readonly #key: Uint8Array;
  readonly #ports: SealPorts;
  #nonces = new Uint8Array(0);

  /**
   * @param files where the files are
   * @param key 32 bytes
   * @param ports AES and nonces
   */
  constructor(files: Disk, key: Uint8Array, ports: SealPorts) {
    this.#files = files;
    this.#key = key;
    this.#ports = ports;
  }

  /** Opens the page file. */
  async open(path: string, options?: DiskOpenOptions): Promise<DiskFile> {
    const file = await this.#files.open(path, options);
    return {
      read: async (offset, target) => {
        const countBytes = await file.read(offset, target);
        this.#openFrames(offset, target.subarray(0, countBytes));
        return countBytes;
      },
      write: (offset, source) => file.write(offset, this.#sealFrames(offset, source)),
      sync: () => file.sync(),
      size: () => file.size(),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      close: () => file.close(),
    };
  }

  /**
   * Reads the map, and remembers the nonces of the frames.
   *
   * @throws {Error} when it is not sealed by this key
   */
  async readFile(path: string, sizeMaxBytes: number): Promise<Uint8Array> {
    const bytes = await this.#files.readFile(path, sizeMaxBytes * SIZE_FACTOR);
    const content = await this.#openPieces(bytes);
    if (content === undefined) throw new Error("it is not encrypted by the key of these devices, or damaged");
    const noncesEnd = 4 + readU32LE(content, 0) * NONCE_SIZE;
    this.#nonces = content.slice(4, noncesEnd);
    return content.subarray(noncesEnd);
  }

  /** Replaces the map; an empty one is no map. */
  async replaceFile(path: string, map: Uint8Array): Promise<void> {
    if (map.length === 0) return await this.#files.replaceFile(path, map);
    const content = new Uint8Array(4 + this.#nonces.length + map.length);
    writeU32LE(content, 0, this.#nonces.length / NONCE_SIZE);
    content.set(this.#nonces, 4);
    content.set(map, 4 + this.#nonces.length);
    const bytes = await this.#sealPieces(content);
    await this.#files.replaceFile(path, bytes);
  }

  /** See {@linkcode Disk.list}. */
  list(path: string): Promise<string[]> {
    return this.#files.list(path);
  }

  /** See {@linkcode Disk.makeDirectory}. */
  makeDirectory(path: string): Promise<void> {
    return this.#files.makeDirectory(path);
  }

  /** See {@linkcode Disk.remove}. */
  remove(path: string): Promise<void> {
    return this.#files.remove(path);
  }

  async #sealPieces(content: Uint8Array): Promise<Uint8Array> {
    const { compute, random } = this.#ports;
    const count = Math.ceil(content.length / PIECE_SIZE_BYTES);
    const bytes = new Uint8Array(SEALED_AT + content.length + count * TAG_SIZE);
    bytes.set(MAGIC);
    const salt = bytes.subarray(SALT_AT, SALT_AT + SALT_SIZE);
    random.fill(salt);
    for (let piece = 0; piece < count; piece++) {
      const plain = content.subarray(piece * PIECE_SIZE_BYTES, (piece + 1) * PIECE_SIZE_BYTES);
      const sealed = compute.aesGcmSeal(plain, this.#pieceKey(salt, piece), contextOf(count));
      bytes.set(sealed, SEALED_AT + piece * (PIECE_SIZE_BYTES + TAG_SIZE));
      await this.#turn();
    }
    return bytes;
  }

  /** What was sealed, undefined when it was not sealed like this. */
  async #openPieces(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    if (bytes.length <= SEALED_AT || !equalBytes(bytes, 0, MAGIC, 0, MAGIC.length)) return undefined;
    const salt = bytes.subarray(SALT_AT, SALT_AT + SALT_SIZE);
    const sealed = bytes.subarray(SEALED_AT);
    const count = Math.ceil(sealed.length / (PIECE_SIZE_BYTES + TAG_SIZE));
    const content = new Uint8Array(sealed.length);
    let size = 0;
    for (let piece = 0; piece < count; piece++) {
      const at = piece * (PIECE_SIZE_BYTES + TAG_SIZE);
      const part = sealed.subarray(at, at + PIECE_SIZE_BYTES + TAG_SIZE);
      const plain = this.#ports.compute.aesGcmOpen(part, this.#pieceKey(salt, piece), contextOf(count));
      if (plain === undefined) return undefined;
      content.set(plain, size);
      size += plain.length;
      await this.#turn();
    }
    return content.subarray(0, size);
  }

  #pieceKey(salt: Uint8Array, piece: number): AesKey {
    const nonce = new Uint8Array(NONCE_SIZE);
    nonce.set(salt);
    writeU32(nonce, SALT_SIZE, piece);
    return { key: this.#key, nonce };
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#ports.clock.nextTurn(resolve));
  }

  #sealFrames(offset: number, source: Uint8Array): Uint8Array {
    const out = new Uint8Array(source.length);
    for (let at = 0; at < source.length; at += FRAME_SIZE_BYTES) {
      const nonce = this.#freshNonce((offset + at) / FRAME_SIZE_BYTES);
      out.set(this.#apply(source.subarray(at, at + FRAME_SIZE_BYTES), nonce), at);
    }
    return out;
  }

  #openFrames(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += FRAME_SIZE_BYTES) {
      const nonceAt = (offset + at) / FRAME_SIZE_BYTES * NONCE_SIZE;
      const nonce = this.#nonces.subarray(nonceAt, nonceAt + NONCE_SIZE);
      // Frames that were never written are read where they lie between others.
      if (isBlank(nonce)) continue;
      bytes.set(this.#apply(bytes.subarray(at, at + FRAME_SIZE_BYTES), nonce), at);
    }
  }

  #freshNonce(frame: number): Uint8Array {
    const end = (frame + 1) * NONCE_SIZE;
    if (this.#nonces.length < end) {
      const nonces = new Uint8Array(
        Math.max(end, Math.ceil(this.#nonces.length / NONCE_SIZE * 1.5) * NONCE_SIZE),
      );
      nonces.set(this.#nonces);
      this.#nonces = nonces;
    }
    const nonce = this.#nonces.subarray(end - NONCE_SIZE, end);
    this.#ports.random.fill(nonce);
    return nonce;
  }

  #apply(frame: Uint8Array, nonce: Uint8Array): Uint8Array {
    const aes: AesKey = { key: this.#key, nonce: new Uint8Array(AES_BLOCK_SIZE) };
    copyBytes(nonce, 0, aes.nonce, 0, NONCE_SIZE);
    return this.#ports.compute.aesCtr(frame, aes);
  }
}

/** What the tag of each piece covers besides: how many there are. */
function contextOf(pieceCount: number): Uint8Array {
  const context = new Uint8Array(MAGIC.length + 4);
  context.set(MAGIC);
  writeU32(context, MAGIC.length, pieceCount);
  return context;
}
