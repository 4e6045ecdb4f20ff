/**
 * What the first unit of each block says of the block: enough to tell which blocks have begun a new life.
 *
 * @module
 */

import { isBlank } from "../../base/mod.ts";
import { DISK_BLOCK } from "./blocks.ts";
import type { DiskSpace } from "./disk_space.ts";
import { type BlockPlace, decodeUnitHeader, PAGE_SIZE_BYTES } from "./layout.ts";

/** Reads of one device that are under way at a time. */
const READ_COUNT_MAX = 16;

/** The block was never written. */
export const NEVER_USED = 0;
/** Its first unit is no unit: only reading all of it can tell. */
export const UNCLEAR = -1;
/** It can't be read. */
export const UNREADABLE = -2;

/** Reads the sequence of every block of a namespace, or one of the words above. */
export async function readBlockHeads(disk: DiskSpace): Promise<Float64Array> {
  const { blocks } = disk;
  const heads = new Float64Array(blocks.count);
  const workers = blocks.devices.flatMap(({ firstBlock, blockCount }) => {
    let next = firstBlock;
    const work = async () => {
      while (next < firstBlock + blockCount) {
        const block = next++;
        heads[block] = await readHead(disk, block);
      }
    };
    return Array.from({ length: READ_COUNT_MAX }, work);
  });
  await Promise.all(workers);
  return heads;
}

async function readHead({ blocks, watch }: DiskSpace, block: number): Promise<number> {
  const bytes = new Uint8Array(PAGE_SIZE_BYTES);
  const { file } = blocks.device(block);
  const offset = blocks.deviceOffset(block);
  try {
    await file.read(offset, bytes);
  } catch (error) {
    watch.onReadFault(blocks.deviceOf[block], error as Error);
    blocks.state[block] = DISK_BLOCK.BAD;
    return UNREADABLE;
  }
  const head = headIn(bytes, blocks.place(block));
  if (file.readShadow === undefined) return head;
  const isRead = await file.readShadow(offset, bytes.fill(0)).then(() => true, () => false);
  const other = isRead ? headIn(bytes, blocks.place(block)) : NEVER_USED;
  // Damage on one of the two is no reason to take a block for one without a life.
  return head > 0 || other > 0 ? Math.max(head, other) : Math.min(head, other);
}

function headIn(bytes: Uint8Array, place: BlockPlace): number {
  if (isBlank(bytes)) return NEVER_USED;
  return decodeUnitHeader(bytes, 0, place)?.sequence ?? UNCLEAR;
}
