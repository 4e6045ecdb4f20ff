/**
 * Raises the format version of devices before the first record that older programs could not read: they refuse the file
 * then, instead of taking records for damaged.
 *
 * @module
 */

import { type OpenDevice, writeHeader } from "./device_file.ts";
import { FORMAT_VERSION, FORMAT_VERSION_OF_CODED_RECORDS } from "./layout.ts";

/** See the head of the file. */
export class FormatUpgrade {
  readonly #devices: readonly OpenDevice[];
  readonly #onFault: (error: Error, device: number) => void;
  #isDone = false;
  #running: Promise<void> | undefined;

  /**
   * @param devices all devices of a namespace
   * @param onFault a header could not be written; it is tried again when the next record asks
   */
  constructor(devices: readonly OpenDevice[], onFault: (error: Error, device: number) => void) {
    this.#devices = devices;
    this.#onFault = onFault;
  }

  /** Whether compressed records may be written now; when not, the headers are on their way. */
  isDone(): boolean {
    if (!this.#isDone) this.run();
    return this.#isDone;
  }

  /** Raises the version where it is lower; resolves when that has ended, well or not. */
  run(): Promise<void> {
    if (this.#isDone) return Promise.resolve();
    return this.#running ??= this.#run().finally(() => this.#running = undefined);
  }

  /** Resolves when no header is being written. */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const [index, device] of this.#devices.entries()) {
      const { version, readableBy } = device.header;
      if (readableBy >= FORMAT_VERSION_OF_CODED_RECORDS) continue;
      try {
        await writeHeader(device, {
          version: Math.max(version, FORMAT_VERSION),
          readableBy: FORMAT_VERSION_OF_CODED_RECORDS,
        });
      } catch (error) {
        return this.#onFault(error as Error, index);
      }
    }
    this.#isDone = true;
  }
}
