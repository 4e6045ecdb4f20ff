/**
 * Sketches the slow way: registers are an array of bigints, the hash is computed with bigints. Written from the
 * reference alone, for tests to compare with.
 *
 * @module
 */

const U64 = (1n << 64n) - 1n;

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & U64;
}

function finish(value: bigint): bigint {
  value ^= value >> 33n;
  value = (value * 0xff51afd7ed558ccdn) & U64;
  value ^= value >> 33n;
  value = (value * 0xc4ceb9fe1a85ec53n) & U64;
  return value ^ (value >> 33n);
}

/** MurmurHash3_x64_128 with seed 0. */
export function modelHash(bytes: Uint8Array): [bigint, bigint] {
  const [c1, c2] = [0x87c37b91114253d5n, 0x4cf5ad432745937fn];
  let [h1, h2] = [0n, 0n];
  const word = (from: number, to: number) =>
    [...bytes.subarray(from, to)].reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const mix1 = (k: bigint) => (rotate((k * c1) & U64, 31n) * c2) & U64;
  const mix2 = (k: bigint) => (rotate((k * c2) & U64, 33n) * c1) & U64;
  const blocks = Math.floor(bytes.length / 16) * 16;
  for (let at = 0; at < blocks; at += 16) {
    h1 = (rotate(h1 ^ mix1(word(at, at + 8)), 27n) + h2) & U64;
    h1 = (h1 * 5n + 0x52dce729n) & U64;
    h2 = (rotate(h2 ^ mix2(word(at + 8, at + 16)), 31n) + h1) & U64;
    h2 = (h2 * 5n + 0x38495ab5n) & U64;
  }
  h2 ^= mix2(word(blocks + 8, bytes.length));
  h1 ^= mix1(word(blocks, Math.min(blocks + 8, bytes.length)));
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = (h1 + h2) & U64;
  h2 = (h2 + h1) & U64;
  h1 = finish(h1);
  h2 = finish(h2);
  h1 = (h1 + h2) & U64;
  return [h1, (h2 + h1) & U64];
}

/** A sketch. */
export class ModelHll {
  /** Registers, rank above minhash. */
  readonly registers: bigint[];

  /** An empty sketch. */
  constructor(readonly indexBits: number, readonly minhashBits: number) {
    this.registers = new Array(2 ** indexBits).fill(0n);
  }

  #place(element: Uint8Array): { register: number; value: bigint } {
    const [h1, h2] = modelHash(element);
    let rank = 1n;
    for (let rest = h2; rank <= 64n && (rest & 1n) === 0n; rest >>= 1n) rank++;
    const minhash = (h1 >> BigInt(this.indexBits)) & ((1n << BigInt(this.minhashBits)) - 1n);
    return {
      register: Number(h1 & BigInt(this.registers.length - 1)),
      value: (rank << BigInt(this.minhashBits)) | minhash,
    };
  }

  /** Adds elements in their msgpack form; the number of those that changed a register. */
  add(elements: readonly Uint8Array[]): number {
    return elements.filter((element) => {
      const { register, value } = this.#place(element);
      if (value <= this.registers[register]) return false;
      this.registers[register] = value;
      return true;
    }).length;
  }

  /** Whether all elements may be present. */
  mayContain(elements: readonly Uint8Array[]): boolean {
    return elements.every((element) => {
      const { register, value } = this.#place(element);
      return value <= this.registers[register];
    });
  }

  /** The sketch's particle, without a cached cardinality. */
  toBytes(): Uint8Array {
    const width = 6 + this.minhashBits;
    const text = this.registers.map((register) => register.toString(2).padStart(width, "0")).join("");
    const padded = text.padEnd(Math.ceil(text.length / 8) * 8, "0");
    const bytes = padded.match(/.{8}/g)!.map((byte) => parseInt(byte, 2));
    return new Uint8Array([0, this.indexBits, this.minhashBits, 0, 0, 0, 0, 0, 0, 0, 0, ...bytes]);
  }

  /** The union of sketches into given bits. */
  static union(sketches: readonly ModelHll[], indexBits: number, minhashBits: number): ModelHll {
    const union = new ModelHll(indexBits, minhashBits);
    for (const sketch of sketches) {
      sketch.registers.forEach((value, register) => {
        const target = register % union.registers.length;
        const candidate = minhashBits > 0 ? value : value >> BigInt(sketch.minhashBits);
        if (candidate > union.registers[target]) union.registers[target] = candidate;
      });
    }
    return union;
  }

  /** Bits that all of some sketches have. */
  static template(sketches: readonly ModelHll[]): [number, number] {
    const minhash = new Set(sketches.map((sketch) => sketch.minhashBits));
    return [
      Math.min(...sketches.map((sketch) => sketch.indexBits)),
      minhash.size === 1 ? sketches[0].minhashBits : 0,
    ];
  }

  /**
   * Maximum likelihood would be another way; this is the same estimator with its sums written out: the correction
   * terms as series of a fixed length instead of until they stop changing.
   */
  count(): number {
    const n = this.registers.length;
    const counts = new Array(65).fill(0);
    for (const register of this.registers) counts[Number(register >> BigInt(this.minhashBits))]++;
    if (counts[0] === n) return 0;
    let sum = counts[0];
    for (let k = 1; k < 60; k++) sum += n * (counts[0] / n) ** (2 ** k) * 2 ** (k - 1);
    for (let rank = 1; rank <= 64; rank++) sum += counts[rank] * 2 ** -rank;
    const alpha = [0.673, 0.697, 0.709][this.indexBits - 4] ?? 0.7213 / (1 + 1.079 / n);
    return (alpha * n * n) / sum;
  }
}
