/**
 * Records on devices: data files, write blocks, group commit, reads, cold and fast starts, defragmentation. Leaves out the index
 * and what a record means. The formats are docs/format/device.md and checkpoint.md; read `disk_space.ts`, then `blocks.ts` and `flusher.ts`.
 *
 * @module
 */
export { Checkpoint, type CheckpointOptions } from "./checkpoint.ts";
export { DISK_BLOCK, DiskBlocks } from "./blocks.ts";
export { DEVICE_STATE, DEVICE_STATE_NAMES, DeviceWatch, type DeviceWatchOptions } from "./device_watch.ts";
export type { OpenDevice } from "./device_file.ts";
export { DiskSpace, type DiskSpaceOptions } from "./disk_space.ts";
export { Flusher, type FlusherOptions, PageWriter, type PageWriterOptions } from "./flusher.ts";
export { type DurableWaiter, FlushUnit } from "./flush_unit.ts";
export { type InspectedBin, RecordInspection } from "./inspected_record.ts";
export {
  type CheckedBlock,
  DeviceInspection,
  type InspectedBlock,
  type InspectedFault,
  type InspectedHead,
  type InspectionOptions,
} from "./inspection.ts";
export { type KeySourcePorts, readKey } from "./key_source.ts";
export { idText } from "./layout.ts";
export { loadStore, openStore, type OpenStoreOptions } from "./open_store.ts";
export { PARTITION_BYTES_MAX, PartitionPages } from "./partition_pages.ts";
