/**
 * Scans, index queries and background jobs: requests without a digest. Leaves out how jobs get their turns (node) and
 * what a write does to a record (transaction). Read `start.ts`, then `plan.ts` and `scan.ts`.
 *
 * @module
 */
export * from "./progress.ts";
export * from "./registry.ts";
export * from "./start.ts";
export * from "./stats.ts";
