/**
 * Opens the store of a namespace as its settings say: in memory alone, or with devices.
 *
 * @module
 */

import type { Compute, Disk, Host, Log } from "../../port/mod.ts";
import { ConfigError } from "../../base/mod.ts";
import { NamespaceStore, type StoreOptions } from "../store.ts";
import { Checkpoint } from "./checkpoint.ts";
import { coldStart } from "./cold_start.ts";
import { type OpenDevice, openDevices } from "./device_file.ts";
import { DiskSpace } from "./disk_space.ts";
import { fastStart } from "./fast_start.ts";
import { readEncryption } from "./key_source.ts";
import { BLOCK_SIZE_MAX_BYTES, FORMAT_VERSION_OF_CODED_RECORDS } from "./layout.ts";
import { checkpointFiles } from "./sealed_files.ts";
import { splitShadow } from "./shadow_file.ts";
import { PartitionPages } from "./partition_pages.ts";

/** What a store with devices needs besides. */
export interface OpenStoreOptions extends Omit<StoreOptions, "disk"> {
  /** Files. */
  disk: Disk;
  /** Compression, ciphers, and checksums of index checkpoints. */
  compute: Compute;
  /** Has the environment, from which keys may come. */
  host: Pick<Host, "environment">;
  /** Lines about devices. */
  log: Log;
  /** Name of the cluster, empty for none. */
  cluster: string;
  /** Where index checkpoints go when there are raw devices alone, empty for nowhere. */
  workDirectory?: string;
  /** Told of what no fault of a disk explains. */
  onFailure: (error: unknown) => void;
}

/**
 * Opens a store. Records on devices are not in it yet: see {@linkcode loadStore}.
 *
 * @throws {ConfigError} when a device belongs to something else
 * @throws {Error} when a device can't be opened
 */
export async function openStore(options: OpenStoreOptions): Promise<NamespaceStore> {
  const { settings, clock, random, log, compute, onFailure } = options;
  const { storage, name } = settings;
  const base: StoreOptions = {
    settings,
    clock,
    random,
    ...(options.wrapDevice === undefined ? {} : { wrapDevice: options.wrapDevice }),
  };
  if (storage.files.length === 0 && storage.devices.length === 0) {
    tellOfNoDevices(options);
    return new NamespaceStore(base);
  }
  if (storage.compression === "zstd" && !compute.hasZstd()) {
    throw new ConfigError(
      `compression zstd of namespace "${name}" is not there in this runtime; use lz4, or Deno, or Node 22.15 or later`,
    );
  }
  const pages = new PartitionPages();
  const devices = await openDevices({
    namespace: name,
    cluster: options.cluster,
    files: storage.files,
    devices: storage.devices,
    filesizeBytes: storage.filesize,
    recordSizeMaxBytes: settings.maxRecordSize,
    encryption: await readEncryption(storage, options),
    disk: options.disk,
    compute,
    random,
    log,
  }, pages);
  warnOfRecordSize(options, devices[0]);
  const disk = new DiskSpace({
    namespace: name,
    settings: storage,
    devices,
    pages,
    clock,
    compute,
    random,
    log,
    onFailure,
  });
  if (disk.compression.isOn) await disk.upgrade.run(FORMAT_VERSION_OF_CODED_RECORDS);
  const store = new NamespaceStore({ ...base, disk });
  const path = checkpointPath(options);
  if (path !== undefined) {
    const files = checkpointFiles(options.disk, devices, { compute, random, clock });
    store.checkpoint = new Checkpoint({ store, files, path, clock, log, compute });
  }
  return store;
}

/** Path of the index checkpoint: beside the first file, else in the work directory. */
function checkpointPath({ settings, workDirectory }: OpenStoreOptions): string | undefined {
  const { kind, files } = settings.storage;
  // Records in memory must all be read at a start; the index comes with them.
  if (kind === "memory") return undefined;
  if (files.length > 0) return `${splitShadow(files[0]).path}.index`;
  return (workDirectory ?? "") === "" ? undefined : `${workDirectory}/${settings.name}.index`;
}

/** Without devices there is nothing to compress or encrypt. */
function tellOfNoDevices({ settings: { name, storage }, log }: OpenStoreOptions): void {
  const idle = [
    storage.compression === "none" ? "" : "compression",
    storage.encryptionKeyFile === "" ? "" : "encryption-key-file",
  ].filter((option) => option !== "");
  if (idle.length === 0) return;
  const words = idle.join(" and ");
  log.write(
    "warning",
    "drv_mem",
    `{${name}} ${words} of storage-engine memory without files does nothing: records are in memory alone`,
  );
}

/** The block size was chosen when the devices were made; `max-record-size` may have been raised since. */
function warnOfRecordSize({ settings, log }: OpenStoreOptions, { path, header }: OpenDevice): void {
  if (settings.maxRecordSize < header.blockSizeBytes || header.blockSizeBytes === BLOCK_SIZE_MAX_BYTES) {
    return;
  }
  log.write(
    "warning",
    "drv_ssd",
    `{${settings.name}} records of max-record-size (${settings.maxRecordSize}) don't fit: "${path}" was made with write ` +
      `blocks of ${header.blockSizeBytes} bytes. Larger records are refused; backup, new files and restore change that`,
  );
}

/**
 * Reads the records on a store's devices into its index: from a checkpoint, or all of them. Truncation marks must be set
 * before; nothing may be read or written until it resolves.
 */
export async function loadStore(
  store: NamespaceStore,
  options: Pick<OpenStoreOptions, "clock" | "log" | "compute">,
): Promise<void> {
  const { disk, settings, checkpoint } = store;
  if (disk === undefined) return;
  const { kind, coldStartEmpty } = settings.storage;
  if (coldStartEmpty) disk.pages.dropAllTrees();
  const isCold = coldStartEmpty || checkpoint === undefined || checkpoint.bytesPerHour === 0;
  if (!isCold) store.start = await fastStart({ store, checkpoint, ...options });
  store.start ??= await coldStart({ store, ...options, keepsBytes: kind === "memory" });
  checkpoint?.begin();
}
