/**
 * `@std/assert`: the npm package `deno-std` carries the same code without type declarations; they stand here.
 * To switch to JSR, point `@std/assert` in `deno.json` at `jsr:@std/assert@^1` and delete this file.
 *
 * @module
 */
// @ts-types="./assert.d.ts"
export * from "npm:deno-std@1.4.0/assert/mod.js";
