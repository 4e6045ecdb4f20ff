/**
 * Bit operations: calls that read and change bits of a blob, wherever the blob lies. Knows nothing of bins and
 * contexts. Read `call.ts` for what a call consists of, then `modify.ts`; `ranges.ts` and `field.ts` do the work.
 *
 * @module
 */
export * from "./call.ts";
export * from "./modify.ts";
export * from "./read.ts";
