/**
 * Opens the store of a namespace as its settings say: in memory alone, or with devices.
 *
 * @module
 */

import type { Disk, Log } from "../../port/mod.ts";
import { NamespaceStore, type StoreOptions } from "../store.ts";
import { coldStart } from "./cold_start.ts";
import { type OpenDevice, openDevices } from "./device_file.ts";
import { DiskSpace } from "./disk_space.ts";
import { BLOCK_SIZE_MAX_BYTES } from "./layout.ts";
import { PartitionPages } from "./partition_pages.ts";

/** What a store with devices needs besides. */
export interface OpenStoreOptions extends Omit<StoreOptions, "disk"> {
  /** Files. */
  disk: Disk;
  /** Lines about devices. */
  log: Log;
  /** Name of the cluster, empty for none. */
  cluster: string;
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
  const { settings, clock, random, log, onFailure } = options;
  const { storage, name } = settings;
  const base: StoreOptions = {
    settings,
    clock,
    random,
    ...(options.wrapDevice === undefined ? {} : { wrapDevice: options.wrapDevice }),
  };
  if (storage.files.length === 0 && storage.devices.length === 0) return new NamespaceStore(base);
  const pages = new PartitionPages();
  const devices = await openDevices({
    namespace: name,
    cluster: options.cluster,
    files: storage.files,
    devices: storage.devices,
    filesizeBytes: storage.filesize,
    recordSizeMaxBytes: settings.maxRecordSize,
    disk: options.disk,
    random,
    log,
  }, pages);
  warnOfRecordSize(options, devices[0]);
  const disk = new DiskSpace({ namespace: name, settings: storage, devices, pages, clock, log, onFailure });
  return new NamespaceStore({ ...base, disk });
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
 * Reads the records on a store's devices into its index. Truncation marks must be set before; nothing may be read or
 * written until it resolves.
 */
export async function loadStore(
  store: NamespaceStore,
  options: Pick<OpenStoreOptions, "clock" | "log">,
): Promise<void> {
  const { disk, settings } = store;
  if (disk === undefined) return;
  const { kind, coldStartEmpty } = settings.storage;
  if (coldStartEmpty) disk.pages.dropAllTrees();
  await coldStart({ store, ...options, keepsBytes: kind === "memory" });
}
