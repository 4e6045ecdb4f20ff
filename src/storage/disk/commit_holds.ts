/**
 * What the reply to the present transaction must wait for under `commit-to-device`: the flush units with what it wrote, and
 * with what it read and may not be synced yet.
 *
 * @module
 */

import { PLANTED } from "../../base/mod.ts";
import type { ChangeOrigin } from "../../port/mod.ts";
import { DISK_BLOCK, type DiskBlocks } from "./blocks.ts";
import type { Flusher } from "./flusher.ts";
import type { FlushUnit } from "./flush_unit.ts";
import type { WriteStream } from "./write_stream.ts";

/** Units of one transaction that replies wait for, before those that are synced already are sorted out. */
const HOLD_COUNT_MAX = 64;

/** Changes that somebody waits for. */
const IS_ACKNOWLEDGED: Readonly<Record<ChangeOrigin, boolean>> = {
  "client": true,
  "replica": true,
  "xdr": true,
  "migration": false,
  "expiry": false,
  "eviction": false,
  "truncate": false,
  "cold-start": false,
  "tomb-raider": false,
};

/** What is being written. */
export interface CommitHoldsOptions {
  /** All blocks. */
  blocks: DiskBlocks;
  /** What is written to each device. */
  streams: readonly WriteStream[];
  /** Writers of the devices. */
  flushers: readonly Flusher[];
  /** Units per block that are sealed and not synced. */
  pendingUnits: Uint16Array;
}

/** See the head of the file. */
export class CommitHolds {
  /** The units; whoever takes them empties the list. */
  readonly units: FlushUnit[] = [];
  readonly #options: CommitHoldsOptions;

  /** @param options what is being written */
  constructor(options: CommitHoldsOptions) {
    this.#options = options;
  }

  /** The reply waits for the record that was appended to a stream last. */
  holdAppended(stream: WriteStream, origin: ChangeOrigin): void {
    if (!IS_ACKNOWLEDGED[origin]) return;
    const { streams, flushers } = this.#options;
    const unit = stream.unit ?? stream.lastSealed;
    if (unit !== undefined && !unit.isDurable && !this.units.includes(unit)) this.#add(unit);
    flushers[streams.indexOf(stream)].kick();
  }

  /** The reply shows a record of a block in memory, which may not be synced yet. */
  holdPending(block: number, offsetBytes: number): void {
    const { blocks, streams, flushers, pendingUnits } = this.#options;
    if (blocks.state[block] !== DISK_BLOCK.OPEN && pendingUnits[block] === 0) return;
    const device = blocks.deviceOf[block];
    const { unit } = streams[device];
    const isOpen = unit?.block === block && unit.startBytes <= offsetBytes;
    const pending = isOpen ? unit : flushers[device].pendingUnit(block, offsetBytes);
    if (pending === undefined || pending.isMove || this.units.includes(pending)) return;
    this.#add(pending);
    if (isOpen) flushers[device].kick();
  }

  /** Background jobs take nothing: what is synced meanwhile leaves the list here. */
  #add(unit: FlushUnit): void {
    if (PLANTED.ackBeforeFlush) return;
    const { units } = this;
    if (units.length >= HOLD_COUNT_MAX) {
      units.splice(0, Infinity, ...units.filter(({ isDurable }) => !isDurable));
    }
    units.push(unit);
  }
}
