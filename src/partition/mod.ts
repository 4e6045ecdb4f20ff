/**
 * The 4,096 partitions of a namespace: who serves which, and what clients are told about it. Balance decides it anew for
 * each cluster, from what the members exchanged; the table holds what was decided, and `migration/` moves the data.
 *
 * Read `table.ts`, then `balance.ts` and `migration/migrator.ts`; `row.ts`, `racks.ts` and `uniform.ts` say where copies go.
 *
 * @module
 */
export * from "./balance.ts";
export * from "./balance_input.ts";
export * from "./lineage.ts";
export * from "./migration/mod.ts";
export * from "./racks.ts";
export * from "./row.ts";
export * from "./sliced.ts";
export * from "./table.ts";
export * from "./version.ts";
export * from "./version_keeper.ts";
export * from "./version_pages.ts";
