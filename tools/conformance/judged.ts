/**
 * Reasons that the observer cannot see: tests that never run because an earlier one of their suite ends it.
 *
 * @module
 */

const NESTED = "bin projection bin projection can read nested-level elements works with";
const ENDS_SUITE = "does not wait for its query, whose error ends the suite";

/** Exceptions by file and name, with their reasons. */
export const JUDGED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "test/bin_projection.js": {
    [`${NESTED} query.foreach()`]: `uses list or map operation; it ${ENDS_SUITE}`,
    [`${NESTED} query.results()`]: "uses list or map operation",
    "bin projection selected bins and ops are mutually exclusive raises a warning for queries":
      `a test before it uses list or map operation and ${ENDS_SUITE}`,
  },
};

/** Tests that must pass on one node and need not on several, by file and name, with their reasons. */
export const CLUSTER_EXCEPTIONS: Record<string, Record<string, string>> = {
  "test/put.js": {
    "client.put() should write, read, remove, read, write, and check gen":
      "a delete leaves a tombstone where other copies may be, and the next put continues its generation (COMPAT.md)",
  },
};
