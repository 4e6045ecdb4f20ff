/**
 * A running hash over everything that happens in a simulation: two runs with the same hash were the same run.
 *
 * @module
 */

/** 64 bits in two lanes of the kind that MurmurHash3 uses. Finds accidents, not attacks. */
export class EventHash {
  #left = 0x9747b28c;
  #right = 0x2f0b4c47;

  /** Mixes in one 32-bit number. */
  mix(value: number): void {
    const word = Math.imul(value, 0xcc9e2d51);
    const mixed = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    const left = this.#left ^ mixed;
    this.#left = (Math.imul((left << 13) | (left >>> 19), 5) + 0xe6546b64) | 0;
    const right = this.#right ^ this.#left;
    this.#right = (Math.imul((right << 17) | (right >>> 15), 0x38b34ae5) + value) | 0;
  }

  /** Mixes in bytes and their number. */
  mixBytes(bytes: Uint8Array): void {
    this.mix(bytes.length);
    // The same as `mix` of each word, with both lanes at hand: all bytes of a run come by here.
    let left = this.#left;
    let right = this.#right;
    const wordEnd = bytes.length & ~3;
    for (let at = 0; at < bytes.length;) {
      let value = bytes[at];
      if (at < wordEnd) {
        value |= (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
        at += 4;
      } else at++;
      const word = Math.imul(value, 0xcc9e2d51);
      left ^= Math.imul((word << 15) | (word >>> 17), 0x1b873593);
      left = (Math.imul((left << 13) | (left >>> 19), 5) + 0xe6546b64) | 0;
      right ^= left;
      right = (Math.imul((right << 17) | (right >>> 15), 0x38b34ae5) + value) | 0;
    }
    this.#left = left;
    this.#right = right;
  }

  /** Mixes in a text. */
  mixText(text: string): void {
    this.mix(text.length);
    for (let at = 0; at < text.length; at++) this.mix(text.charCodeAt(at));
  }

  /** The hash so far: 16 hexadecimal digits. */
  toString(): string {
    return [this.#left, this.#right].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
