/**
 * The sets of a namespace: names, the 12-bit ids that index entries carry, and what each set counts.
 *
 * @module
 */

import { SET_COUNT_MAX, utf8Decode } from "../base/mod.ts";

/** Id of "no set". */
export const NO_SET = 0;

/** One set. */
export interface SetInfo {
  /** 1 to 4095. */
  readonly id: number;
  /** Name as sent; not necessarily UTF-8. */
  readonly nameBytes: Uint8Array;
  /** Name as text. */
  readonly name: string;
  /** Live records. */
  objects: number;
  /** Tombstones. */
  tombstones: number;
  /** Bytes of flat records. */
  dataUsedBytes: number;
  /** Records last updated up to this many ms since 2010 are truncated; 0 for none. */
  truncateLutMs: number;
  /** A truncation has not yet removed all its records. */
  truncating: boolean;
}

/** Sets by id and by name. */
export class SetTable {
  readonly #byId: (SetInfo | undefined)[] = [undefined];
  readonly #byName = new Map<string, SetInfo>();
  // The set of the last look-up: requests of one client mostly name the same set.
  #last: SetInfo | undefined;

  /** Sets in order of their creation. */
  *[Symbol.iterator](): IterableIterator<SetInfo> {
    for (const set of this.#byId) if (set !== undefined) yield set;
  }

  /** A set by id. */
  byId(id: number): SetInfo | undefined {
    return this.#byId[id];
  }

  /** A set by name as text. */
  byName(name: string): SetInfo | undefined {
    return this.#byName.get(name);
  }

  /**
   * A set by the bytes of its name.
   *
   * @param bytes buffer that holds the name
   * @param at offset of the name
   * @param sizeBytes bytes of the name, 1 to 63
   * @returns the set, or undefined when no record has named it yet
   */
  find(bytes: Uint8Array, at: number, sizeBytes: number): SetInfo | undefined {
    const last = this.#last;
    if (last !== undefined && isName(last.nameBytes, bytes, at, sizeBytes)) return last;
    const found = this.#byName.get(utf8Decode(bytes.subarray(at, at + sizeBytes)));
    if (found === undefined || !isName(found.nameBytes, bytes, at, sizeBytes)) return undefined;
    this.#last = found;
    return found;
  }

  /**
   * A set by name, created when it is new.
   *
   * @returns the set, or undefined when the namespace has 4,095 sets already, or when another name decodes to the same text
   */
  findOrCreate(bytes: Uint8Array, at: number, sizeBytes: number): SetInfo | undefined {
    const found = this.find(bytes, at, sizeBytes);
    if (found !== undefined) return found;
    const nameBytes = bytes.slice(at, at + sizeBytes);
    const name = utf8Decode(nameBytes);
    if (this.#byId.length > SET_COUNT_MAX || this.#byName.has(name)) return undefined;
    const set: SetInfo = {
      id: this.#byId.length,
      nameBytes,
      name,
      objects: 0,
      tombstones: 0,
      dataUsedBytes: 0,
      truncateLutMs: 0,
      truncating: false,
    };
    this.#byId.push(set);
    this.#byName.set(name, set);
    return set;
  }
}

function isName(name: Uint8Array, bytes: Uint8Array, at: number, sizeBytes: number): boolean {
  if (name.length !== sizeBytes) return false;
  for (let index = 0; index < sizeBytes; index++) if (name[index] !== bytes[at + index]) return false;
  return true;
}
