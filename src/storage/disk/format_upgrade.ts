/**
 * Raises the format version of devices before the first record of a form that older programs could not read: they refuse
 * the file then, instead of taking records for damaged.
 *
 * @module
 */

import type { OpenDevice } from "./device_file.ts";
import { writeHeader } from "./device_runs.ts";
import { FORMAT_VERSION } from "./layout.ts";

/** See the head of the file. */
export class FormatUpgrade {
  readonly #devices: readonly OpenDevice[];
  readonly #onFault: (error: Error, device: number) => void;
  #doneVersion: number;
  #wantedVersion = 0;
  #running: Promise<void> | undefined;

  /**
   * @param devices all devices of a namespace
   * @param onFault a header could not be written; it is tried again when the next record asks
   */
  constructor(devices: readonly OpenDevice[], onFault: (error: Error, device: number) => void) {
    this.#devices = devices;
    this.#onFault = onFault;
    this.#doneVersion = Math.min(...devices.map(({ header: { readableBy } }) => readableBy));
  }

  /** Whether records of a form that came with a version may be written now; when not, the headers are on their way. */
  isDone(version: number): boolean {
    if (this.#doneVersion < version) this.run(version);
    return this.#doneVersion >= version;
  }

  /** Raises the oldest version that can read the devices; resolves when that has ended, well or not. */
  run(version: number): Promise<void> {
    this.#wantedVersion = Math.max(this.#wantedVersion, version);
    if (this.#doneVersion >= this.#wantedVersion) return Promise.resolve();
    return this.#running ??= this.#run(this.#wantedVersion).finally(() => this.#running = undefined);
  }

  /** Resolves when no header is being written. */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #run(wantedVersion: number): Promise<void> {
    for (const [index, device] of this.#devices.entries()) {
      const { version, readableBy } = device.header;
      if (readableBy >= wantedVersion) continue;
      try {
        await writeHeader(device, {
          version: Math.max(version, FORMAT_VERSION),
          readableBy: wantedVersion,
        });
      } catch (error) {
        return this.#onFault(error as Error, index);
      }
    }
    this.#doneVersion = wantedVersion;
  }
}
