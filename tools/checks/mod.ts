/**
 * The repository's own rules, those that the compiler, the linter and the formatter don't know. Each is a function of
 * the tree's text, so that its test can show it a tree that breaks the rule. Read `tree.ts`, then `import_order.ts`.
 *
 * @module
 */
import { dependencies } from "./dependencies.ts";
import { documents } from "./documents.ts";
import { importOrder } from "./import_order.ts";
import { lengths } from "./lengths.ts";
import { pureCore } from "./pure_core.ts";
import type { Check } from "./tree.ts";
import { words } from "./words.ts";

export * from "./tree.ts";

/** All checks, in the order in which they are reported. */
export const CHECKS: readonly Check[] = [importOrder, pureCore, lengths, words, dependencies, documents];
