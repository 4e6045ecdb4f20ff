/**
 * Rot on a device and its shadow: bytes that become others while the power is off. Of each block, and of the header area,
 * always the same one of the two is hit, so that what is safe is whole on the other one.
 *
 * @module
 */

import { TestRandom } from "../testing.ts";
import { BLOCK_SIZE_MIN_BYTES, HEADER_AREA_SIZE_BYTES, PAGE_SIZE_BYTES } from "./layout.ts";
import { PARTITION_PAGES_END_BYTES } from "./partition_pages.ts";
import { HEADERS_SIZE_BYTES } from "./device_head.ts";
import type { CrashDisk, Harm } from "./testing.ts";

/** Places that rot between two lives at most. */
const PLACES_MAX = 8;
const SECTOR_SIZE_BYTES = 512;
/** Whose disk it is. */
export interface RotOptions {
  /** Of the history. */
  seed: number;
  /** Number of the life that begins. */
  life: number;
  /** Devices, each with a shadow. */
  fileCount?: number;
}

/** Lets some places of each device and its shadow rot. */
export function rotSome(disk: CrashDisk, { seed, life, fileCount = 1 }: RotOptions): void {
  const random = new TestRandom((seed * 131 + life * 7919) | 0);
  for (let file = 0; file < fileCount; file++) {
    const sizeBytes = disk.sizeOf(`/data/${file}.dat`);
    const blockCount = Math.floor((sizeBytes - HEADER_AREA_SIZE_BYTES) / BLOCK_SIZE_MIN_BYTES);
    for (let count = random.below(PLACES_MAX + 1); count > 0; count--) {
      const block = random.below(blockCount + 1) - 1;
      const isOnShadow = new TestRandom(seed ^ Math.imul(block + 2, 0x9e3779b1)).below(2) === 1;
      const place = block < 0 ? placeOfHeader(life, random) : placeOfBlock(block, random);
      const [size, harm] = someHarm(random);
      const offset = place - place % size;
      disk.rot(`/${isOnShadow ? "shadow" : "data"}/${file}.dat`, { offset, sizeBytes: size }, harm);
    }
  }
}

/** One of the two copies of the header, or a partition page. */
function placeOfHeader(life: number, random: TestRandom): number {
  if (random.below(2) === 0) return life % 2 * PAGE_SIZE_BYTES + random.below(PAGE_SIZE_BYTES);
  return HEADERS_SIZE_BYTES + random.below(PARTITION_PAGES_END_BYTES - HEADERS_SIZE_BYTES);
}

/** The beginning of a block more often than the rest. */
function placeOfBlock(block: number, random: TestRandom): number {
  const start = HEADER_AREA_SIZE_BYTES + block * BLOCK_SIZE_MIN_BYTES;
  return start + (random.below(3) === 0 ? 0 : random.below(BLOCK_SIZE_MIN_BYTES >> random.below(6)));
}

/** What becomes of how many bytes. */
function someHarm(random: TestRandom): [sizeBytes: number, harm: Harm] {
  switch (random.below(4)) {
    case 0:
      return [SECTOR_SIZE_BYTES, (bytes) => void (bytes[random.below(bytes.length)] ^= 1 << random.below(8))];
    case 1:
      return [SECTOR_SIZE_BYTES, (bytes) => random.fill(bytes)];
    case 2:
      return [SECTOR_SIZE_BYTES, (bytes) => void bytes.fill(0)];
    default:
      return [PAGE_SIZE_BYTES, (bytes) => void bytes.fill(0)];
  }
}
