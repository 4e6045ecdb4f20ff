/**
 * What the first unit of each block says of the block: enough to tell which blocks have begun a new life.
 *
 * @module
 */

import { isBlank } from "../../base/mod.ts";
import { DISK_BLOCK } from "./blocks.ts";
import type { DiskSpace } from "./disk_space.ts";
import { decodeUnitHeader, PAGE_SIZE_BYTES } from "./layout.ts";

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
  try {
    await blocks.device(block).file.read(blocks.deviceOffset(block), bytes);
  } catch (error) {
    watch.onReadFault(blocks.deviceOf[block], error as Error);
    blocks.state[block] = DISK_BLOCK.BAD;
    return UNREADABLE;
  }
  if (isBlank(bytes)) return NEVER_USED;
  return decodeUnitHeader(bytes, 0, blocks.place(block))?.sequence ?? UNCLEAR;
}
