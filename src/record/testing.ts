/**
 * Helpers for tests of other folders that send expressions.
 *
 * @module
 */
export * from "./exp/testing.ts";
