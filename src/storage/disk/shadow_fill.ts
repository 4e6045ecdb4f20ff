/**
 * Makes a device and its shadow alike at a start: the one that was in use last is right, and the other one is filled from
 * it: a new or replaced device from its shadow, a new shadow from its device.
 *
 * | device | shadow | at a start |
 * | ------ | ------ | ---------- |
 * | new | new | nothing is copied |
 * | new | has a header | shadow → device |
 * | has a header | new | device → shadow |
 * | both have one, of one device and one run | | the newer header → the other; no blocks |
 * | both have one, of one device | | the one that was in use later → the other; neither: refused |
 * | being filled | has its header | the filling goes on, in this direction whatever headers say |
 * | being filled | anything else | refused: the other one must have what is missing here |
 * | something else, or of another device | | refused: it is not ours to overwrite |
 *
 * The start may be interrupted at any moment, and the other one may be the only copy then. So before the first byte of
 * the content changes, a mark says on the side that is filled that it is, and where from; it goes last, when everything
 * is synced. Nobody uses a side with a mark, nor takes it for the source. What can't be read is never taken for empty.
 *
 * Two sides of one run (`device_runs.ts`) have the same content, but for what the power has torn, which
 * `shadow_repair.ts` puts together, and for damage. Whatever the sequences of their headers, none is filled from the
 * other: each may be damaged where the other one is sound, and remains a whole copy all the time. Only a side that was
 * not in use when the other one was is filled. Where the source is damaged the other one's bytes go, too: nobody knows
 * whether they still count, because the tombstone of what was deleted since may be gone.
 *
 * @module
 */

import { ConfigError, equalBytes } from "../../base/mod.ts";
import type { DiskFile, Log } from "../../port/mod.ts";
import {
  type DeviceHead,
  encodeFillMark,
  FILL_MARK_AT_BYTES,
  HEADERS_SIZE_BYTES,
  newestCopy,
  readHead,
} from "./device_head.ts";
import { areSidesOfOneRun, lastRunOf } from "./device_runs.ts";
import { type DeviceHeader, HEADER_AREA_SIZE_BYTES, idText, PAGE_SIZE_BYTES } from "./layout.ts";
import { ShadowedFile } from "./shadow_file.ts";

/** Copied at a time. */
const CHUNK_SIZE_BYTES = HEADER_AREA_SIZE_BYTES;
/** How far a long copy has got is told so often. */
const PROGRESS_SIZE_BYTES = 16 * 1024 * 1024 * 1024;

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
  /** Throws when a device with this header may not be used. */
  check: (header: DeviceHeader, path: string) => void;
}

/**
 * Makes a device and its shadow alike.
 *
 * @throws {ConfigError} when they don't belong together, or one may not be overwritten
 * @throws {Error} when one can't be read or written
 */
export async function joinShadow(first: Side, shadow: Side, options: JoinOptions): Promise<ShadowedFile> {
  const heads = [await headOf(first, shadow), await headOf(shadow, first)] as const;
  for (const [head, side] of [[heads[0], first], [heads[1], shadow]] as const) {
    if (head.kind === "foreign") throw notOurs(side);
  }
  const source = sourceOf(heads, [first, shadow]);
  if (source !== undefined) {
    const sides = [first, shadow];
    const [from, to] = [sides[source], sides[1 - source]];
    if (isOneRun(heads)) await copyNewestHeader(from, to);
    else await new Filling({ from, to, head: heads[1 - source] }, options).run();
  }
  return new ShadowedFile(first.file, shadow.file);
}

/** Which of the two the other one is filled from, undefined when they are alike. */
function sourceOf(
  heads: readonly [DeviceHead, DeviceHead],
  sides: readonly [Side, Side],
): 0 | 1 | undefined {
  const [own, other] = heads;
  for (const target of [0, 1] as const) {
    const head = heads[target];
    if (head.kind !== "filling") continue;
    const source = heads[1 - target];
    const isSource = source.kind === "ours" && idText(source.header.deviceId) === idText(head.mark.deviceId);
    if (!isSource) throw noSource(sides[target], head.mark.from, sides[1 - target]);
    return target === 0 ? 1 : 0;
  }
  if (own.kind !== "ours") return other.kind === "ours" ? 1 : undefined;
  if (other.kind !== "ours") return 0;
  if (idText(own.header.deviceId) !== idText(other.header.deviceId)) throw twoDevices(sides);
  const [ownSequence, otherSequence] = isOneRun(heads)
    ? [own.header.sequence, other.header.sequence]
    : [lastRunOf(own.header).sequence, lastRunOf(other.header).sequence];
  if (ownSequence !== otherSequence) return ownSequence > otherSequence ? 0 : 1;
  if (isOneRun(heads)) return undefined;
  throw bothUsed(sides);
}

function isOneRun([own, other]: readonly [DeviceHead, DeviceHead]): boolean {
  return own.kind === "ours" && other.kind === "ours" && areSidesOfOneRun(own.header, other.header);
}

/** Gives a side the other one's newest header, in the place of its own older copy: one that is sound is there at any time. */
async function copyNewestHeader(from: Side, to: Side): Promise<void> {
  const source = new Uint8Array(HEADERS_SIZE_BYTES);
  const target = new Uint8Array(HEADERS_SIZE_BYTES);
  await from.file.read(0, source);
  await to.file.read(0, target);
  const sourceAt = newestCopy(source) * PAGE_SIZE_BYTES;
  const targetAt = (1 - newestCopy(target)) * PAGE_SIZE_BYTES;
  await to.file.write(targetAt, source.subarray(sourceAt, sourceAt + PAGE_SIZE_BYTES));
  await to.file.sync();
}

async function headOf({ path, file }: Side, other: Side): Promise<DeviceHead> {
  try {
    return await readHead(file);
  } catch (error) {
    throw new Error(
      `"${path}" can't be read, and nothing is overwritten on a guess: ${
        (error as Error).message
      }. Replace it by an ` +
        `empty one, which is filled from "${other.path}", or give "${other.path}" alone`,
    );
  }
}

function notOurs({ path }: Side): ConfigError {
  return new ConfigError(
    `"${path}" holds something that is not aerie's, or both copies of its header are damaged; it is left alone. ` +
      "To have it filled all the same, fill its first MiB with zeros: everything in it is lost then",
  );
}

function twoDevices([first, shadow]: readonly [Side, Side]): ConfigError {
  return new ConfigError(
    `"${shadow.path}" is no shadow of "${first.path}": they hold two different devices. Give each its own, or fill the ` +
      "first MiB of the one that is to be overwritten with zeros",
  );
}

function bothUsed([first, shadow]: readonly [Side, Side]): ConfigError {
  return new ConfigError(
    `"${first.path}" and "${shadow.path}" were each used without the other one since they were last together. Decide which ` +
      "of them counts, and fill the first MiB of the other one with zeros: it is filled anew then",
  );
}

function noSource(target: Side, from: string, other: Side): ConfigError {
  return new ConfigError(
    `"${target.path}" was being filled from "${from}" when that was interrupted, and "${other.path}" has not what is ` +
      "missing. Give the two together again; if the other one is lost, fill the first MiB of this one with zeros",
  );
}

/** One copy. */
class Filling {
  readonly #from: Side;
  readonly #to: Side;
  readonly #head: DeviceHead;
  readonly #options: JoinOptions;
  readonly #source = new Uint8Array(CHUNK_SIZE_BYTES);
  readonly #before = new Uint8Array(CHUNK_SIZE_BYTES);
  #deviceId!: Uint8Array;
  #isMarked: boolean;
  #writtenBytes = 0;

  constructor({ from, to, head }: { from: Side; to: Side; head: DeviceHead }, options: JoinOptions) {
    this.#from = from;
    this.#to = to;
    this.#head = head;
    this.#options = options;
    this.#isMarked = head.kind === "filling";
  }

  async run(): Promise<void> {
    const { file } = this.#to;
    const head = await readHead(this.#from.file);
    if (head.kind !== "ours") throw notOurs(this.#from);
    this.#options.check(head.header, this.#from.path);
    this.#deviceId = head.header.deviceId;
    // Without a header of its own the other one would not be told from something else while it gets one.
    if (this.#head.kind === "new") await this.#mark();
    await this.#copyBlocks();
    await this.#copyRange(HEADERS_SIZE_BYTES, FILL_MARK_AT_BYTES);
    await this.#copyRange(FILL_MARK_AT_BYTES + PAGE_SIZE_BYTES, HEADER_AREA_SIZE_BYTES);
    await file.sync();
    await this.#copyHeaders();
    if (!this.#isMarked) return;
    await file.write(FILL_MARK_AT_BYTES, new Uint8Array(PAGE_SIZE_BYTES));
    await file.sync();
    this.#tell("info", `"${this.#to.path}" is filled: ${this.#writtenBytes} bytes were written`);
  }

  /** Nobody takes the side for whole from now on. */
  async #mark(): Promise<void> {
    if (this.#isMarked) return;
    const { file, path } = this.#to;
    this.#tell("warning", `"${path}" is filled from "${this.#from.path}"`);
    await file.write(
      FILL_MARK_AT_BYTES,
      encodeFillMark({ deviceId: this.#deviceId, from: this.#from.path }),
    );
    await file.sync();
    this.#isMarked = true;
  }

  async #copyBlocks(): Promise<void> {
    const { sizeBytes } = this.#options;
    let toldBytes = 0;
    for (let offset = HEADER_AREA_SIZE_BYTES; offset < sizeBytes; offset += CHUNK_SIZE_BYTES) {
      await this.#copyRange(offset, Math.min(sizeBytes, offset + CHUNK_SIZE_BYTES));
      if (offset - toldBytes < PROGRESS_SIZE_BYTES) continue;
      toldBytes = offset;
      this.#tell("info", `"${this.#to.path}" is filled: ${Math.floor(offset * 100 / sizeBytes)} %`);
    }
  }

  /** Copies what differs; files are sparse, and what is zero on both sides stays unwritten. */
  async #copyRange(start: number, end: number): Promise<void> {
    const chunk = this.#source.subarray(0, end - start);
    const before = this.#before.subarray(0, end - start);
    chunk.fill(0);
    before.fill(0);
    await this.#readSource(start, chunk);
    await this.#to.file.read(start, before);
    if (equalBytes(chunk, 0, before, 0, chunk.length)) return;
    await this.#mark();
    await this.#to.file.write(start, chunk);
    this.#writtenBytes += chunk.length;
  }

  async #readSource(offset: number, target: Uint8Array): Promise<void> {
    const { path, file } = this.#from;
    try {
      await file.read(offset, target);
    } catch (error) {
      throw new Error(
        `"${this.#to.path}" can't be filled, because "${path}" can't be read at offset ${offset}: ` +
          `${(error as Error).message}. Start with "${path}" alone, and have its records mended or backed up`,
      );
    }
  }

  /** The newer copy of the header first, each by itself: one that is sound is there at any time, if one was. */
  async #copyHeaders(): Promise<void> {
    const copies = new Uint8Array(HEADERS_SIZE_BYTES);
    await this.#readSource(0, copies);
    const newest = newestCopy(copies);
    for (const copy of [newest, 1 - newest]) {
      const at = copy * PAGE_SIZE_BYTES;
      await this.#to.file.write(at, copies.subarray(at, at + PAGE_SIZE_BYTES));
      await this.#to.file.sync();
    }
  }

  #tell(level: "info" | "warning", text: string): void {
    const { log, namespace } = this.#options;
    log.write(level, "drv_ssd", `{${namespace}} ${text}`);
  }
}
