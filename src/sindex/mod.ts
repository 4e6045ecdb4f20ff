/**
 * Secondary indexes and set indexes: from values to records, off the JavaScript heap. Leaves out how queries use them
 * (query) and the info commands about them (node). Read `namespace_indexes.ts`, then `secondary_index.ts` and `tree.ts`.
 *
 * @module
 */
export * from "./definition.ts";
export * from "./namespace_indexes.ts";
export * from "./record_values.ts";
export * from "./secondary_index.ts";
export { type IndexTree, type LastValue, type VisitIndexEntry } from "./tree.ts";
export { flipSign, TreeKey } from "./tree_key.ts";
export { hashed, hashValue } from "./value_hash.ts";
