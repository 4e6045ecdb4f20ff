/**
 * A device with a shadow: a second file or device that has the same content. Everything is written to both and synced on
 * both, before it counts; reads come from the first, and from the shadow when the first can't be read. Whoever finds
 * damage in what was read asks for the shadow's bytes (`readShadow`).
 *
 * At a start the one that was in use last is right, and the other one is made like it: a new or replaced device is filled
 * from its shadow, a new shadow from its device. The header is copied last, so that an interrupted copy begins anew.
 *
 * | device | shadow | at a start |
 * | ------ | ------ | ---------- |
 * | blank | blank | nothing is copied |
 * | blank | has a header | shadow → device |
 * | has a header | blank | device → shadow |
 * | both have one, of one device | | higher header sequence → the other; equal: nothing |
 * | both have one, of two devices | | refused |
 *
 * After a power cut the two may differ in what was being written. A start makes their blocks alike (`shadow_repair.ts`),
 * beginning with the header: so that a start that is interrupted is not undone by the next one, the first always gets a
 * header before the shadow does.
 *
 * @module
 */

import { ConfigError, equalBytes } from "../../base/mod.ts";
import type { DiskFile, Log } from "../../port/mod.ts";
import {
  decodeHeader,
  type DeviceHeader,
  HEADER_AREA_SIZE_BYTES,
  idText,
  PAGE_SIZE_BYTES,
} from "./layout.ts";

/** Both copies of the header. */
const HEADERS_SIZE_BYTES = 2 * PAGE_SIZE_BYTES;
/** Copied at a time. */
const CHUNK_SIZE_BYTES = HEADER_AREA_SIZE_BYTES;

/** A device's path and its shadow's, as they are configured: two paths with a blank between. */
export function splitShadow(text: string): { path: string; shadow: string | undefined } {
  const match = /^(\S+)\s+(\/\S+)$/.exec(text.trim());
  return match === null ? { path: text, shadow: undefined } : { path: match[1], shadow: match[2] };
}

/** See the head of the file. */
export class ShadowedFile implements DiskFile {
  readonly #first: DiskFile;
  readonly #shadow: DiskFile;

  /**
   * @param first is read
   * @param shadow has the same content
   */
  constructor(first: DiskFile, shadow: DiskFile) {
    this.#first = first;
    this.#shadow = shadow;
  }

  /** See {@linkcode DiskFile}. */
  async read(offset: number, target: Uint8Array): Promise<number> {
    try {
      return await this.#first.read(offset, target);
    } catch {
      return await this.#shadow.read(offset, target);
    }
  }

  /** The device, and its shadow. */
  get sides(): readonly [DiskFile, DiskFile] {
    return [this.#first, this.#shadow];
  }

  /** See {@linkcode DiskFile}. */
  readShadow(offset: number, target: Uint8Array): Promise<number> {
    return this.#shadow.read(offset, target);
  }

  /** See {@linkcode DiskFile}. A header is synced on the first before the shadow gets it. */
  async write(offset: number, source: Uint8Array): Promise<void> {
    if (offset >= HEADERS_SIZE_BYTES) return await this.#both((file) => file.write(offset, source));
    await this.#first.write(offset, source);
    await this.#first.sync();
    await this.#shadow.write(offset, source);
  }

  /** See {@linkcode DiskFile}. */
  sync(): Promise<void> {
    return this.#both((file) => file.sync());
  }

  /** See {@linkcode DiskFile}: what both have room for. */
  async size(): Promise<number> {
    return Math.min(await this.#first.size(), await this.#shadow.size());
  }

  /** See {@linkcode DiskFile}. */
  truncate(sizeBytes: number): Promise<void> {
    return this.#both((file) => file.truncate(sizeBytes));
  }

  /** See {@linkcode DiskFile}. */
  async isThere(): Promise<boolean> {
    return await this.#first.isThere?.() !== false && await this.#shadow.isThere?.() !== false;
  }

  /** See {@linkcode DiskFile}. */
  close(): Promise<void> {
    return this.#both((file) => file.close());
  }

  /** Both must have ended: what is lent to a write is lent until then. */
  async #both(action: (file: DiskFile) => Promise<void>): Promise<void> {
    const outcomes = await Promise.allSettled([action(this.#first), action(this.#shadow)]);
    const failed = outcomes.find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
  }
}

/** One of a pair. */
interface Side {
  path: string;
  file: DiskFile;
}

/** What {@linkcode joinShadow} needs. */
export interface JoinOptions {
  /** Bytes of both. */
  sizeBytes: number;
  /** Name of the namespace, for log lines. */
  namespace: string;
  /** Says what is copied. */
  log: Log;
}

/**
 * Makes a device and its shadow alike.
 *
 * @throws {ConfigError} when they belong to two devices
 * @throws {Error} when one can't be read or written
 */
export async function joinShadow(first: Side, shadow: Side, options: JoinOptions): Promise<ShadowedFile> {
  const [own, other] = [await headerOf(first.file), await headerOf(shadow.file)];
  const joined = new ShadowedFile(first.file, shadow.file);
  if (own === undefined && other === undefined) return joined;
  if (own !== undefined && other !== undefined && idText(own.deviceId) !== idText(other.deviceId)) {
    throw new ConfigError(
      `"${shadow.path}" is no shadow of "${first.path}": they hold two different devices. Give each its own, or fill the ` +
        "first MiB of the one that is to be overwritten with zeros",
    );
  }
  const ownSequence = own?.sequence ?? -1;
  const otherSequence = other?.sequence ?? -1;
  if (ownSequence > otherSequence) await copy(first, shadow, options);
  else if (ownSequence < otherSequence) await copy(shadow, first, options);
  return joined;
}

/** The newer sound copy of the header; undefined when there is none. A file that can't be read has none. */
async function headerOf(file: DiskFile): Promise<DeviceHeader | undefined> {
  const bytes = new Uint8Array(HEADERS_SIZE_BYTES);
  try {
    await file.read(0, bytes);
  } catch {
    return undefined;
  }
  const headers = [0, PAGE_SIZE_BYTES]
    .map((at) => decodeHeader(bytes.subarray(at, at + PAGE_SIZE_BYTES)))
    .filter((header) => header !== undefined)
    .sort((a, b) => b.sequence - a.sequence);
  return headers[0];
}

async function copy(from: Side, to: Side, { sizeBytes, namespace, log }: JoinOptions): Promise<void> {
  log.write("warning", "drv_ssd", `{${namespace}} "${to.path}" is filled from "${from.path}"`);
  await to.file.write(0, new Uint8Array(HEADERS_SIZE_BYTES));
  await to.file.sync();
  const bytes = new Uint8Array(CHUNK_SIZE_BYTES);
  const before = new Uint8Array(CHUNK_SIZE_BYTES);
  for (let offset = CHUNK_SIZE_BYTES; offset < sizeBytes; offset += CHUNK_SIZE_BYTES) {
    const chunk = bytes.subarray(0, Math.min(CHUNK_SIZE_BYTES, sizeBytes - offset));
    chunk.fill(0);
    before.fill(0);
    await from.file.read(offset, chunk);
    await to.file.read(offset, before.subarray(0, chunk.length));
    // Files are sparse: what is zero on both sides stays unwritten.
    if (!equalBytes(chunk, 0, before, 0, chunk.length)) await to.file.write(offset, chunk);
  }
  await to.file.sync();
  await from.file.read(0, bytes);
  await to.file.write(0, bytes);
  await to.file.sync();
}
