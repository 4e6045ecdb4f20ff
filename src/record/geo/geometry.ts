/**
 * The spherical geometry library, loaded at the first need: it takes some 30 ms and 15 MB, and most nodes never see a
 * GeoJSON value. Whoever needs it asks whether it is there; a request that comes too early is suspended and woken.
 *
 * @module
 */

import { assert } from "../../base/mod.ts";

/** The library's part about the sphere. */
export type S2 = typeof import("s2js").s2;

let loaded: S2 | undefined;
let loading: Promise<void> | undefined;
const waiting: { wake(): void }[] = [];

async function load(): Promise<void> {
  loaded = (await import("s2js")).s2;
  for (const waiter of waiting.splice(0)) waiter.wake();
}

/** Loads the library; resolves at once when it has been loaded. */
export function loadGeometry(): Promise<void> {
  return loading ??= load();
}

/**
 * Whether the library is there.
 *
 * @param waiter woken once, in a later turn, when the answer is false
 */
export function hasGeometry(waiter: { wake(): void }): boolean {
  if (loaded !== undefined) return true;
  if (!waiting.includes(waiter)) waiting.push(waiter);
  loadGeometry();
  return false;
}

/** Whether the library is there. */
export function isGeometryLoaded(): boolean {
  return loaded !== undefined;
}

/** The library; the caller has made sure that it is there. */
export function geometry(): S2 {
  assert(loaded !== undefined, "Geometry is asked for before it is used");
  return loaded;
}
