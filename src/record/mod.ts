/**
 * What operations mean: bins, particles, and a request's operations applied to them. Knows nothing of where records
 * are kept (storage) or of who asks (transaction). Read `bin_table.ts`, then `apply.ts`.
 *
 * @module
 */
export * from "./apply.ts";
export * from "./bin_table.ts";
export * from "./exp/mod.ts";
export { hasGeometry, loadGeometry } from "./geo/mod.ts";
export * from "./particle.ts";
