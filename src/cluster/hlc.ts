/**
 * Hybrid logical clock: a time that follows the wall clock and yet orders events across nodes, because every message
 * carries it and a receiver's clock is moved past the sender's. Nothing is persisted: after a restart the clock
 * catches up through what it receives. Source: clustering reference, section 7.1; Kulkarni et al., "Logical Physical
 * Clocks" (2014).
 *
 * @module
 */

/** A time of the hybrid clock: upper 48 bits milliseconds since 1970, lower 16 bits a counter. */
export type HlcTime = bigint;

/** The time before all others; an orphan's sequence number. */
export const HLC_ZERO: HlcTime = 0n;

/** How far a received time may be ahead before it is worth a warning. */
export const HLC_JUMP_WARNING_MS = 5000;

const COUNTER_BITS = 16n;
const COUNTER_MAX = 0xffff;

/** Milliseconds since 1970 of a hybrid time. */
export function hlcPhysicalMs(time: HlcTime): number {
  return Number(time >> COUNTER_BITS);
}

/** Counter of a hybrid time, 0 to 65,535. */
export function hlcCounter(time: HlcTime): number {
  return Number(time & BigInt(COUNTER_MAX));
}

/**
 * A hybrid time of its parts.
 *
 * @param physicalMs whole milliseconds since 1970, below 2^48
 * @param counter 0 to 65,535
 */
export function hlcTime(physicalMs: number, counter: number): HlcTime {
  return (BigInt(physicalMs) << COUNTER_BITS) | BigInt(counter);
}

/** The text form of the wire codecs: 16 hexadecimal digits. */
export function hlcToText(time: HlcTime): string {
  return time.toString(16).padStart(16, "0");
}

/** Reads the text form; `text` is 16 hexadecimal digits. */
export function hlcFromText(text: string): HlcTime {
  return BigInt(`0x${text}`);
}

/** How a message's send time stands to an event here. */
export type HlcOrder = "before" | "after" | "indeterminate";

/**
 * Whether a message was sent before or after something that happened here. Within the latency of each other the two
 * can't be told apart.
 *
 * @param sendTime hybrid time of the sender when it sent
 * @param local hybrid time of the event here
 * @param latencyMaxMs expected one-way latency
 */
export function hlcOrder(sendTime: HlcTime, local: HlcTime, latencyMaxMs: number): HlcOrder {
  const distanceMs = hlcPhysicalMs(sendTime) - hlcPhysicalMs(local);
  if (distanceMs > latencyMaxMs) return "after";
  return distanceMs < -latencyMaxMs ? "before" : "indeterminate";
}

/** The hybrid clock of one node. Heartbeat, fabric and clustering share it. */
export class HybridClock {
  #physicalMs = 0;
  #counter = 0;
  readonly #wallMs: () => number;
  readonly #onJump: (jumpMs: number) => void;

  /**
   * @param wallMs milliseconds since 1970; may jump either way
   * @param onJump told when a received time is more than {@linkcode HLC_JUMP_WARNING_MS} ahead
   */
  constructor(wallMs: () => number, onJump: (jumpMs: number) => void = () => {}) {
    this.#wallMs = wallMs;
    this.#onJump = onJump;
  }

  /** The time of a local event, for example of sending; larger than every time before. */
  now(): HlcTime {
    const wallMs = Math.floor(this.#wallMs());
    if (wallMs > this.#physicalMs) {
      this.#physicalMs = wallMs;
      this.#counter = 0;
    } else this.#advance(this.#counter + 1);
    return hlcTime(this.#physicalMs, this.#counter);
  }

  /** Takes over the send time of a message; returns the time of its receipt, which is larger than both. */
  receive(sendTime: HlcTime): HlcTime {
    const wallMs = Math.floor(this.#wallMs());
    const senderMs = hlcPhysicalMs(sendTime);
    const before = { physicalMs: this.#physicalMs, counter: this.#counter };
    const ownMs = Math.max(before.physicalMs, wallMs);
    if (senderMs - ownMs > HLC_JUMP_WARNING_MS) this.#onJump(senderMs - ownMs);
    this.#physicalMs = Math.max(ownMs, senderMs);
    this.#counter = 0;
    const ownCounter = this.#physicalMs === before.physicalMs ? before.counter : -1;
    const senderCounter = this.#physicalMs === senderMs ? hlcCounter(sendTime) : -1;
    this.#advance(Math.max(ownCounter, senderCounter) + 1);
    return hlcTime(this.#physicalMs, this.#counter);
  }

  #advance(counter: number): void {
    if (counter > COUNTER_MAX) this.#physicalMs++;
    this.#counter = counter > COUNTER_MAX ? 0 : counter;
  }
}
