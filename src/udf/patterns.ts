/**
 * Lua's patterns, matched on bytes with a count of the work, since Lua's own matcher can't be interrupted and takes
 * exponential time on some patterns. Source: the Lua 5.4 reference manual, section 6.4.1.
 *
 * @module
 */

import { UDF_PATTERN_DEPTH_MAX } from "../base/mod.ts";

const CAPTURE_COUNT_MAX = 32;
/** Lengths of captures that are not texts. */
const OPEN = -1;
const POSITION = -2;

const PERCENT = 0x25;
const OPEN_PAREN = 0x28;
const CLOSE_PAREN = 0x29;
const STAR = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const QUESTION = 0x3f;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const CARET = 0x5e;
const DOLLAR = 0x24;
const LOWER_B = 0x62;
const LOWER_F = 0x66;

/** A pattern that makes no sense; the text is for the script. */
export class PatternError extends Error {}

/** Matches one pattern against one text. Both are ranges of one buffer. */
export class PatternMatcher {
  /** Where captures begin, as offsets in the buffer. */
  readonly captureAt: number[] = [];
  /** Bytes of captures, or `-2` for a position. */
  readonly captureSize: number[] = [];
  /** Work done since it was last set to 0. */
  work = 0;
  readonly #bytes: Uint8Array;
  readonly #textAt: number;
  readonly #textEnd: number;
  readonly #end: number;
  readonly #workMax: number;
  #depth = 0;

  /**
   * @param bytes buffer with text and pattern
   * @param options ranges, and how much work may be done
   */
  constructor(
    bytes: Uint8Array,
    options: { textAt: number; textEnd: number; patternEnd: number; workMax: number },
  ) {
    this.#bytes = bytes;
    this.#textAt = options.textAt;
    this.#textEnd = options.textEnd;
    this.#end = options.patternEnd;
    this.#workMax = options.workMax;
  }

  /**
   * Matches at a place.
   *
   * @returns the end of the match, -1 for none
   * @throws {PatternError} when the pattern makes no sense
   * @throws {WorkExceeded} when there is no end of it
   */
  match(at: number, patternAt: number): number {
    this.captureAt.length = 0;
    this.captureSize.length = 0;
    this.#depth = 0;
    const end = this.#match(at, patternAt);
    if (end >= 0 && this.captureSize.includes(OPEN)) throw new PatternError("unfinished capture");
    return end;
  }

  #match(at: number, p: number): number {
    if (++this.#depth > UDF_PATTERN_DEPTH_MAX) throw new PatternError("pattern too complex");
    try {
      for (;;) {
        this.#count(1);
        if (p === this.#end) return at;
        const lead = this.#bytes[p];
        if (lead === OPEN_PAREN) return this.#openCapture(at, p);
        if (lead === CLOSE_PAREN) return this.#closeCapture(at, p);
        if (lead === DOLLAR && p + 1 === this.#end) return at === this.#textEnd ? at : -1;
        if (lead === PERCENT && p + 1 < this.#end) {
          const next = this.#bytes[p + 1];
          const special = next === LOWER_B
            ? this.#matchBalance(at, p + 2)
            : next === LOWER_F
            ? this.#matchFrontier(at, p + 2)
            : next >= 0x30 && next <= 0x39
            ? this.#matchBack(at, next)
            : undefined;
          if (special === -1) return -1;
          if (special !== undefined) {
            at = special;
            p = next === LOWER_B ? p + 4 : next === LOWER_F ? this.#classEnd(p + 2) : p + 2;
            continue;
          }
        }
        const itemEnd = this.#classEnd(p);
        const suffix = itemEnd < this.#end ? this.#bytes[itemEnd] : 0;
        if (suffix === QUESTION) {
          if (this.#isSingle(at, p, itemEnd)) {
            const end = this.#match(at + 1, itemEnd + 1);
            if (end >= 0) return end;
          }
          p = itemEnd + 1;
        } else if (suffix === STAR || suffix === PLUS) {
          if (suffix === PLUS && !this.#isSingle(at, p, itemEnd)) return -1;
          return this.#expandMost(suffix === PLUS ? at + 1 : at, p, itemEnd);
        } else if (suffix === MINUS) {
          return this.#expandLeast(at, p, itemEnd);
        } else {
          if (!this.#isSingle(at, p, itemEnd)) return -1;
          at++;
          p = itemEnd;
        }
      }
    } finally {
      this.#depth--;
    }
  }

  #expandMost(at: number, p: number, itemEnd: number): number {
    let count = 0;
    while (this.#isSingle(at + count, p, itemEnd)) count++;
    for (; count >= 0; count--) {
      const end = this.#match(at + count, itemEnd + 1);
      if (end >= 0) return end;
    }
    return -1;
  }

  #expandLeast(at: number, p: number, itemEnd: number): number {
    for (;;) {
      const end = this.#match(at, itemEnd + 1);
      if (end >= 0) return end;
      if (!this.#isSingle(at, p, itemEnd)) return -1;
      at++;
    }
  }

  #openCapture(at: number, p: number): number {
    const isPosition = p + 1 < this.#end && this.#bytes[p + 1] === CLOSE_PAREN;
    if (this.captureAt.length >= CAPTURE_COUNT_MAX) throw new PatternError("too many captures");
    this.captureAt.push(at);
    this.captureSize.push(isPosition ? POSITION : OPEN);
    const end = this.#match(at, p + (isPosition ? 2 : 1));
    if (end < 0) {
      this.captureAt.pop();
      this.captureSize.pop();
    }
    return end;
  }

  #closeCapture(at: number, p: number): number {
    const index = this.captureSize.lastIndexOf(OPEN);
    if (index < 0) throw new PatternError("invalid pattern capture");
    this.captureSize[index] = at - this.captureAt[index];
    const end = this.#match(at, p + 1);
    if (end < 0) this.captureSize[index] = OPEN;
    return end;
  }

  #matchBalance(at: number, p: number): number {
    if (p + 1 >= this.#end) throw new PatternError("malformed pattern (missing arguments to '%b')");
    const bytes = this.#bytes;
    if (at >= this.#textEnd || bytes[at] !== bytes[p]) return -1;
    let open = 1;
    for (let place = at + 1; place < this.#textEnd; place++) {
      this.#count(1);
      if (bytes[place] === bytes[p + 1]) {
        if (--open === 0) return place + 1;
      } else if (bytes[place] === bytes[p]) open++;
    }
    return -1;
  }

  #matchFrontier(at: number, p: number): number {
    if (this.#bytes[p] !== OPEN_BRACKET || p >= this.#end) {
      throw new PatternError("missing '[' after '%f' in pattern");
    }
    const setEnd = this.#classEnd(p);
    const before = at === this.#textAt ? 0 : this.#bytes[at - 1];
    const here = at === this.#textEnd ? 0 : this.#bytes[at];
    return !this.#inSet(before, p, setEnd - 1) && this.#inSet(here, p, setEnd - 1) ? at : -1;
  }

  #matchBack(at: number, digit: number): number {
    const index = digit - 0x31;
    if (index < 0 || index >= this.captureAt.length || this.captureSize[index] === OPEN) {
      throw new PatternError(`invalid capture index %${index + 1}`);
    }
    const size = Math.max(0, this.captureSize[index]);
    this.#count(size);
    if (this.#textEnd - at < size) return -1;
    const from = this.captureAt[index];
    for (let offset = 0; offset < size; offset++) {
      if (this.#bytes[from + offset] !== this.#bytes[at + offset]) return -1;
    }
    return at + size;
  }

  /** End of the single-character class that begins at `p`. */
  #classEnd(p: number): number {
    const bytes = this.#bytes;
    const lead = bytes[p++];
    if (lead === PERCENT) {
      if (p >= this.#end) throw new PatternError("malformed pattern (ends with '%')");
      return p + 1;
    }
    if (lead !== OPEN_BRACKET) return p;
    if (p < this.#end && bytes[p] === CARET) p++;
    do {
      if (p >= this.#end) throw new PatternError("malformed pattern (missing ']')");
      if (bytes[p++] === PERCENT) p++;
    } while (p >= this.#end || bytes[p] !== CLOSE_BRACKET);
    return p + 1;
  }

  #isSingle(at: number, p: number, itemEnd: number): boolean {
    this.#count(1);
    if (at >= this.#textEnd) return false;
    const letter = this.#bytes[at];
    switch (this.#bytes[p]) {
      case DOT:
        return true;
      case PERCENT:
        return inClass(letter, this.#bytes[p + 1]);
      case OPEN_BRACKET:
        return this.#inSet(letter, p, itemEnd - 1);
      default:
        return this.#bytes[p] === letter;
    }
  }

  /** Whether a letter is in the set from `[` at `p` to `]` at `last`. */
  #inSet(letter: number, p: number, last: number): boolean {
    const bytes = this.#bytes;
    this.#count(last - p);
    let found = true;
    if (bytes[p + 1] === CARET) {
      found = false;
      p++;
    }
    while (++p < last) {
      if (bytes[p] === PERCENT) {
        p++;
        if (inClass(letter, bytes[p])) return found;
      } else if (bytes[p + 1] === MINUS && p + 2 < last) {
        p += 2;
        if (bytes[p - 2] <= letter && letter <= bytes[p]) return found;
      } else if (bytes[p] === letter) {
        return found;
      }
    }
    return !found;
  }

  #count(work: number): void {
    this.work += work;
    if (this.work > this.#workMax) throw new WorkExceeded();
  }
}

/** A match has cost more than it may. */
export class WorkExceeded extends Error {}

/** Whether a letter is in a class such as `%a`; upper case is the complement, other letters stand for themselves. */
export function inClass(letter: number, name: number): boolean {
  const lower = name | 0x20;
  const isIn = classContains(letter, lower);
  if (isIn === undefined) return name === letter;
  return name === lower ? isIn : !isIn;
}

function classContains(letter: number, name: number): boolean | undefined {
  switch (String.fromCharCode(name)) {
    case "a":
      return isAlpha(letter);
    case "c":
      return letter < 32 || letter === 127;
    case "d":
      return letter >= 0x30 && letter <= 0x39;
    case "g":
      return letter > 32 && letter < 127;
    case "l":
      return letter >= 0x61 && letter <= 0x7a;
    case "p":
      return letter > 32 && letter < 127 && !isAlpha(letter) && !(letter >= 0x30 && letter <= 0x39);
    case "s":
      return letter === 32 || (letter >= 9 && letter <= 13);
    case "u":
      return letter >= 0x41 && letter <= 0x5a;
    case "w":
      return isAlpha(letter) || (letter >= 0x30 && letter <= 0x39);
    case "x":
      return (letter >= 0x30 && letter <= 0x39) || ((letter | 0x20) >= 0x61 && (letter | 0x20) <= 0x66);
    default:
      return undefined;
  }
}

function isAlpha(letter: number): boolean {
  return (letter | 0x20) >= 0x61 && (letter | 0x20) <= 0x7a;
}
