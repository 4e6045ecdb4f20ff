/**
 * What clients were promised by a node that is killed again and again: every acknowledged write and delete of each key,
 * with the time of its acknowledgement, and what may be found after a kill.
 *
 * @module
 */

import type { AerieClient } from "../../src/client/mod.ts";
import { pause } from "./scenario.ts";

/** One write (a number) or delete (0) of a key. */
interface Change {
  value: number;
  /** Time of the acknowledgement, in ms; Infinity without one: it may have happened. */
  ackMs: number;
}

const KEYS_PER_WORKER = 8;
const WORKER_COUNT = 24;
/** One request of so many deletes its key. */
const DELETE_SHARE = 5;

/** See the head of the file. */
export class KillHistory {
  /** Acknowledged writes and deletes. */
  ackedCount = 0;
  /** Acknowledged changes that were lost, within the window. */
  lostCount = 0;
  /** Longest time between the acknowledgement of something that was lost and the kill. */
  lostAgeMaxMs = 0;
  readonly #client: AerieClient;
  readonly #changes = new Map<string, Change[]>();
  #isWorking = false;
  #workers: Promise<void>[] = [];
  #value = 0;

  /** @param client of the node */
  constructor(client: AerieClient) {
    this.#client = client;
    for (let number = 0; number < WORKER_COUNT * KEYS_PER_WORKER; number++) {
      this.#changes.set(`k${number}`, [{ value: 0, ackMs: 0 }]);
    }
  }

  /** Begins to write. */
  start(): void {
    this.#isWorking = true;
    const keys = [...this.#changes.keys()];
    this.#workers = Array.from(
      { length: WORKER_COUNT },
      (_, worker) => this.#work(keys.slice(worker * KEYS_PER_WORKER, (worker + 1) * KEYS_PER_WORKER)),
    );
  }

  /** Stops to write; resolves when nothing is asked any more. */
  async stop(): Promise<void> {
    this.#isWorking = false;
    await Promise.all(this.#workers);
  }

  async #work(keys: readonly string[]): Promise<void> {
    for (let count = 0; this.#isWorking; count++) {
      const name = keys[count % keys.length];
      const changes = this.#changes.get(name)!;
      const isDelete = Math.floor(count / keys.length) % DELETE_SHARE === DELETE_SHARE - 1;
      const change = { value: isDelete ? 0 : ++this.#value, ackMs: Infinity };
      changes.push(change);
      try {
        if (isDelete) await this.#client.delete(keyOf(name));
        else await this.#client.put(keyOf(name), { n: change.value, pad: "x".repeat(count * 37 % 900) });
        change.ackMs = performance.now();
        this.ackedCount++;
      } catch {
        // Whether it happened is not known. The node is about to be killed, or was.
        await pause(5);
      }
    }
  }

  /**
   * Reads all keys after a restart; what is found is what counts from now on.
   *
   * @param killMs when the node was killed
   * @param windowMs what was acknowledged so long before may be lost
   * @throws {Error} when something is found that must not be, or missing that must be there
   */
  async check(killMs: number, windowMs: number): Promise<void> {
    for (const [name, changes] of this.#changes) {
      const record = await this.#client.get(keyOf(name));
      const found = record === undefined ? 0 : record.bins.n as number;
      const safe = changes.findLastIndex(({ ackMs }) => ackMs <= killMs - windowMs);
      const last = changes.findLastIndex(({ ackMs }) => ackMs < Infinity);
      const at = changes.findLastIndex(({ value }) => value === found);
      if (at < safe) {
        const tail = changes.slice(Math.max(0, safe - 3)).map(({ value, ackMs }) =>
          `${value === 0 ? "delete" : value}${
            ackMs < Infinity ? ` acknowledged ${Math.round(killMs - ackMs)} ms before` : ""
          }`
        );
        const what = found === 0 ? "nothing" : `${found}`;
        throw new Error(`key ${name} has ${what} after a kill; its last changes were ${tail.join(", ")}`);
      }
      for (let lost = at + 1; lost <= last; lost++) {
        const { ackMs } = changes[lost];
        if (ackMs === Infinity) continue;
        this.lostCount++;
        this.lostAgeMaxMs = Math.max(this.lostAgeMaxMs, killMs - ackMs);
      }
      this.#changes.set(name, [{ value: found, ackMs: 0 }]);
    }
  }
}

function keyOf(name: string) {
  return { namespace: "test", set: "kills", key: name };
}
