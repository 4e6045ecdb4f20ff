/**
 * Which devices of a namespace can be used. Looked at each second, so that a device that is only slow for a moment
 * changes nothing.
 *
 * | state | is read | new records | leaves when |
 * | ----- | ------- | ----------- | ----------- |
 * | good | yes | yes | a round of writes fails, or has not ended for 30 s: faulty |
 * | faulty | yes | when no other device is good | a round succeeds: good; 10 s later, while another device is good: closed |
 * | closed | yes | no | a trial write works: good |
 * | failed | no | no | with the next start |
 *
 * What waits to be written to a device that is closed is moved to the others: nothing is lost by that. A device is failed
 * when reads or writes fail and so do probes that read several places of it, three times in a row; then its records are lost here, and
 * whoever knows of replicas is told (`onLoss`). A place that can't be read on a device that can is one damaged record.
 *
 * A namespace with one device has nothing to move to: it stays faulty, and what can't be written waits in memory.
 *
 * @module
 */

import { CorruptionError } from "../../base/mod.ts";
import type { Clock, Log } from "../../port/mod.ts";
import type { DiskBlocks } from "./blocks.ts";
import type { DiskReports } from "./disk_reports.ts";
import type { Flusher } from "./flusher.ts";
import { decodeHeader, HEADER_AREA_SIZE_BYTES, idText, PAGE_SIZE_BYTES } from "./layout.ts";

/** States of a device; see the head of the file. */
export const DEVICE_STATE = { GOOD: 0, FAULTY: 1, CLOSED: 2, FAILED: 3 } as const;
/** Names of the states, for people. */
export const DEVICE_STATE_NAMES: readonly string[] = ["good", "faulty", "closed", "failed"];

/** A device is closed when it has been faulty for so long and another one is good. */
const CLOSE_AFTER_MS = 10_000;
/** A round of writes that takes longer counts as failed. */
const ROUND_TIME_MAX_MS = 30_000;
/** Time between two trial writes. */
const TRIAL_PERIOD_MS = 10_000;
/** Probes that fail in a row before a device is given up. */
const FAILED_PROBE_COUNT = 3;
/** Places that a probe reads. */
const PROBE_PLACE_COUNT = 4;
/** Time between two looks at whether files still have their names. */
const NAME_PERIOD_MS = 60_000;
/** Spreads the places of probes over a device. */
const PROBE_STRIDE = 7919;

/** What a watch needs. */
export interface DeviceWatchOptions {
  /** Name of the namespace. */
  namespace: string;
  /** All blocks. */
  blocks: DiskBlocks;
  /** Writers of the devices, in their order. */
  flushers: readonly Flusher[];
  /** Counts. */
  reports: DiskReports;
  /** Time. */
  clock: Clock;
  /** Lines about changes of state. */
  log: Log;
  /** Moves what waits to be written to a device to others; whether all of it found room. */
  evacuate: (device: number) => boolean;
  /** Records of a device can't be read any more. */
  onLoss: (device: number) => void;
}

interface Watched {
  /** Since when rounds have failed; Infinity while they don't. */
  faultySinceMs: number;
  trialMs: number;
  /** A read has failed, or writes have begun to, since the last good probe. */
  isSuspect: boolean;
  failedProbeCount: number;
  probeStartMs: number;
  isTrying: boolean;
}

/** See the head of the file. */
export class DeviceWatch {
  /** One of {@linkcode DEVICE_STATE} per device. */
  readonly states: Uint8Array;
  readonly #options: DeviceWatchOptions;
  readonly #devices: Watched[];
  #probePlace = 0;
  #namesMs = 0;

  /** @param options devices and whom to tell */
  constructor(options: DeviceWatchOptions) {
    this.#options = options;
    const { devices } = options.blocks;
    this.states = new Uint8Array(devices.length);
    this.#devices = devices.map(() => ({
      faultySinceMs: Infinity,
      trialMs: 0,
      isSuspect: false,
      failedProbeCount: 0,
      probeStartMs: Infinity,
      isTrying: false,
    }));
  }

  /** Whether some device's records can't be read. */
  get hasFailed(): boolean {
    return this.states.includes(DEVICE_STATE.FAILED);
  }

  /** Why nothing can be written; empty when some device is good. */
  get fault(): string {
    if (this.states.includes(DEVICE_STATE.GOOD)) return "";
    const faulty = this.#options.flushers.find(({ fault }) => fault !== "");
    return faulty?.fault ?? "no device of the namespace can be used";
  }

  /** Whether new records may go to a device. */
  takes(device: number): boolean {
    const state = this.states[device];
    return state === DEVICE_STATE.GOOD ||
      (state === DEVICE_STATE.FAULTY && !this.states.includes(DEVICE_STATE.GOOD));
  }

  /** A round of writes of a device has failed. */
  onWriteFault(device: number, error: Error): void {
    const { reports, clock } = this.#options;
    if (this.states[device] === DEVICE_STATE.GOOD) {
      this.states[device] = DEVICE_STATE.FAULTY;
      this.#devices[device].faultySinceMs = clock.monotonicMs();
      // One that is dead altogether may not be read for long: what it had is to be fetched elsewhere now.
      this.#suspect(device);
    }
    reports.writeFault(error, device, this.fault === "" ? "others" : "none");
  }

  /** A round of writes of a device has succeeded; whether it was faulty before. */
  onWritten(device: number): boolean {
    if (this.states[device] !== DEVICE_STATE.FAULTY) return false;
    this.states[device] = DEVICE_STATE.GOOD;
    this.#devices[device].faultySinceMs = Infinity;
    this.#write("info", device, "can be written again");
    return true;
  }

  /** A read of a device has failed. */
  onReadFault(device: number, error: Error): void {
    this.#options.reports.readFault(error, device);
    if (!(error instanceof CorruptionError)) this.#suspect(device);
  }

  /** The device is probed from now on. */
  #suspect(device: number): void {
    const watched = this.#devices[device];
    if (watched.isSuspect || this.states[device] === DEVICE_STATE.FAILED) return;
    watched.isSuspect = true;
    watched.failedProbeCount = 0;
  }

  /** Looks at all devices; called each second. */
  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const looksAtNames = nowMs - this.#namesMs >= NAME_PERIOD_MS;
    if (looksAtNames) this.#namesMs = nowMs;
    for (const device of this.#devices.keys()) {
      if (looksAtNames) this.#lookAtName(device);
      if (this.states[device] === DEVICE_STATE.FAILED) continue;
      this.#lookAtWrites(device, nowMs);
      this.#lookAtReads(device, nowMs);
    }
  }

  /** The node stops: what waits for faulty devices goes to good ones now. */
  giveUpFaulty(): void {
    for (const [device, state] of this.states.entries()) {
      if (state !== DEVICE_STATE.FAULTY || !this.states.includes(DEVICE_STATE.GOOD)) continue;
      this.#close(device, this.#options.clock.monotonicMs());
    }
  }

  #lookAtWrites(device: number, nowMs: number): void {
    const watched = this.#devices[device];
    const { roundStartMs } = this.#options.flushers[device];
    if (this.states[device] === DEVICE_STATE.GOOD && nowMs - roundStartMs >= ROUND_TIME_MAX_MS) {
      const { path } = this.#options.blocks.devices[device];
      this.onWriteFault(device, new Error(`Writing to "${path}" has not ended for ${ROUND_TIME_MAX_MS} ms`));
    }
    const isDue = this.states[device] === DEVICE_STATE.FAULTY &&
      nowMs - watched.faultySinceMs >= CLOSE_AFTER_MS;
    if (isDue && this.states.includes(DEVICE_STATE.GOOD)) this.#close(device, nowMs);
    if (this.states[device] !== DEVICE_STATE.CLOSED || nowMs < watched.trialMs || watched.isTrying) return;
    watched.isTrying = true;
    this.#try(device).finally(() => {
      watched.isTrying = false;
      watched.trialMs = this.#options.clock.monotonicMs() + TRIAL_PERIOD_MS;
    });
  }

  #close(device: number, nowMs: number): void {
    const { flushers, blocks, evacuate } = this.#options;
    this.states[device] = DEVICE_STATE.CLOSED;
    blocks.setUsable(device, false);
    if (!evacuate(device)) {
      // There is no room elsewhere: what waits stays where it is.
      this.states[device] = DEVICE_STATE.FAULTY;
      blocks.setUsable(device, true);
      this.#devices[device].faultySinceMs = nowMs;
      return;
    }
    flushers[device].isClosed = true;
    this.#devices[device].trialMs = nowMs + TRIAL_PERIOD_MS;
    this.#write(
      "critical",
      device,
      "takes no more writes, its records are still read; what waited for it went to the other devices. " +
        "It is tried again each 10 s; make room on its file system, or replace it",
    );
  }

  /** Writes zeros where a free block begins: there nothing is that counts. Never rejects. */
  async #try(device: number): Promise<void> {
    const { blocks, flushers } = this.#options;
    const { file } = blocks.devices[device];
    const block = blocks.someFree(device);
    if (block < 0 || flushers[device].roundStartMs < Infinity) return;
    try {
      await file.write(blocks.deviceOffset(block), new Uint8Array(PAGE_SIZE_BYTES));
      await file.sync();
    } catch {
      return;
    }
    if (this.states[device] !== DEVICE_STATE.CLOSED) return;
    this.states[device] = DEVICE_STATE.GOOD;
    this.#devices[device].faultySinceMs = Infinity;
    blocks.setUsable(device, true);
    flushers[device].isClosed = false;
    this.#write("info", device, "can be written again");
  }

  #lookAtReads(device: number, nowMs: number): void {
    const watched = this.#devices[device];
    if (!watched.isSuspect) return;
    if (watched.probeStartMs < Infinity) {
      if (nowMs - watched.probeStartMs >= ROUND_TIME_MAX_MS) this.#fail(device);
      return;
    }
    watched.probeStartMs = nowMs;
    this.#probe(device).then((isGood) => {
      watched.probeStartMs = Infinity;
      if (isGood) watched.isSuspect = false;
      else if (++watched.failedProbeCount >= FAILED_PROBE_COUNT) this.#fail(device);
    });
  }

  /** Whether any of several places can be read, and the device is still the one that was opened. Never rejects. */
  async #probe(device: number): Promise<boolean> {
    const { blocks, reports } = this.#options;
    const { file, header, blockCount, path } = blocks.devices[device];
    let isGood = false;
    const page = new Uint8Array(2 * PAGE_SIZE_BYTES);
    for (let count = 0; count < PROBE_PLACE_COUNT; count++) {
      const block = this.#probePlace++ * PROBE_STRIDE % blockCount;
      const offset = count === 0 ? 0 : HEADER_AREA_SIZE_BYTES + block * blocks.blockSizeBytes;
      try {
        await file.read(offset, page);
      } catch {
        continue;
      }
      isGood = true;
      const found = [page.subarray(0, PAGE_SIZE_BYTES), page.subarray(PAGE_SIZE_BYTES)].map(decodeHeader);
      if (
        offset > 0 ||
        found.some((one) => one !== undefined && idText(one.deviceId) === idText(header.deviceId))
      ) {
        continue;
      }
      reports.readFault(new Error(`"${path}" has lost its header, or holds something else now`), device);
      return false;
    }
    return isGood;
  }

  /** A file that was removed goes on to work, and is gone with the process: somebody must hear of it before. */
  #lookAtName(device: number): void {
    const { file } = this.#options.blocks.devices[device];
    file.isThere?.().then((isThere) => {
      if (isThere) return;
      this.#write(
        "critical",
        device,
        "was removed or replaced while it is in use. Nothing is lost before the node stops, and everything in it then: " +
          "make a backup now, or let other nodes take over (quiesce:) before you stop it",
      );
    }, () => {});
  }

  #fail(device: number): void {
    const { blocks, flushers, evacuate, onLoss } = this.#options;
    if (this.states[device] === DEVICE_STATE.FAILED) return;
    this.states[device] = DEVICE_STATE.FAILED;
    blocks.setUsable(device, false);
    const isSaved = evacuate(device);
    if (isSaved) flushers[device].isClosed = true;
    this.#write(
      "critical",
      device,
      "can't be read and is out of service until the next start: its records are taken from other nodes as far as they " +
        "have them, requests for the rest get result 1. Replace it, or take it out of the configuration",
    );
    onLoss(device);
  }

  #write(level: "info" | "critical", device: number, text: string): void {
    const { namespace, blocks, log } = this.#options;
    log.write(level, "drv_ssd", `{${namespace}} "${blocks.devices[device].path}" ${text}`);
  }
}
