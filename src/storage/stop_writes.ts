/**
 * When client writes must stop for want of memory or space, or because a device takes nothing. Source: server-operations reference, section 17.3.
 *
 * `data_avail_pct` is the share of the memory that new records can get: blocks not yet used, the rest of the open block,
 * and the slots of removed records. Counting empty blocks alone, as the stock server does, would stop a namespace of two
 * blocks as soon as it opens the second. On devices, whose blocks are not filled again in places, it is empty blocks.
 *
 * @module
 */

import type { NamespaceStore } from "./store.ts";

/**
 * Why writes must stop.
 *
 * @param store whose use is judged
 * @param systemUsedPct share of the machine's memory in use, 0 to 100
 * @returns what is short and what to do, or undefined when all is well
 */
export function stopWritesReason(store: NamespaceStore, systemUsedPct: number): string | undefined {
  const { settings } = store;
  const { stopWritesSysMemoryPct, indexesMemoryBudget } = settings;
  const { stopWritesUsedPct, stopWritesAvailPct } = settings.storage;
  const fault = store.disk?.fault ?? "";
  if (fault !== "") return `writing to a device fails: ${fault}`;
  const room = store.disk === undefined ? "data-size" : "the devices";
  if (stopWritesSysMemoryPct > 0 && systemUsedPct > stopWritesSysMemoryPct) {
    return `the machine uses ${
      systemUsedPct.toFixed(1)
    } % of its memory, more than stop-writes-sys-memory-pct ` +
      `(${stopWritesSysMemoryPct}); free memory or lower data-size`;
  }
  if (indexesMemoryBudget > 0 && store.indexesUsedBytes > indexesMemoryBudget) {
    return `indexes take ${store.indexesUsedBytes} bytes, more than indexes-memory-budget ` +
      `(${indexesMemoryBudget}); delete or truncate records, or raise it`;
  }
  if (stopWritesAvailPct > 0 && store.dataAvailPct < stopWritesAvailPct) {
    return `${store.dataAvailPct} % of ${room} is left for new records, less than stop-writes-avail-pct ` +
      `(${stopWritesAvailPct}); delete or truncate records, or make room`;
  }
  if (stopWritesUsedPct > 0 && store.dataUsedPct >= stopWritesUsedPct) {
    return `${store.dataUsedPct} % of ${room} is used, as much as stop-writes-used-pct ` +
      `(${stopWritesUsedPct}); delete or truncate records, or make room`;
  }
  return undefined;
}
