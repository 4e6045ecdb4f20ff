/**
 * The 64-bit numbers by which texts and blobs are ordered in an index. Every node of a cluster has the same, since a
 * query may go on at another node; two texts with one number cost a second look, never a wrong answer.
 *
 * @module
 */

/** The hash last computed. */
export const hashed = {
  /** Upper word. */
  high: 0,
  /** Lower word. */
  low: 0,
};

/** Two lanes of MurmurHash3's mixing, each of which sees every byte, joined at the end; the result is in `hashed`. */
export function hashValue(bytes: Uint8Array, at: number, sizeBytes: number): void {
  let first = 0x9747b28c ^ sizeBytes;
  let second = 0x3c6ef372 ^ sizeBytes;
  const end = at + sizeBytes;
  for (; at + 4 <= end; at += 4) {
    const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    first = mix(first, word, 0xcc9e2d51);
    second = mix(second, word ^ first, 0x85ebca6b);
  }
  let tail = 0;
  for (let shift = 0; at < end; at++, shift += 8) tail |= bytes[at] << shift;
  first = mix(first, tail, 0xcc9e2d51);
  second = mix(second, tail ^ first, 0x85ebca6b);
  hashed.high = finish(first ^ Math.imul(second, 0x27d4eb2f));
  hashed.low = finish(second ^ Math.imul(hashed.high, 0x165667b1));
}

function mix(state: number, word: number, factor: number): number {
  word = Math.imul(word, factor);
  word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
  state ^= word;
  return (Math.imul((state << 13) | (state >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(state: number): number {
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}
