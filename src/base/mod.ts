/**
 * Ground that everything stands on: assertions, errors, result codes, limits, bytes, digests, histograms.
 * Imports nothing from the rest of the project. Read `limits.ts` and `bytes.ts` first.
 *
 * @module
 */
export * from "./assert.ts";
export * from "./base64.ts";
export * from "./bytes.ts";
export * from "./digest.ts";
export * from "./errors.ts";
export * from "./histogram.ts";
export * from "./limits.ts";
export * from "./log_contexts.ts";
export * from "./planted.ts";
export * from "./result_code.ts";
export * from "./version.ts";
