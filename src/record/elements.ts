/**
 * Values inside lists and maps for those who only look: what a context leads to, and one element after the other.
 *
 * @module
 */

import { ByteBuffer } from "../base/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { appendStored, CdtMachine, findInContext } from "./cdt/mod.ts";
import { CLASS, classOf, parsed, readInteger, readText, skipValue, TAG } from "./cdt/value.ts";
import { ContainerView } from "./cdt/view.ts";

/** A value as it is looked at; one object is used for all. */
export interface Element {
  /** Particle type: INTEGER, STRING, BLOB, GEOJSON (its text), LIST, MAP; NULL for everything else. */
  type: number;
  /** Upper word of an integer. */
  high: number;
  /** Lower word of an integer. */
  low: number;
  /** Buffer of everything else. */
  bytes: Uint8Array;
  /** Offset in the buffer. */
  at: number;
  /** Bytes. */
  size: number;
}

/** Which values of a container are looked at. */
export const ELEMENTS = { LIST: 1, MAP_KEYS: 2, MAP_VALUES: 3 } as const;

/** Looks into lists and maps. */
export class ElementReader {
  /** The value under the eye. */
  readonly element: Element = {
    type: PARTICLE.NULL,
    high: 0,
    low: 0,
    bytes: new Uint8Array(0),
    at: 0,
    size: 0,
  };
  readonly #machine = new CdtMachine();
  readonly #view = new ContainerView();

  /**
   * Finds what a context leads to and leaves it in `element`.
   *
   * @param container its first three parts: particle type LIST or MAP, buffer, offset; and its size
   * @param context msgpack of the context
   * @returns false when it leads nowhere
   */
  find(container: Element, context: Uint8Array): boolean {
    const { type, bytes, at, size } = container;
    if (type !== PARTICLE.LIST && type !== PARTICLE.MAP) return false;
    const found = findInContext(this.#machine, { type, bytes, at, end: at + size }, context);
    if (found === undefined) return false;
    this.#read(found.bytes, found.at, found.end);
    return true;
  }

  /**
   * Visits the elements of a list, or the keys or values of a map; nothing when the container is of the other kind.
   *
   * @param which one of `ELEMENTS`
   * @param visit called with `element` filled
   */
  forEach(container: Element, which: number, visit: (element: Element) => void): void {
    const { type, bytes, at, size } = container;
    if (type !== (which === ELEMENTS.LIST ? PARTICLE.LIST : PARTICLE.MAP)) return;
    const view = this.#view;
    if (!view.open(bytes, at, at + size)) return;
    const isMap = which !== ELEMENTS.LIST;
    let next = view.contentAt;
    const end = at + size;
    const { count } = view;
    for (let index = 0; index < count; index++) {
      const keyEnd = skipValue(bytes, next, end);
      const valueEnd = isMap && keyEnd >= 0 ? skipValue(bytes, keyEnd, end) : keyEnd;
      if (valueEnd < 0) return;
      if (which === ELEMENTS.MAP_VALUES) this.#read(bytes, keyEnd, valueEnd);
      else this.#read(bytes, next, keyEnd);
      visit(this.element);
      next = valueEnd;
    }
  }

  #read(bytes: Uint8Array, at: number, end: number): void {
    const { element } = this;
    element.bytes = bytes;
    element.at = at;
    element.size = end - at;
    switch (classOf(bytes, at)) {
      case CLASS.NEGATIVE:
      case CLASS.INTEGER:
        readInteger(bytes, at);
        element.type = PARTICLE.INTEGER;
        element.high = parsed.high;
        element.low = parsed.low;
        return;
      case CLASS.STRING:
        return this.#readText(PARTICLE.STRING);
      case CLASS.GEOJSON:
        return this.#readText(PARTICLE.GEOJSON);
      case CLASS.BYTES:
        return this.#readText(PARTICLE.BLOB);
      case CLASS.LIST:
        element.type = PARTICLE.LIST;
        return;
      case CLASS.MAP:
        element.type = PARTICLE.MAP;
        return;
      default:
        element.type = PARTICLE.NULL;
    }
  }

  /** Leaves the text without its tag; bytes with another tag than a blob's are no blob. */
  #readText(type: number): void {
    const { element } = this;
    readText(element.bytes, element.at);
    const isTagged = parsed.textSize > 0;
    const isBlob = isTagged && element.bytes[parsed.textAt] === TAG.BLOB;
    element.type = type !== PARTICLE.BLOB || isBlob ? type : PARTICLE.NULL;
    element.at = parsed.textAt + (isTagged ? 1 : 0);
    element.size = parsed.textSize - (isTagged ? 1 : 0);
  }
}

/** Whether some msgpack is one value in the smallest form, that in which it would be stored. */
export function isNormalized(bytes: Uint8Array): boolean {
  if (skipValue(bytes, 0, bytes.length) !== bytes.length) return false;
  const out = new ByteBuffer(bytes.length);
  if (appendStored(bytes, 0, bytes.length, out) !== bytes.length) return false;
  return bytes.every((byte, index) => byte === out.bytes[index]);
}
