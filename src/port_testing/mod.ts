/**
 * What every implementation of a port must do, as cases that the tests of `platform/` and of `sim/` both run. For tests
 * only. Read `network_cases.ts` first.
 *
 * @module
 */
export * from "./case.ts";
export { clockCases } from "./clock_cases.ts";
export { computeCases } from "./compute_cases.ts";
export { diskCases } from "./disk_cases.ts";
export { hostCases } from "./host_cases.ts";
export { multicastCases } from "./multicast_cases.ts";
export { networkCases } from "./network_cases.ts";
