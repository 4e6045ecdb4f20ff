/**
 * The devices of a namespace: opening, telling ours from others', headers. docs/format/device.md says who may open what.
 *
 * @module
 */

import { ConfigError } from "../../base/mod.ts";
import type { Compute, Disk, DiskFile, Log, Random } from "../../port/mod.ts";
import { BlockCipher } from "./block_cipher.ts";
import { type DeviceEncryption, type DeviceKey, makeDeviceKey, openDeviceKey } from "./device_key.ts";
import {
  BLOCK_COUNT_MIN,
  BLOCK_SIZE_MAX_BYTES,
  BLOCK_SIZE_MIN_BYTES,
  DEVICE_SIZE_MIN_BYTES,
  type DeviceHeader,
  FORMAT_VERSION,
  FORMAT_VERSION_OF_CODED_RECORDS,
  FORMAT_VERSION_READABLE_BY,
  HEADER_AREA_SIZE_BYTES,
  HEADER_FLAG,
  ID_SIZE_BYTES,
  idText,
  KEY_FIELD_SIZE,
} from "./layout.ts";
import { readHead } from "./device_head.ts";
import { areOfOneRun, beginRun, lastRunOf, writeHeader } from "./device_runs.ts";
import { PageWriter } from "./flusher.ts";
import { joinShadow } from "./shadow_fill.ts";
import { ShadowedFile, splitShadow } from "./shadow_file.ts";
import { repairShadow } from "./shadow_repair.ts";
import { PARTITION_PAGES_END_BYTES, type PartitionPages } from "./partition_pages.ts";

/** What the devices of a namespace are. */
export interface DeviceOptions {
  /** Name of the namespace. */
  namespace: string;
  /** Name of the cluster, empty for none. */
  cluster: string;
  /** Paths of files, made with `filesizeBytes` when they are missing. */
  files: readonly string[];
  /** Paths of raw devices. */
  devices: readonly string[];
  /** Bytes of each file. */
  filesizeBytes: number;
  /** Largest record that is to fit, in bytes: decides the block size of new devices. */
  recordSizeMaxBytes: number;
  /** How records are encrypted, undefined for not at all. */
  encryption?: DeviceEncryption | undefined;
  /** Files. */
  disk: Disk;
  /** Ciphers. */
  compute: Compute;
  /** Makes ids and keys. */
  random: Random;
  /** Lines about what was found. */
  log: Log;
}

/** One open device. */
export interface OpenDevice {
  /** Path as configured. */
  path: string;
  /** Statistics call it `file[N]` or `device[N]`. */
  label: string;
  /** The file. */
  file: DiskFile;
  /** Its header, as it is on the device. */
  header: DeviceHeader;
  /** Offset of the first block of the device among all blocks of the namespace. */
  firstBlock: number;
  /** Whole blocks. */
  blockCount: number;
  /** It had no header before. */
  isNew: boolean;
  /** Encrypts its records, undefined when they are not encrypted. */
  cipher: BlockCipher | undefined;
  /** Run that used it before this one, 8 bytes; zeros when that knew of none. */
  lastRunId: Uint8Array;
  /** That run stopped in order. */
  wasStoppedInOrder: boolean;
}

interface Candidate {
  path: string;
  label: string;
  file: DiskFile;
  sizeBytes: number;
  header: DeviceHeader | undefined;
  key: DeviceKey | undefined;
}

/** A device, and what its header is to say from now on. */
interface ClaimedDevice extends OpenDevice {
  sizeBytes: number;
  key: DeviceKey | undefined;
}

/**
 * Opens all devices of a namespace, makes headers for new ones, and reads the partition pages.
 *
 * @throws {ConfigError} when a device belongs to something else, or does not fit the others
 * @throws {Error} when a device can't be opened, read or written
 */
export async function openDevices(options: DeviceOptions, pages: PartitionPages): Promise<OpenDevice[]> {
  const candidates: Candidate[] = [];
  try {
    for (const place of placesOf(options)) candidates.push(await openCandidate(place, options));
    const { devices, runId } = gather(candidates, options);
    await loadPages(devices, pages, options);
    await judgeCompleteness(devices, pages, options);
    await claim(devices, { runId, options });
    return devices;
  } catch (error) {
    for (const { file } of candidates) await file.close().catch(() => {});
    throw error;
  }
}

interface Place {
  path: string;
  shadow: string | undefined;
  label: string;
  isFile: boolean;
}

function placesOf({ files, devices }: DeviceOptions): Place[] {
  const places = [
    ...devices.map((text, index) => ({ ...splitShadow(text), label: `device[${index}]`, isFile: false })),
    ...files.map((text, index) => ({ ...splitShadow(text), label: `file[${index}]`, isFile: true })),
  ];
  const seen = new Set<string>();
  for (
    const path of places.flatMap((place) =>
      place.shadow === undefined ? place.path : [place.path, place.shadow]
    )
  ) {
    if (seen.has(path)) throw new ConfigError(`"${path}" is given twice; give each device or file once`);
    seen.add(path);
  }
  return places;
}

/** Opens a file or device; a file gets its size. */
async function openPath(path: string, isFile: boolean, options: DeviceOptions): Promise<DiskFile> {
  if (isFile) await options.disk.makeDirectory(folderOf(path));
  const file = await options.disk.open(path, { write: true, create: isFile, exclusive: true });
  try {
    const sizeBytes = isFile ? await file.size() : Infinity;
    // A file that fills its file system must be opened again: header and pages have two places each, used in turn.
    if (sizeBytes === 0) await file.reserve?.(PARTITION_PAGES_END_BYTES);
    if (sizeBytes < options.filesizeBytes) await file.truncate(options.filesizeBytes);
    return file;
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

async function openPlace({ path, shadow, isFile }: Place, options: DeviceOptions): Promise<DiskFile> {
  const file = await openPath(path, isFile, options);
  if (shadow === undefined) return file;
  let shadowFile: DiskFile | undefined;
  try {
    shadowFile = await openPath(shadow, isFile, options);
    const sizeBytes = await file.size();
    const shadowBytes = await shadowFile.size();
    if (shadowBytes < sizeBytes) {
      throw new ConfigError(
        `"${shadow}" has ${shadowBytes} bytes, fewer than "${path}" with ${sizeBytes}, whose shadow it is to be`,
      );
    }
    const { namespace, log } = options;
    return await joinShadow({ path, file }, { path: shadow, file: shadowFile }, {
      sizeBytes,
      namespace,
      log,
      check: (header, source) => checkHeader(header, { path: source, sizeBytes, options }),
    });
  } catch (error) {
    await file.close().catch(() => {});
    await shadowFile?.close().catch(() => {});
    throw error;
  }
}

async function openCandidate(place: Place, options: DeviceOptions): Promise<Candidate> {
  const { path, label } = place;
  const file = await openPlace(place, options);
  try {
    const sizeBytes = await file.size();
    if (sizeBytes < DEVICE_SIZE_MIN_BYTES) {
      throw new ConfigError(
        `"${path}" has ${sizeBytes} bytes; a device needs at least ${DEVICE_SIZE_MIN_BYTES}`,
      );
    }
    const header = await readHeader(file, path);
    if (header !== undefined) checkHeader(header, { path, sizeBytes, options });
    return { path, label, file, sizeBytes, header, key: header && keyOf(header, path, options) };
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

function folderOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at < 0 ? "." : at === 0 ? "/" : path.slice(0, at);
}

async function readHeader(file: DiskFile, path: string): Promise<DeviceHeader | undefined> {
  const head = await readHead(file);
  switch (head.kind) {
    case "new":
      return undefined;
    case "ours":
      return head.header;
    case "filling":
      throw new ConfigError(
        `"${path}" was being filled from "${head.mark.from}" when that was interrupted: records are missing. Give the two ` +
          "together again; if the other one is lost, fill the first MiB of this one with zeros",
      );
    case "foreign":
      throw new ConfigError(
        `"${path}" holds something that is not aerie's, or both copies of its header are damaged; it is left alone. ` +
          "To use it all the same, fill its first MiB with zeros: everything in it is lost then",
      );
  }
}

/** The data key of a device with a header, undefined when its records are not encrypted. */
function keyOf(header: DeviceHeader, path: string, options: DeviceOptions): DeviceKey | undefined {
  const isEncrypted = (header.flags & HEADER_FLAG.ENCRYPTED) !== 0;
  const { encryption } = options;
  if (isEncrypted && encryption === undefined) {
    throw new ConfigError(
      `"${path}" is encrypted, and there is no key; set encryption-key-file to the key that it was made with`,
    );
  }
  if (!isEncrypted && encryption !== undefined) {
    throw new ConfigError(
      `"${path}" was made without encryption; take encryption-key-file out of the configuration, or back up, ` +
        "make new files and restore",
    );
  }
  if (encryption === undefined) return undefined;
  return openDeviceKey({ path, deviceId: header.deviceId, field: header.keyField }, encryption, options);
}

function checkHeader(
  header: DeviceHeader,
  { path, sizeBytes, options }: { path: string; sizeBytes: number; options: DeviceOptions },
): void {
  if (header.version > FORMAT_VERSION && header.readableBy > FORMAT_VERSION) {
    throw new ConfigError(
      `"${path}" has format version ${header.version}; this program reads versions up to ${FORMAT_VERSION}. ` +
        "Start the newer program, or restore a backup",
    );
  }
  if (header.namespace !== options.namespace) {
    throw new ConfigError(
      `"${path}" belongs to namespace "${header.namespace}", not to "${options.namespace}"; correct the path`,
    );
  }
  if (header.sizeBytes > sizeBytes) {
    throw new ConfigError(
      `"${path}" has ${sizeBytes} bytes, but had ${header.sizeBytes} when it was last in use: it was cut short`,
    );
  }
  const { blockSizeBytes } = header;
  const isPower = (blockSizeBytes & (blockSizeBytes - 1)) === 0;
  if (!isPower || blockSizeBytes < BLOCK_SIZE_MIN_BYTES || blockSizeBytes > BLOCK_SIZE_MAX_BYTES) {
    throw new ConfigError(
      `"${path}" has write blocks of ${blockSizeBytes} bytes, which this program can't use`,
    );
  }
  if (header.cluster !== options.cluster && header.cluster !== "") {
    options.log.write(
      "warning",
      "drv_ssd",
      `{${options.namespace}} "${path}" was made in cluster "${header.cluster}", this is "${options.cluster}"`,
    );
  }
}

/** Checks the devices against each other; changes nothing. */
function gather(
  candidates: readonly Candidate[],
  options: DeviceOptions,
): { devices: ClaimedDevice[]; runId: Uint8Array } {
  const known = candidates.filter(({ header }) => header !== undefined);
  checkSet(known);
  const setId = known[0]?.header?.setId ?? freshId(options.random);
  const blockSizeBytes = known[0]?.header?.blockSizeBytes ?? chooseBlockSize(options);
  checkRoom(candidates, blockSizeBytes);
  const runId = freshId(options.random);
  let firstBlock = 0;
  const devices = candidates.map(({ path, label, file, sizeBytes, header: known, key: knownKey }) => {
    const header = known ?? freshHeader({ setId, blockSizeBytes, sizeBytes }, options);
    const isNew = known === undefined;
    const key = isNew ? freshKey(header, options) : knownKey;
    const blockCount = Math.floor((sizeBytes - HEADER_AREA_SIZE_BYTES) / blockSizeBytes);
    firstBlock += blockCount;
    return {
      path,
      label,
      file,
      header,
      firstBlock: firstBlock - blockCount,
      blockCount,
      isNew,
      cipher: key && new BlockCipher(options.compute, key.dataKey),
      lastRunId: lastRunOf(header).id,
      wasStoppedInOrder: (header.flags & HEADER_FLAG.STOPPED_IN_ORDER) !== 0,
      sizeBytes,
      key,
    };
  });
  return { devices, runId };
}

/** Makes devices and shadows alike, and says in the headers that a new run began. */
async function claim(
  devices: readonly ClaimedDevice[],
  { runId, options }: { runId: Uint8Array; options: DeviceOptions },
): Promise<void> {
  for (const device of devices) if (!device.wasStoppedInOrder) await repairBlocks(device, options);
  await beginRun(devices, {
    runId,
    changeOf: (index) => {
      const { sizeBytes, key } = devices[index];
      return {
        deviceCount: devices.length,
        deviceIndex: index,
        sizeBytes,
        ...(key === undefined ? {} : { keyField: key.field }),
      };
    },
  });
  for (const device of devices) if (device.key?.isRewrapped) await endRotation(device, options);
}

/** What the last run left different on a device and its shadow is made alike, before any header says that a new run began. */
async function repairBlocks(
  { path, file, header, blockCount }: OpenDevice,
  { log, namespace }: DeviceOptions,
): Promise<void> {
  if (!(file instanceof ShadowedFile)) return;
  const { deviceId, blockSizeBytes } = header;
  const { toDevice, toShadow } = await repairShadow({
    sides: file.sides,
    path,
    deviceId,
    blockSizeBytes,
    blockCount,
  });
  if (toDevice + toShadow === 0) return;
  log.write(
    "info",
    "drv_ssd",
    `{${namespace}} "${path}": of what was being written when the last run ended, ${toDevice} pieces came from the shadow ` +
      `and ${toShadow} went there`,
  );
}

function freshHeader(
  fields: Pick<DeviceHeader, "setId" | "blockSizeBytes" | "sizeBytes">,
  { random, namespace, cluster, encryption }: DeviceOptions,
): DeviceHeader {
  const isEncrypted = encryption !== undefined;
  return {
    ...fields,
    version: FORMAT_VERSION,
    readableBy: isEncrypted ? FORMAT_VERSION_OF_CODED_RECORDS : FORMAT_VERSION_READABLE_BY,
    sequence: 0,
    deviceId: freshId(random),
    deviceCount: 0,
    deviceIndex: 0,
    flags: HEADER_FLAG.STOPPED_IN_ORDER | (isEncrypted ? HEADER_FLAG.ENCRYPTED : 0),
    namespace,
    cluster,
    keyField: new Uint8Array(KEY_FIELD_SIZE),
    runId: new Uint8Array(ID_SIZE_BYTES),
    baseSequence: 0,
    baseRunId: new Uint8Array(ID_SIZE_BYTES),
  };
}

function freshKey({ deviceId }: DeviceHeader, options: DeviceOptions): DeviceKey | undefined {
  const { encryption } = options;
  return encryption === undefined ? undefined : makeDeviceKey(deviceId, encryption, options);
}

/** Replaces the other copy of the header, too, so that the old key opens nothing any more. */
async function endRotation(device: OpenDevice, { log, namespace }: DeviceOptions): Promise<void> {
  await writeHeader(device, {});
  log.write(
    "info",
    "drv_ssd",
    `{${namespace}} "${device.path}" is opened by the key of encryption-key-file from now on; ` +
      "encryption-old-key-file is not needed any more",
  );
}

function checkSet(known: readonly Candidate[]): void {
  const ids = new Map<string, string>();
  for (const { path, header } of known) {
    const id = idText(header!.deviceId);
    const twin = ids.get(id);
    if (twin !== undefined) {
      throw new ConfigError(`"${twin}" and "${path}" are the same device or copies of one; give each once`);
    }
    ids.set(id, path);
    const first = known[0];
    if (idText(first.header!.setId) !== idText(header!.setId)) {
      throw new ConfigError(
        `"${first.path}" and "${path}" were not made together; they can't be used together`,
      );
    }
    if (first.header!.blockSizeBytes !== header!.blockSizeBytes) {
      throw new ConfigError(
        `"${first.path}" and "${path}" have different write blocks; one header is damaged`,
      );
    }
  }
}

/** A new device must have blocks enough, or it would refuse all records and never say why. */
function checkRoom(candidates: readonly Candidate[], blockSizeBytes: number): void {
  for (const { path, sizeBytes, header } of candidates) {
    const neededBytes = HEADER_AREA_SIZE_BYTES + BLOCK_COUNT_MIN * blockSizeBytes;
    if (header !== undefined || sizeBytes >= neededBytes) continue;
    throw new ConfigError(
      `"${path}" has ${sizeBytes} bytes; with write blocks of ${blockSizeBytes} bytes, which max-record-size asks for, it needs ` +
        `${neededBytes}. Make it larger, or lower max-record-size`,
    );
  }
}

/** Room for a few records of the largest size, within what a block may be. */
function chooseBlockSize({ recordSizeMaxBytes }: DeviceOptions): number {
  let sizeBytes = BLOCK_SIZE_MIN_BYTES;
  while (sizeBytes < 2 * recordSizeMaxBytes && sizeBytes < BLOCK_SIZE_MAX_BYTES) sizeBytes *= 2;
  return sizeBytes;
}

function freshId(random: Random): Uint8Array {
  const id = new Uint8Array(ID_SIZE_BYTES);
  random.fill(id);
  // An id of zeros would look like none.
  id[0] |= 1;
  return id;
}

async function loadPages(
  devices: readonly OpenDevice[],
  pages: PartitionPages,
  { namespace, log }: DeviceOptions,
): Promise<void> {
  for (const { path, file, header, isNew } of devices) {
    if (isNew) continue;
    const areas = [new Uint8Array(PARTITION_PAGES_END_BYTES)];
    await file.read(0, areas[0]);
    if (file.readShadow !== undefined) {
      const area = new Uint8Array(PARTITION_PAGES_END_BYTES);
      await file.readShadow(0, area).then(() => areas.push(area), () => {});
    }
    const damagedCount = pages.load(areas, header.deviceId);
    if (damagedCount === 0) continue;
    log.write("warning", "drv_ssd", `{${namespace}} "${path}": ${damagedCount} partition pages are damaged`);
  }
}

/**
 * When a device is missing, or a new one stands in its place, or one was not there in the last run, so are records: what
 * is known of partitions is wrong. It is forgotten on the devices before any of their headers changes: after a power cut
 * the headers say what is missing as long as the pages don't.
 */
async function judgeCompleteness(
  devices: readonly OpenDevice[],
  pages: PartitionPages,
  { namespace, log }: DeviceOptions,
): Promise<void> {
  const known = devices.filter(({ isNew }) => !isNew);
  if (known.length === 0) return;
  const headers = known.map(({ header }) => header);
  const countBefore = Math.max(...headers.map(({ deviceCount }) => deviceCount));
  const isOneRun = areOfOneRun(headers);
  if (isOneRun && countBefore <= known.length) {
    // Nothing is missing; a device that was added gets the pages, too.
    if (known.length < devices.length) pages.markAllDirty();
    return;
  }
  const reason = isOneRun
    ? `${known.length} of the ${countBefore} devices of the last start are here, ${
      devices.length - known.length
    } are new`
    : "the devices were not all in use in the last run";
  log.write(
    "warning",
    "drv_ssd",
    `{${namespace}} ${reason}: records may be missing, partitions count as incomplete`,
  );
  pages.forgetAll();
  pages.markAllDirty();
  await new PageWriter({ pages, devices: known }).write();
  if (known.length < devices.length) pages.markAllDirty();
}
