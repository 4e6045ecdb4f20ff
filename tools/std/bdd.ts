/**
 * `@std/testing/bdd` is deprecated upstream in favour of `node:test`, whose `describe` and `it` run under Deno and
 * Node alike. Tests import the name `@std/testing/bdd`; this file is the one place that decides what is behind it.
 *
 * @module
 */
export { after, afterEach, before, beforeEach, describe, it } from "node:test";
