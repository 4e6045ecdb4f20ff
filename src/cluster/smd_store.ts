/**
 * Keeps the modules of the cluster-wide metadata as files `smd/NAME.smd` in the work directory, replaced as one step.
 * JSON: first the version as `[cluster key, transaction id]`, then the items.
 *
 * ```json
 * [[17387264237695, 3],
 *  {"key": "test|demo", "value": "532911577376", "generation": 1, "timestamp": 532911577377},
 *  {"key": "test|gone", "value": null, "generation": 2, "timestamp": 532911577901}]
 * ```
 *
 * A file that can't be understood is an error and not an empty module: without its truncation marks, what was deleted
 * would come back. Source: clustering reference, section 17.5.
 *
 * @module
 */

import { SMD_ITEM_COUNT_MAX, utf8, utf8Decode } from "../base/mod.ts";
import type { Disk } from "../port/mod.ts";
import { SMD_MODULE_NAMES, type SmdContent, type SmdStoredItem } from "./smd_types.ts";

/** Largest file that is read; the items of one module in one message are at most as much. */
const FILE_SIZE_MAX = 128 * 1024 * 1024;

/** The text of a file. */
export function encodeSmdFile({ version, items }: SmdContent): Uint8Array {
  const sorted = [...items].sort((a, b) => (a.key < b.key ? -1 : 1));
  const lines = sorted.map(({ key, value, generation, timestampMs }) =>
    JSON.stringify({ key, value, generation, timestamp: timestampMs })
  );
  return utf8(`[${[JSON.stringify([version.clusterKey, version.transactionId]), ...lines].join(",\n ")}]\n`);
}

/**
 * Reads the text of a file.
 *
 * @throws {Error} that says what is wrong with it
 */
export function decodeSmdFile(bytes: Uint8Array): SmdContent {
  let list: unknown;
  try {
    list = JSON.parse(utf8Decode(bytes));
  } catch (error) {
    throw new Error(`it is not JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(list) || list.length === 0) {
    throw new Error("expected a list that begins with the version");
  }
  const [version, ...items] = list as unknown[];
  if (!Array.isArray(version) || version.length !== 2 || !version.every(isCount)) {
    throw new Error(`the version is ${JSON.stringify(version)}, expected [cluster key, transaction id]`);
  }
  if (items.length > SMD_ITEM_COUNT_MAX) {
    throw new Error(`it has ${items.length} items, at most ${SMD_ITEM_COUNT_MAX} are possible`);
  }
  const [clusterKey, transactionId] = version as number[];
  return { version: { clusterKey, transactionId }, items: items.map(readItem) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function readItem(item: unknown, index: number): SmdStoredItem {
  const { key, value = null, generation, timestamp } = (item ?? {}) as Record<string, unknown>;
  const isValid = typeof key === "string" && (value === null || typeof value === "string") &&
    isCount(generation) && generation <= 0xffff_ffff && isCount(timestamp);
  if (isValid) return { key, value: value as string | null, generation, timestampMs: timestamp };
  throw new Error(
    `item ${index} is ${JSON.stringify(item)?.slice(0, 80)}, expected key, value, generation, timestamp`,
  );
}

/** The files of one node. */
export class SmdStore {
  readonly #disk: Disk;
  readonly #folder: string;

  /**
   * @param disk where
   * @param workDirectory folder that has, or gets, the folder `smd`
   */
  constructor(disk: Disk, workDirectory: string) {
    this.#disk = disk;
    this.#folder = `${workDirectory}/smd`;
  }

  /** Path of a module's file. */
  path(module: number): string {
    return `${this.#folder}/${SMD_MODULE_NAMES[module]}.smd`;
  }

  /**
   * Reads what was kept.
   *
   * @param modules which
   * @returns contents of those that have a file
   * @throws {Error} when a file is there and can't be read or understood
   */
  async load(modules: readonly number[]): Promise<Map<number, SmdContent>> {
    const kept = new Map<number, SmdContent>();
    for (const module of modules) {
      const bytes = await this.#read(module);
      if (bytes === undefined) continue;
      try {
        kept.set(module, decodeSmdFile(bytes));
      } catch (error) {
        throw new Error(
          `Cannot understand "${this.path(module)}": ${(error as Error).message}. ` +
            "Repair it, or move it away to start without what it says",
        );
      }
    }
    return kept;
  }

  async #read(module: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#disk.readFile(this.path(module), FILE_SIZE_MAX);
    } catch (error) {
      // ENOTDIR: the work directory is no folder, so nothing was ever kept there.
      if (["ENOENT", "ENOTDIR"].includes((error as { code?: string }).code ?? "")) return undefined;
      throw error;
    }
  }

  /**
   * Replaces a module's file as one step.
   *
   * @throws {Error} when it can't be written
   */
  async save(module: number, content: SmdContent): Promise<void> {
    await this.#disk.makeDirectory(this.#folder);
    await this.#disk.replaceFile(this.path(module), encodeSmdFile(content));
  }
}
