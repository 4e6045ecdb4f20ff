/**
 * Sets of bytes, as bracket expressions describe them.
 *
 * @module
 */

/** A set of the 256 bytes. */
export class ByteSet {
  readonly #has = new Uint8Array(256);

  /** Adds a range. */
  add(first: number, last: number): void {
    this.#has.fill(1, first, last + 1);
  }

  /** Adds the other case of every ASCII letter. */
  foldCase(): void {
    for (let upper = 0x41; upper <= 0x5a; upper++) {
      const either = this.#has[upper] | this.#has[upper + 0x20];
      this.#has[upper] = either;
      this.#has[upper + 0x20] = either;
    }
  }

  /** Turns the set into its opposite, without one byte. */
  invert(excluded: number): void {
    for (let code = 0; code < 256; code++) this.#has[code] ^= 1;
    this.#has[excluded] = 0;
  }

  /** The set in RE2's syntax. */
  toRegex(): string {
    let text = "";
    for (let first = 0; first < 256; first++) {
      if (this.#has[first] === 0) continue;
      let last = first;
      while (last < 255 && this.#has[last + 1] === 1) last++;
      text += `\\x{${first.toString(16)}}-\\x{${last.toString(16)}}`;
      first = last;
    }
    return text === "" ? "[^\\x00-\\x{10FFFF}]" : `[${text}]`;
  }
}

/** Ranges of the named classes in the C locale. */
const CLASSES: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  alpha: [[0x41, 0x5a], [0x61, 0x7a]],
  digit: [[0x30, 0x39]],
  alnum: [[0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a]],
  upper: [[0x41, 0x5a]],
  lower: [[0x61, 0x7a]],
  space: [[0x09, 0x0d], [0x20, 0x20]],
  blank: [[0x09, 0x09], [0x20, 0x20]],
  punct: [[0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e]],
  print: [[0x20, 0x7e]],
  graph: [[0x21, 0x7e]],
  cntrl: [[0x00, 0x1f], [0x7f, 0x7f]],
  xdigit: [[0x30, 0x39], [0x41, 0x46], [0x61, 0x66]],
};

/** Adds a named class; false when there is none of that name. */
export function addNamedClass(set: ByteSet, name: string): boolean {
  if (!Object.hasOwn(CLASSES, name)) return false;
  for (const [first, last] of CLASSES[name]) set.add(first, last);
  return true;
}
