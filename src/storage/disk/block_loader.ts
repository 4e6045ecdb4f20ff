/**
 * Reads whole blocks at a start and takes over what is in them: all blocks in a cold start, those that changed since the
 * checkpoint in a fast one. Devices are read side by side, each a block ahead of what is looked at.
 *
 * @module
 */

import { isBlank, partitionId } from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import { flatDigestAt, FlatRecord } from "../flat.ts";
import { WARM_COUNT_MAX } from "../index.ts";
import type { NamespaceStore } from "../store.ts";
import { Adoption } from "./adoption.ts";
import {
  type BlockContent,
  type BlockVisitor,
  BlockWalk,
  findUnits,
  joinContents,
  type ScanPlace,
} from "./block_scan.ts";
import { DISK_BLOCK } from "./blocks.ts";
import type { OpenDevice } from "./device_file.ts";
import type { DiskSpace } from "./disk_space.ts";
import {
  alignToPage,
  decodeUnitHeader,
  PAGE_SIZE_BYTES,
  storedSize,
  UNIT_HEADER_SIZE_BYTES,
} from "./layout.ts";

/** Nothing is served during a start, so that slices may be longer than those of background work. */
export const START_SLICE_MS = 5;

/** What a loader needs. */
export interface BlockLoaderOptions {
  /** The store that is filled; it has devices. */
  store: NamespaceStore;
  /** Slices. */
  clock: Clock;
  /** Keeps the bytes of all blocks. */
  keepsBytes: boolean;
  /** Called after each block. */
  onProgress: () => void;
}

/** A block whose records are to be taken over. */
interface BlockToWalk {
  /** Its units. */
  content: BlockContent;
  place: ScanPlace;
  block: number;
  device: OpenDevice;
  /** Where it is decrypted to; into a new buffer when absent. */
  buffers?: BlockBuffers;
  /** What is in memory of the block already: bytes are written once per life, what is sound on both copies is the same. */
  kept?: Uint8Array;
  /** The bytes are those of the shadow. */
  isFromShadow?: boolean;
}

/** A block as it is on the shadow of its device. */
interface ShadowBlock {
  bytes: Uint8Array;
  content: BlockContent;
}

const FROM_DEVICE = { isFromShadow: false } as const;
const FROM_SHADOW = { isFromShadow: true } as const;

/** Buffers for the blocks of one device: one is read into while another one is looked at. */
class BlockBuffers {
  /** The last block that was read is in use. */
  isUsed = false;
  /** Takes the first page of a block. */
  readonly page = new Uint8Array(PAGE_SIZE_BYTES);
  readonly #sizeBytes: number;
  readonly #keepsBytes: boolean;
  readonly #ring: Uint8Array[] = [];
  #plain: Uint8Array | undefined;
  #count = 0;

  constructor(sizeBytes: number, keepsBytes: boolean) {
    this.#sizeBytes = sizeBytes;
    this.#keepsBytes = keepsBytes;
  }

  /** A buffer for a block; it is lent until the one after the next is asked for, unless bytes are kept. */
  next(): Uint8Array {
    if (this.#keepsBytes) return new Uint8Array(this.#sizeBytes);
    return this.#ring[this.#count++ % 2] ??= new Uint8Array(this.#sizeBytes);
  }

  /** Where a block is decrypted to; nothing when a new buffer is to be taken. */
  plain({ cipher }: OpenDevice): { plain?: Uint8Array } {
    if (this.#keepsBytes || cipher === undefined) return {};
    return { plain: this.#plain ??= new Uint8Array(this.#sizeBytes) };
  }
}

/** See the head of the file. */
export class BlockLoader {
  /** Blocks read. */
  blockCount = 0;
  /** Copies of records found. */
  copyCount = 0;
  /** Places where a record should be and is none. */
  damageCount = 0;
  readonly #options: BlockLoaderOptions;
  readonly #store: NamespaceStore;
  readonly #disk: DiskSpace;
  readonly #adoption: Adoption;
  readonly #record = new FlatRecord();
  // Offsets of records, and of their digests, that were found and not yet taken over.
  readonly #found = new Uint32Array(WARM_COUNT_MAX);
  readonly #digestAts = new Uint32Array(WARM_COUNT_MAX);
  #foundCount = 0;
  #sliceEndMs: number;

  /** @param options the store and how it is filled */
  constructor(options: BlockLoaderOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#disk = options.store.disk!;
    this.#adoption = new Adoption(options.store);
    this.#sliceEndMs = options.clock.monotonicMs() + START_SLICE_MS;
  }

  /** Reads blocks, numbered over all devices; never rejects because one can't be read. */
  async load(blocks: readonly number[]): Promise<void> {
    const { devices, deviceOf } = this.#disk.blocks;
    await Promise.all(
      devices.map((device, index) =>
        this.#loadDevice(device, blocks.filter((block) => deviceOf[block] === index))
      ),
    );
  }

  /** Lets others run when a slice is over. */
  async breathe(): Promise<void> {
    const { clock } = this.#options;
    if (clock.monotonicMs() < this.#sliceEndMs) return;
    await new Promise<void>((resolve) => clock.nextTurn(resolve));
    this.#sliceEndMs = clock.monotonicMs() + START_SLICE_MS;
  }

  async #loadDevice(device: OpenDevice, blocks: readonly number[]): Promise<void> {
    const buffers = new BlockBuffers(this.#disk.blocks.blockSizeBytes, this.#options.keepsBytes);
    let next = blocks.length > 0 ? this.#readBlock(device, blocks[0], buffers) : undefined;
    for (const [place, block] of blocks.entries()) {
      const bytes = await next;
      if (place + 1 < blocks.length) next = this.#readBlock(device, blocks[place + 1], buffers);
      if (bytes !== undefined) await this.#take(device, block, { bytes, buffers });
      this.blockCount++;
      this.#options.onProgress();
    }
  }

  /** The bytes of a block, undefined when it was never used or can't be read. Never rejects. */
  async #readBlock(
    device: OpenDevice,
    block: number,
    buffers: BlockBuffers,
  ): Promise<Uint8Array | undefined> {
    const { blocks, watch } = this.#disk;
    const offset = blocks.deviceOffset(block);
    try {
      // Used blocks follow used ones, mostly.
      if (!buffers.isUsed) {
        buffers.page.fill(0, await device.file.read(offset, buffers.page));
        if (isBlank(buffers.page) && await isShadowBlank(device, offset)) return undefined;
      }
      const bytes = buffers.next();
      // A file that ends early leaves what another block had.
      bytes.fill(0, await device.file.read(offset, bytes));
      buffers.isUsed = !isBlank(bytes.subarray(0, PAGE_SIZE_BYTES)) || !await isShadowBlank(device, offset);
      return buffers.isUsed ? bytes : undefined;
    } catch (error) {
      watch.onReadFault(blocks.deviceOf[block], error as Error);
      blocks.state[block] = DISK_BLOCK.BAD;
      return undefined;
    }
  }

  async #take(
    device: OpenDevice,
    block: number,
    { bytes, buffers }: { bytes: Uint8Array; buffers: BlockBuffers },
  ): Promise<void> {
    const { blocks } = this.#disk;
    const place: ScanPlace = {
      ...blocks.place(block),
      path: device.path,
      deviceOffset: blocks.deviceOffset(block),
    };
    const own = findUnits(bytes, place);
    const other = await lacksUnits(device, own, place) ? await this.#readShadow(device, place) : undefined;
    const content = other?.content === undefined ? own : joinContents([own, other.content]);
    const damageCount = this.damageCount;
    if (content.sequence > 0) await this.#walk(bytes, { content, place, block, device, buffers });
    if (device.file.readShadow === undefined) return;
    if (other === undefined && content.sequence > 0 && this.damageCount === damageCount) return;
    await this.#takeShadow(other ?? await this.#readShadow(device, place), { content, place, block, device });
  }

  /** Takes over what is sound in a block. */
  async #walk(bytes: Uint8Array, options: BlockToWalk): Promise<void> {
    const { content, place, block, device, buffers, kept } = options;
    const { blocks } = this.#disk;
    blocks.found(block, content.sequence);
    const walk = new BlockWalk(bytes, content, {
      place,
      checks: true,
      cipher: device.cipher,
      ...buffers?.plain(device),
    });
    if (this.#options.keepsBytes) blocks.bytes[block] = kept ?? walk.plain;
    const visitor = this.#visitor(block, kept);
    for (let isEnd = false; !isEnd;) {
      isEnd = walk.step(visitor, WARM_COUNT_MAX);
      this.#adoptFound(block, walk.plain, options.isFromShadow ? FROM_SHADOW : FROM_DEVICE);
      await this.breathe();
    }
  }

  /**
   * Takes over what is sound of a block on its device's shadow, some of it being damaged on the device. Of an earlier life
   * nothing is taken. What comes behind the device's last unit counts: after a power cut the two were made alike, so that
   * it is damage if they differ.
   */
  async #takeShadow(
    shadow: ShadowBlock | undefined,
    { content, place, block, device }: Pick<BlockToWalk, "content" | "place" | "block" | "device">,
  ): Promise<void> {
    if (shadow === undefined) return;
    const joined = joinContents([content, shadow.content]);
    if (joined.sequence === 0) return;
    const kept = this.#disk.blocks.bytes[block];
    await this.#walk(shadow.bytes, {
      content: joined,
      place,
      block,
      device,
      isFromShadow: true,
      ...(kept === undefined ? {} : { kept }),
    });
    this.#disk.damage.noteShadowRead(block);
  }

  /** A block as it is on the shadow, undefined when it can't be read. */
  async #readShadow({ file }: OpenDevice, place: ScanPlace): Promise<ShadowBlock | undefined> {
    const bytes = new Uint8Array(this.#disk.blocks.blockSizeBytes);
    const isThere = await file.readShadow!(place.deviceOffset, bytes).then(() => true, () => false);
    return isThere ? { bytes, content: findUnits(bytes, place) } : undefined;
  }

  #visitor(block: number, kept: Uint8Array | undefined): BlockVisitor {
    const { blocks, reports } = this.#disk;
    return {
      record: (at, units, bytes) => {
        kept?.set(bytes.subarray(at, at + storedSize(units)), at);
        this.copyCount++;
        this.#found[this.#foundCount] = at;
        this.#digestAts[this.#foundCount++] = flatDigestAt(at);
      },
      damage: (error) => {
        this.damageCount++;
        reports.readFault(error, blocks.deviceOf[block]);
      },
    };
  }

  /** Takes over the records that were found last, together. */
  #adoptFound(block: number, bytes: Uint8Array, origin: { isFromShadow: boolean }): void {
    const { blocks, pages } = this.#disk;
    const record = this.#record;
    this.#store.index.warm(bytes, this.#digestAts, this.#foundCount);
    for (let place = 0; place < this.#foundCount; place++) {
      const at = this.#found[place];
      record.open(bytes, at);
      if (record.treeId !== pages.treeId(partitionId(bytes, record.digestAt))) continue;
      this.#adoption.adopt(record, blocks.locationOf(block, at), origin);
    }
    this.#foundCount = 0;
  }
}

/** Whether the first page of a block is zeros on the shadow, too; without a shadow it is. */
async function isShadowBlank({ file }: OpenDevice, offset: number): Promise<boolean> {
  if (file.readShadow === undefined) return true;
  const page = new Uint8Array(PAGE_SIZE_BYTES);
  await file.readShadow(offset, page).catch(() => {});
  return isBlank(page);
}

/** Whether a unit of a life, or of a later one, begins at an offset of a block on the shadow. */
async function isOnShadow(
  { file }: OpenDevice,
  { sequence, offsetBytes }: { sequence: number; offsetBytes: number },
  place: ScanPlace,
): Promise<boolean> {
  if (file.readShadow === undefined) return false;
  const page = new Uint8Array(PAGE_SIZE_BYTES);
  await file.readShadow(place.deviceOffset + offsetBytes, page).catch(() => {});
  const unit = decodeUnitHeader(page, offsetBytes, place, offsetBytes);
  return unit !== undefined && unit.sequence >= sequence;
}

/** Whether the shadow has units of a block that the device has not: its beginning, or what comes behind the last one. */
async function lacksUnits(
  device: OpenDevice,
  { sequence, units }: BlockContent,
  place: ScanPlace,
): Promise<boolean> {
  const last = units.at(-1);
  if (last === undefined) return device.file.readShadow !== undefined;
  const offsetBytes = alignToPage(last.offsetBytes + UNIT_HEADER_SIZE_BYTES + last.recordBytes);
  return await isOnShadow(device, { sequence: sequence + 1, offsetBytes: 0 }, place) ||
    await isOnShadow(device, { sequence, offsetBytes }, place);
}
