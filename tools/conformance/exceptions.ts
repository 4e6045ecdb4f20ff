/**
 * Tests that pass on the stock server and need not pass here. There is none against one node.
 *
 * @module
 */

/** Tests that need not pass on several nodes, by file and name, with their reasons. */
export const CLUSTER_EXCEPTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "test/put.js": {
    "client.put() should write, read, remove, read, write, and check gen":
      "a delete leaves a tombstone where other copies may be, and the next put continues its generation (COMPAT.md)",
  },
};
