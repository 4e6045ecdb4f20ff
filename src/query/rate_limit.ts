/**
 * Records per second: a bucket of tokens, filled by the clock.
 *
 * @module
 */

/** Time whose tokens may be saved up: enough for timers that are late, too little to be felt as a burst. */
const BURST_MS = 20;

/** Limits how many records per second a query takes. */
export class RateLimit {
  readonly #perMs: number;
  readonly #tokensMax: number;
  #tokens = 1;
  #filledMs: number;

  /**
   * @param perSecond records per second, 0 for no limit
   * @param nowMs monotonic time
   */
  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#tokensMax = Math.max(1, this.#perMs * BURST_MS);
    this.#filledMs = nowMs;
  }

  /** Whether there is a limit. */
  get isLimited(): boolean {
    return this.#perMs > 0;
  }

  /** Whether a record may be taken now. */
  get hasToken(): boolean {
    return this.#tokens >= 1;
  }

  /** Takes a record. */
  take(): void {
    this.#tokens--;
  }

  /** Lets time pass. */
  fill(nowMs: number): void {
    const added = Math.max(0, nowMs - this.#filledMs) * this.#perMs;
    this.#tokens = Math.min(this.#tokensMax, this.#tokens + added);
    this.#filledMs = nowMs;
  }

  /** Milliseconds until a record may be taken, at least one. */
  waitMs(): number {
    return Math.max(1, Math.ceil((1 - this.#tokens) / this.#perMs));
  }
}
