/**
 * The state file of a backup: where it stands, so that an interrupted one can go on. It is replaced as one step, so a
 * file that is there is whole.
 *
 * @module
 */

import { readFile, rename, unlink, writeFile } from "node:fs/promises";
import { attempt } from "../../src/platform/mod.ts";
import type { BackupJob, BackupState } from "./backup_job.ts";

const SIZE_MAX_BYTES = 64 * 1024 * 1024;

/** See the head of the file. */
export class StateFile {
  /** Its path. */
  readonly path: string;
  /** Records that were backed up when the state was kept last; undefined before. */
  keptRecords: number | undefined;
  #keeping: Promise<void> = Promise.resolve();

  /** @param path where it is, or is to be */
  constructor(path: string) {
    this.path = path;
  }

  /**
   * Reads what an interrupted backup has left.
   *
   * @throws {Error} when there is none, or something else
   */
  async read(): Promise<BackupState> {
    const text = await readFile(this.path, "utf8").catch((error: Error & { code?: string }) => {
      throw new Error(
        error.code === "ENOENT"
          ? `cannot go on: there is no state file "${this.path}". Backups that are complete leave none`
          : `cannot go on: the state file can't be read: ${error.message}`,
      );
    });
    if (text.length > SIZE_MAX_BYTES) throw new Error(`${this.path} is too large for a state file`);
    try {
      return JSON.parse(text) as BackupState;
    } catch {
      throw new Error(`${this.path} is no state file of a backup`);
    }
  }

  /**
   * Brings what the job has written to the disk, and keeps where it stands; one call after the other.
   *
   * @throws {Error} when that fails; what was kept before is there still
   */
  keep(job: BackupJob): Promise<void> {
    const kept = this.#keeping.then(() => this.#keep(job));
    this.#keeping = kept.catch(() => {});
    return kept;
  }

  /** Removes it: the backup is complete. */
  async remove(): Promise<void> {
    await this.#keeping;
    await unlink(this.path).catch(() => {});
  }

  async #keep(job: BackupJob): Promise<void> {
    const state = await job.checkpoint();
    const fresh = `${this.path}.new`;
    try {
      await attempt("write", fresh, () => writeFile(fresh, JSON.stringify(state)));
      await attempt("replace", this.path, () => rename(fresh, this.path));
    } catch (error) {
      await unlink(fresh).catch(() => {});
      throw error;
    }
    this.keptRecords = state.counts.records;
  }
}
