/**
 * Bytes per second on each fabric channel, over the last interval of the ticker.
 *
 * @module
 */

import type { FabricStatistics } from "../../cluster/mod.ts";
import { FABRIC_CHANNEL } from "../../wire/mod.ts";

/** Channels in the order in which statistics name them. */
export const RATE_CHANNELS = [
  ["bulk", FABRIC_CHANNEL.BULK],
  ["ctrl", FABRIC_CHANNEL.CTRL],
  ["meta", FABRIC_CHANNEL.META],
  ["rw", FABRIC_CHANNEL.RW],
] as const;

/** Rate of one channel, in bytes per second. */
export interface ChannelRate {
  readonly sent: number;
  readonly received: number;
}

const NO_RATE: ChannelRate = { sent: 0, received: 0 };

/** See the head of the file. */
export class FabricRates {
  #atMs: number;
  #sums: readonly ChannelRate[] = [];
  #rates: readonly ChannelRate[] = [];

  /** @param nowMs monotonic time of the start */
  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Ends an interval. */
  sample(statistics: FabricStatistics, nowMs: number): void {
    const seconds = (nowMs - this.#atMs) / 1000;
    if (seconds <= 0) return;
    const sums = statistics.channels.map(({ sentBytes, receivedBytes }) => ({
      sent: sentBytes,
      received: receivedBytes,
    }));
    this.#rates = sums.map((sum, channel) => {
      const before = this.#sums[channel] ?? NO_RATE;
      return {
        sent: Math.round((sum.sent - before.sent) / seconds),
        received: Math.round((sum.received - before.received) / seconds),
      };
    });
    this.#sums = sums;
    this.#atMs = nowMs;
  }

  /** Rate of a channel in the last interval. */
  of(channel: number): ChannelRate {
    return this.#rates[channel] ?? NO_RATE;
  }
}
