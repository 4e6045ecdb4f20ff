/**
 * What a file or device begins with: a header of ours, nothing yet, something else, or the mark that says that it is being
 * filled from another one. docs/format/device.md says who may open what.
 *
 * The mark, at {@linkcode FILL_MARK_AT_BYTES}; a page of zeros, or one that is not sound, is none:
 *
 * | offset | bytes | field |
 * | ------ | ----- | ----- |
 * | 0 | 8 | magic `AERIEFIL` |
 * | 8 | 4 | reserved |
 * | 12 | 4 | CRC-32C of the 4,096 bytes, with this field as zero |
 * | 16 | 8 | device id of both |
 * | 24 | 2 | bytes of the path |
 * | 26 | | path of the one that has the content |
 *
 * @module
 */

import { isBlank, readU16LE, utf8, utf8Decode } from "../../base/mod.ts";
import type { DiskFile } from "../../port/mod.ts";
import {
  decodeHeader,
  type DeviceHeader,
  HEADER_AREA_SIZE_BYTES,
  ID_SIZE_BYTES,
  isPageSound,
  PAGE_SIZE_BYTES,
  sealPage,
  startsLikeHeader,
} from "./layout.ts";
import { PARTITION_PAGES_END_BYTES } from "./partition_pages.ts";

/** Both copies of the header. */
export const HEADERS_SIZE_BYTES: number = 2 * PAGE_SIZE_BYTES;
/** Where the mark is. */
export const FILL_MARK_AT_BYTES: number = PARTITION_PAGES_END_BYTES;

const MARK_MAGIC = utf8("AERIEFIL");
const CHECKSUM_AT = 12;
const DEVICE_ID_AT = 16;
const PATH_SIZE_AT = 24;
const PATH_AT = 26;
/** Bytes of a path that are kept; it is for people. */
const PATH_SIZE_MAX = 400;

/** The content of a device comes from another one, and is not complete. */
export interface FillMark {
  /** Id of both, 8 bytes. */
  deviceId: Uint8Array;
  /** Path of the one that has the content. */
  from: string;
}

/** What a device begins with. */
export type DeviceHead =
  | { kind: "new" }
  | { kind: "ours"; header: DeviceHeader }
  | { kind: "filling"; mark: FillMark }
  | { kind: "foreign" };

/**
 * Looks at the beginning of a device.
 *
 * @throws {Error} when it can't be read
 */
export async function readHead(file: DiskFile): Promise<DeviceHead> {
  const copies = new Uint8Array(HEADERS_SIZE_BYTES);
  const markPage = new Uint8Array(PAGE_SIZE_BYTES);
  await file.read(0, copies);
  await file.read(FILL_MARK_AT_BYTES, markPage);
  const mark = decodeFillMark(markPage);
  if (mark !== undefined) return { kind: "filling", mark };
  const header = newestHeader(copies);
  if (header !== undefined) return { kind: "ours", header };
  return { kind: await isNewDevice(file, copies) ? "new" : "foreign" };
}

/** The newer sound copy of a header, undefined when there is none. */
export function newestHeader(copies: Uint8Array): DeviceHeader | undefined {
  const [first, second] = headerCopies(copies);
  return newestCopy(copies) === 1 ? second : first;
}

/** Which copy of a header is the newer sound one; 0 when there is none. */
export function newestCopy(copies: Uint8Array): 0 | 1 {
  const [first, second] = headerCopies(copies);
  return (second?.sequence ?? -1) > (first?.sequence ?? -1) ? 1 : 0;
}

function headerCopies(copies: Uint8Array): [DeviceHeader | undefined, DeviceHeader | undefined] {
  return [
    decodeHeader(copies.subarray(0, PAGE_SIZE_BYTES)),
    decodeHeader(copies.subarray(PAGE_SIZE_BYTES, HEADERS_SIZE_BYTES)),
  ];
}

/** The page of a mark. */
export function encodeFillMark({ deviceId, from }: FillMark): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE_BYTES);
  const path = utf8(from).subarray(0, PATH_SIZE_MAX);
  page.set(MARK_MAGIC);
  page.set(deviceId, DEVICE_ID_AT);
  page[PATH_SIZE_AT] = path.length;
  page[PATH_SIZE_AT + 1] = path.length >>> 8;
  page.set(path, PATH_AT);
  sealPage(page, CHECKSUM_AT);
  return page;
}

function decodeFillMark(page: Uint8Array): FillMark | undefined {
  if (MARK_MAGIC.some((byte, at) => page[at] !== byte) || !isPageSound(page, CHECKSUM_AT)) return undefined;
  return {
    deviceId: page.slice(DEVICE_ID_AT, DEVICE_ID_AT + ID_SIZE_BYTES),
    from: utf8Decode(
      page.subarray(PATH_AT, PATH_AT + Math.min(readU16LE(page, PATH_SIZE_AT), PATH_SIZE_MAX)),
    ),
  };
}

/** Whether a device is new. The power may have gone while its first header was written, which is the second copy. */
async function isNewDevice(file: DiskFile, copies: Uint8Array): Promise<boolean> {
  if (isBlank(copies)) return true;
  if (!isBlank(copies.subarray(0, PAGE_SIZE_BYTES))) return false;
  const firstBlock = new Uint8Array(PAGE_SIZE_BYTES);
  await file.read(HEADER_AREA_SIZE_BYTES, firstBlock);
  return startsLikeHeader(copies.subarray(PAGE_SIZE_BYTES)) && isBlank(firstBlock);
}
