// Loaded before the tests of each file. The suite's global hook asks the server for its features but does not wait for
// the answer; in one long process that does not matter, in a process per file the first tests would skip themselves.
"use strict";

const path = require("node:path");
const helper = require(path.join(process.cwd(), "test/test_helper.js"));

const WAIT_MS = 10;
const TIMEOUT_MS = 10_000;

before(async function () {
  this.timeout(TIMEOUT_MS);
  if (process.env.GLOBAL_CLIENT === "false") return;
  while (helper.cluster.namespaceInfo.config === undefined) {
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
});
