/**
 * HyperLogLog: sketches that count distinct elements, with the stock server's bytes and estimates. Knows nothing of
 * bins and contexts. Read `layout.ts` for the particle, then `modify.ts` and `read.ts`; `registers.ts` and
 * `estimate.ts` do the work.
 *
 * @module
 */
export * from "./call.ts";
export * from "./layout.ts";
export * from "./modify.ts";
export * from "./read.ts";
