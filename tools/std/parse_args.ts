/**
 * `@std/cli/parse-args`: the npm package `deno-std` carries the same code without type declarations.
 * To switch to JSR, point `@std/cli/parse-args` in `deno.json` at `jsr:@std/cli@^1/parse-args` and delete this file.
 *
 * @module
 */
// @ts-types="./parse_args.d.ts"
export * from "npm:deno-std@1.4.0/cli/parse_args.js";
