/**
 * The 4,096 partitions of a namespace: who serves which, and what clients are told about it. Read `table.ts`.
 *
 * @module
 */
export * from "./table.ts";
