/**
 * Where records are: the primary index, flat records in write blocks, sets, expiry and eviction. Everything lives off
 * the JavaScript heap. Knows nothing of clients, clusters or requests. Read `store.ts`, then `entry.ts` and `flat.ts`;
 * `arena.ts` and `index.ts` hold the two hard parts. `supervisor.ts` is the way into the background work.
 *
 * @module
 */
export * from "./arena.ts";
export * from "./background.ts";
export { relocate } from "./defragmentation.ts";
export * from "./device.ts";
export * from "./disk/mod.ts";
export * from "./entry.ts";
export * from "./flat.ts";
export { measureFlat } from "./flat_check.ts";
export { withoutIndexes } from "./flat_index.ts";
export * from "./index.ts";
export * from "./record_write.ts";
export * from "./replace.ts";
export * from "./sets.ts";
export * from "./size_histograms.ts";
export * from "./space.ts";
export * from "./store.ts";
export * from "./supervision.ts";
export * from "./supervisor.ts";
