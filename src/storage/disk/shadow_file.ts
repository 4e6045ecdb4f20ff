/**
 * A device with a shadow: a second file or device that has the same content. Everything is written to both and synced on
 * both, before it counts; reads come from the first, and from the shadow when the first can't be read. Whoever finds
 * damage in what was read asks for the shadow's bytes (`readShadow`).
 *
 * At a start the two are made alike: `shadow_fill.ts` copies what one of them lacks altogether.
 *
 * After a power cut the two may differ in what was being written. A start makes their blocks alike (`shadow_repair.ts`),
 * beginning with the header: so that a start that is interrupted is not undone by the next one, the first always gets a
 * header before the shadow does.
 *
 * @module
 */

import type { DiskFile } from "../../port/mod.ts";
import { HEADERS_SIZE_BYTES } from "./device_head.ts";

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
