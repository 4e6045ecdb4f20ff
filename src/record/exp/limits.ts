/**
 * Limits of expressions: what a client can make the node hold or do with one.
 *
 * @module
 */

/** Longest expression; the stock server limits what it builds to this. */
export const EXP_SIZE_MAX_BYTES = 1024 * 1024;

/** Nodes of one expression. */
export const EXP_NODE_COUNT_MAX = 65_536;

/** Nesting of expressions: evaluation follows it with the machine's stack. */
export const EXP_DEPTH_MAX = 512;

/**
 * Bytes of texts, lists and maps that one evaluation may look at, so that a loop over a large list in each of many
 * nodes does not hold the event loop. An evaluation that needs more ends as unknown.
 */
export const EXP_WORK_MAX_BYTES = 16 * 1024 * 1024;

/** Compiled expressions that a namespace keeps. */
export const EXP_CACHE_COUNT_MAX = 256;

/** Longer expressions are compiled anew each time, so that the cache's memory is bounded. */
export const EXP_CACHE_SIZE_MAX_BYTES = 16 * 1024;

/** Characters of a regular expression when its repetitions are written out. */
export const REGEX_EXPANDED_SIZE_MAX = 10_000;

/** Nesting of groups in a regular expression. */
export const REGEX_DEPTH_MAX = 100;
