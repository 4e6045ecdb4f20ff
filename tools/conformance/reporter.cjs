// A mocha reporter: one JSON line per test and failed hook into the file that AERIE_REPORT names, written at once, so
// that a crash or a killed process loses nothing.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

class LineReporter {
  constructor(runner) {
    const out = fs.openSync(process.env.AERIE_REPORT, "a");
    const write = (line) => fs.writeSync(out, `${JSON.stringify(line)}\n`);
    const describe = (runnable) => ({
      file: path.relative(process.cwd(), runnable.file ?? runnable.parent?.file ?? ""),
      title: runnable.fullTitle(),
    });
    const messageOf = (error) => String(error?.message ?? error).slice(0, 500);

    runner.on("pass", (test) => write({ type: "test", state: "pass", ...describe(test) }));
    runner.on("pending", (test) => write({ type: "test", state: "pending", ...describe(test) }));
    runner.on("fail", (runnable, error) => {
      const type = runnable.type === "hook" ? "hook" : "test";
      write({ type, state: "fail", error: messageOf(error), ...describe(runnable) });
    });
    runner.on("end", () => write({ type: "end" }));
  }
}

module.exports = LineReporter;
