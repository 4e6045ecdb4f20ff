/**
 * An integer of 1 to 64 bits at any bit of a buffer, big-endian, as two 32-bit words; and the arithmetic of bit
 * operations on it. Bits are numbered from the most significant bit of byte 0.
 * Source: collection reference, section 5.3.
 *
 * @module
 */

/** An integer of up to 64 bits; made once and filled again. */
export class BitField {
  /** Upper word. */
  high = 0;
  /** Lower word. */
  low = 0;

  /** Sets both words. */
  set(high: number, low: number): void {
    this.high = high | 0;
    this.low = low | 0;
  }

  /** Reads `sizeBits` bits that begin at bit `bitAt`; upper bits become 0. */
  read(bytes: Uint8Array, bitAt: number, sizeBits: number): void {
    let high = 0;
    let low = 0;
    for (let left = sizeBits; left > 0;) {
      const spare = 8 - (bitAt & 7);
      const take = spare < left ? spare : left;
      const part = (bytes[bitAt >>> 3] >>> (spare - take)) & ((1 << take) - 1);
      high = (high << take) | (low >>> (32 - take));
      low = (low << take) | part;
      bitAt += take;
      left -= take;
    }
    this.high = high;
    this.low = low;
  }

  /** Writes the lowest `sizeBits` bits so that they begin at bit `bitAt`. */
  write(bytes: Uint8Array, bitAt: number, sizeBits: number): void {
    let { high, low } = this;
    for (let left = sizeBits; left > 0;) {
      const lastBit = bitAt + left - 1;
      const used = (lastBit & 7) + 1;
      const take = used < left ? used : left;
      const shift = 8 - used;
      const mask = ((1 << take) - 1) << shift;
      const at = lastBit >>> 3;
      bytes[at] = (bytes[at] & ~mask) | ((low << shift) & mask);
      low = (low >>> take) | (high << (32 - take));
      high = high >>> take;
      left -= take;
    }
  }

  /** Clears all but the lowest `sizeBits` bits. */
  mask(sizeBits: number): void {
    if (sizeBits < 32) this.low &= (1 << sizeBits) - 1;
    if (sizeBits <= 32) this.high = 0;
    else if (sizeBits < 64) this.high &= (1 << (sizeBits - 32)) - 1;
  }

  /** Takes bit `sizeBits - 1` as the sign of the 64-bit integer. */
  extendSign(sizeBits: number): void {
    if (sizeBits <= 32) {
      this.low = (this.low << (32 - sizeBits)) >> (32 - sizeBits);
      this.high = this.low >> 31;
    } else {
      this.high = (this.high << (64 - sizeBits)) >> (64 - sizeBits);
    }
  }

  /** Adds or subtracts modulo 2^64. */
  #combine(other: BitField, subtracts: boolean): void {
    const lowNumber = subtracts ? (this.low >>> 0) - (other.low >>> 0) : (this.low >>> 0) + (other.low >>> 0);
    const carry = Math.floor(lowNumber / 0x1_0000_0000);
    this.high = (subtracts ? this.high - other.high : this.high + other.high) + carry | 0;
    this.low = lowNumber | 0;
  }

  /** −1, 0 or 1 of the signed integer. */
  #sign(): number {
    return this.high < 0 ? -1 : this.high === 0 && this.low === 0 ? 0 : 1;
  }

  #isBelow(high: number, low: number): boolean {
    const left = this.high >>> 0;
    const right = high >>> 0;
    return left !== right ? left < right : (this.low >>> 0) < (low >>> 0);
  }

  /**
   * Adds or subtracts an integer of the same size; `this` holds the field as `read` left it, `other` is masked.
   *
   * @returns false when the result overflows and `mode` neither saturates nor wraps
   */
  add(other: BitField, mode: ArithmeticMode): boolean {
    return mode.isSigned ? this.#addSigned(other, mode) : this.#addUnsigned(other, mode);
  }

  #addUnsigned(other: BitField, mode: ArithmeticMode): boolean {
    const { high, low } = this;
    this.#combine(other, mode.subtracts);
    this.mask(mode.sizeBits);
    const isLess = this.#isBelow(high, low);
    const isMore = !isLess && (this.high !== high || this.low !== low);
    if (mode.subtracts ? !isMore : !isLess) return true;
    if (mode.saturates) this.set(mode.subtracts ? 0 : -1, mode.subtracts ? 0 : -1);
    return mode.saturates || mode.wraps;
  }

  /** A result of exactly 0 is not seen as an overflow: the stock server's way. */
  #addSigned(other: BitField, mode: ArithmeticMode): boolean {
    const { sizeBits } = mode;
    this.extendSign(sizeBits);
    other.extendSign(sizeBits);
    const before = this.#sign();
    const change = mode.subtracts ? -other.#sign() : other.#sign();
    this.#combine(other, mode.subtracts);
    this.extendSign(sizeBits);
    if (before === 0 || before !== change || this.#sign() !== -before) return true;
    if (mode.saturates) {
      // The smallest integer has its sign bit alone, the largest all bits but the sign.
      const wide = sizeBits > 32;
      const signBit = 1 << ((sizeBits - 1) & 31);
      this.set(wide ? signBit : 0, wide ? 0 : signBit);
      if (before > 0) this.set(~this.high, ~this.low);
    }
    return mode.saturates || mode.wraps;
  }
}

/** How an addition behaves. */
export interface ArithmeticMode {
  /** Bits of the field. */
  sizeBits: number;
  /** Subtract instead of adding. */
  subtracts: boolean;
  /** The field is a two's complement integer. */
  isSigned: boolean;
  /** Overflow gives the nearest integer that fits. */
  saturates: boolean;
  /** Overflow gives the integer modulo 2^size. */
  wraps: boolean;
}
