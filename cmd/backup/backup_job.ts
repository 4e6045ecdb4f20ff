/**
 * A backup: workers scan groups of partitions and write the records as they come.
 *
 * Where it stands is the last digest of each partition and the sizes of the files at that moment, taken together and synced
 * (`checkpoint`): an interrupted backup goes on behind those digests, in files that are cut to those sizes.
 *
 * @module
 */

import { fromHex, PARTITION_COUNT, partitionId, readU16, toHex } from "../../src/base/mod.ts";
import type { AerieClient, ScanRecord, TypedBlob } from "../../src/client/mod.ts";
import { PARTICLE } from "../../src/wire/mod.ts";
import { type AsbBin, type AsbIndex, type AsbRecord, AsbWriter } from "./asb.ts";
import { readIndexes, readModules } from "./cluster_items.ts";
import { BackupOutput } from "./output.ts";

/** Partitions of one scan. */
const GROUP_SIZE = 64;

/** What to back up. */
export interface BackupPlan {
  readonly namespace: string;
  /** Sets; empty for all. */
  readonly sets: readonly string[];
  /** Partitions, ascending. */
  readonly partitions: readonly number[];
  /** Filter expression as msgpack. */
  readonly filter: Uint8Array | undefined;
  readonly hasRecords: boolean;
  readonly hasIndexes: boolean;
  readonly hasModules: boolean;
}

/** How to do it. */
export interface BackupLimits {
  /** Scans at the same time. */
  readonly workerCount: number;
  /** Per node; 0 for no limit. */
  readonly recordsPerSecond: number;
  /** Size at which a file of a directory is full. */
  readonly fileSizeBytes: number;
  readonly isCompact: boolean;
}

/** Where it stands; plain data, kept in a state file. */
export interface BackupState {
  /** What is backed up, as text: another plan can't go on with it. */
  readonly plan: string;
  /** Files and their sizes. */
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Last digests by set (empty for all) and partition. */
  readonly digests: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What has been counted. */
  readonly counts: BackupCounts;
}

/** What a backup has done. */
export interface BackupCounts {
  records: number;
  bytes: number;
  indexes: number;
  modules: number;
  /** Bins whose type the format does not have. */
  binsLeftOut: number;
  filesUsed: number;
}

/** What a {@linkcode BackupJob} is made of. */
export interface BackupJobOptions {
  readonly client: AerieClient;
  readonly plan: BackupPlan;
  readonly limits: BackupLimits;
  /** Path of file number n of a directory; undefined when all goes to `single`. */
  readonly pathOf: ((number: number) => string) | undefined;
  /** The only output; undefined for a directory. */
  readonly single: BackupOutput | undefined;
  /** Told what the format can't hold. */
  readonly onWarning: (text: string) => void;
  /** Called once the first file has what belongs to the cluster, before any record: from here on it can go on. */
  readonly onBegun?: () => Promise<void>;
}

/** See the head of the file. */
export class BackupJob {
  /** What has been done. */
  readonly counts: BackupCounts = {
    records: 0,
    bytes: 0,
    indexes: 0,
    modules: 0,
    binsLeftOut: 0,
    filesUsed: 0,
  };
  readonly #options: BackupJobOptions;
  readonly #digests = new Map<string, Map<number, Uint8Array>>();
  readonly #outputs: BackupOutput[] = [];
  /** Outputs that nobody writes to and that are not full. */
  readonly #free: BackupOutput[] = [];
  readonly #writers = new Map<BackupOutput, AsbWriter>();
  /** Files that have a number. */
  #fileCount = 0;
  #isStopping = false;
  /** Partitions whose scans have ended. */
  #doneCount = 0;
  /** Partitions from which the scans that run have brought records. */
  readonly #begun = new Set<string>();

  constructor(options: BackupJobOptions) {
    this.#options = options;
    if (options.single !== undefined) this.#outputs.push(options.single);
  }

  /** How much is done, 0 to 1: of partitions, since nobody knows how many records a filter lets pass. */
  get share(): number {
    const { partitions, sets } = this.#options.plan;
    return (this.#doneCount + this.#begun.size) / (partitions.length * Math.max(1, sets.length));
  }

  /** Goes on where another run stood. */
  async resume(state: BackupState): Promise<void> {
    if (state.plan !== planText(this.#options.plan)) {
      throw new Error(
        "the state file belongs to a backup of something else: namespace, sets, partitions or filter differ",
      );
    }
    Object.assign(this.counts, state.counts);
    for (const [set, digests] of Object.entries(state.digests)) {
      this.#digests.set(
        set,
        new Map(Object.entries(digests).map(([at, digest]) => [Number(at), fromHex(digest)])),
      );
    }
    if (this.#options.single !== undefined) return;
    this.#fileCount = state.files.length;
    for (const { path, sizeBytes } of state.files) {
      const output = await BackupOutput.resume(path, sizeBytes);
      this.#outputs.push(output);
      if (sizeBytes < this.#options.limits.fileSizeBytes) this.#free.push(output);
    }
  }

  /**
   * Backs up.
   *
   * @throws the error that ended it; what was written until the last checkpoint is kept
   */
  async run(): Promise<void> {
    const { plan, limits } = this.#options;
    const isNew = this.#outputs.every(({ sizeBytes }) => sizeBytes === 0);
    const indexes = isNew && plan.hasIndexes ? await this.#readIndexes() : [];
    // The first file alone holds what belongs to the cluster; nobody else writes before it is there.
    const hasExpressions = indexes.some(({ expression }) => expression !== undefined);
    const first = await this.#takeOutput({ isFirst: isNew, hasExpressions });
    if (isNew) await this.#writeClusterItems(first, indexes);
    this.#giveBack(first);
    await this.#options.onBegun?.();
    if (plan.hasRecords) {
      const groups = this.#groups();
      const workers = Array.from(
        { length: Math.min(limits.workerCount, groups.length) },
        () =>
          this.#work(groups).catch((error) => {
            this.stop();
            throw error;
          }),
      );
      await Promise.all(workers);
    }
  }

  /** Ends all files. */
  async close(): Promise<void> {
    for (const output of this.#outputs) await output.close();
  }

  /** Ends the scans that run. */
  stop(): void {
    this.#isStopping = true;
  }

  /** Brings everything to the disk, and tells where the backup stands. */
  async checkpoint(): Promise<BackupState> {
    // Digests first: what is written meanwhile is cut off when the backup goes on.
    const digests = Object.fromEntries(
      [...this.#digests].map(([set, map]) => [
        set,
        Object.fromEntries([...map].map(([partition, digest]) => [partition, toHex(digest)])),
      ]),
    );
    const files = this.#outputs.map(({ path, sizeBytes }) => ({ path, sizeBytes }));
    const counts = { ...this.counts };
    for (const output of this.#outputs) await output.sync();
    return { plan: planText(this.#options.plan), files, digests, counts };
  }

  #groups(): { set: string; partitions: number[] }[] {
    const { sets, partitions } = this.#options.plan;
    const groups: { set: string; partitions: number[] }[] = [];
    for (const set of sets.length === 0 ? [""] : sets) {
      for (let at = 0; at < partitions.length; at += GROUP_SIZE) {
        groups.push({ set, partitions: partitions.slice(at, at + GROUP_SIZE) });
      }
    }
    return groups;
  }

  async #work(groups: { set: string; partitions: number[] }[]): Promise<void> {
    const { client, plan, limits } = this.#options;
    let output = await this.#takeOutput({ isFirst: false });
    for (let group = groups.shift(); group !== undefined && !this.#isStopping; group = groups.shift()) {
      const { set, partitions } = group;
      const digests = this.#digestsOf(set);
      const records = client.scan({
        namespace: plan.namespace,
        ...(set === "" ? {} : { set }),
        partitions,
        after: digests,
        raw: true,
        policy: {
          ...(plan.filter === undefined ? {} : { filter: plan.filter }),
          recordsPerSecond: Math.ceil(limits.recordsPerSecond / limits.workerCount),
        },
      });
      let lastPartition = -1;
      for await (const record of records) {
        const partition = partitionId(record.digest);
        this.#write(record, output);
        digests.set(partition, record.digest);
        if (partition !== lastPartition) this.#begun.add(`${set} ${partition}`);
        lastPartition = partition;
        if (output.isFull) await output.flush();
        if (this.#isStopping) break;
        if (this.#options.single !== undefined || output.sizeBytes < limits.fileSizeBytes) continue;
        await output.flush();
        output = await this.#takeOutput({ isFirst: false });
      }
      for (const partition of partitions) this.#begun.delete(`${set} ${partition}`);
      this.#doneCount += partitions.length;
    }
    this.#giveBack(output);
  }

  #digestsOf(set: string): Map<number, Uint8Array> {
    let digests = this.#digests.get(set);
    if (digests === undefined) this.#digests.set(set, digests = new Map());
    return digests;
  }

  #write(record: ScanRecord, output: BackupOutput): void {
    const before = output.buffer.length;
    const leftOut = this.#writerOf(output).record(toAsb(record));
    this.counts.records++;
    this.counts.bytes += output.buffer.length - before;
    if (leftOut.length === 0) return;
    if (this.counts.binsLeftOut === 0) {
      this.#options.onWarning(
        `bins of types that the format does not have are left out, the first is "${leftOut[0]}"`,
      );
    }
    this.counts.binsLeftOut += leftOut.length;
  }

  #writerOf(output: BackupOutput): AsbWriter {
    let writer = this.#writers.get(output);
    if (writer === undefined) {
      this.#writers.set(output, writer = new AsbWriter(output.buffer, this.#options.limits));
    }
    return writer;
  }

  /** An output that nobody else writes to; the only one is shared, as records are appended whole. */
  async #takeOutput(header: { isFirst: boolean; hasExpressions?: boolean }): Promise<BackupOutput> {
    const { single, pathOf, plan } = this.#options;
    if (single !== undefined) {
      if (single.sizeBytes === 0) this.#writerOf(single).begin(plan.namespace, header);
      this.counts.filesUsed = 1;
      return single;
    }
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const output = await BackupOutput.create(pathOf!(this.#fileCount++));
    this.#outputs.push(output);
    this.counts.filesUsed = this.#outputs.length;
    this.#writerOf(output).begin(plan.namespace, header);
    return output;
  }

  #giveBack(output: BackupOutput): void {
    if (this.#options.single === undefined) this.#free.push(output);
  }

  async #readIndexes(): Promise<AsbIndex[]> {
    const { client, plan, onWarning } = this.#options;
    const { indexes, skipped } = await readIndexes(client, plan.namespace);
    if (skipped.length > 0) {
      onWarning(`the format can't hold these indexes, make them again by hand: ${skipped.join(", ")}`);
    }
    return indexes;
  }

  async #writeClusterItems(output: BackupOutput, indexes: readonly AsbIndex[]): Promise<void> {
    const { client, plan } = this.#options;
    const writer = this.#writerOf(output);
    for (const index of indexes) writer.index(index);
    this.counts.indexes = indexes.length;
    if (plan.hasModules) {
      const modules = await readModules(client);
      for (const module of modules) writer.module(module);
      this.counts.modules = modules.length;
    }
  }
}

/** All partitions. */
export const ALL_PARTITIONS: readonly number[] = Array.from({ length: PARTITION_COUNT }, (_, at) => at);

function planText({ namespace, sets, partitions, filter }: BackupPlan): string {
  return JSON.stringify([namespace, sets, rangesText(partitions), filter && toHex(filter)]);
}

/** `0-1023,2048` of ascending numbers. */
function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => first === last ? first : `${first}-${last}`).join(",");
}

function toAsb(record: ScanRecord): AsbRecord {
  const { namespace, set, digest, generation, voidTime } = record;
  const bins = Object.entries(record.bins).map(([name, value]) => toBin(name, value as TypedBlob));
  const key = record.keyType === PARTICLE.FLOAT ? { float: record.key as number } : record.key;
  return { kind: "record", namespace, set, digest, key, generation, voidTime, bins };
}

/** GeoJSON comes with a byte of flags and the cells that its server computed; the text is what counts. */
function toBin(name: string, { type, bytes }: TypedBlob): AsbBin {
  if (type !== PARTICLE.GEOJSON || bytes.length < 3) return { name, type, bytes };
  return { name, type, bytes: bytes.subarray(3 + 8 * readU16(bytes, 1)) };
}
