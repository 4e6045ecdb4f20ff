// A mocha reporter: one JSON line per hook and test into the file that AERIE_REPORT names, written at once, so that a
// crash or a killed process loses nothing. Times are milliseconds since 1970 with fractions, to be matched with the
// times at which requests were seen on the wire.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

class LineReporter {
  constructor(runner) {
    const out = fs.openSync(process.env.AERIE_REPORT, "a");
    const startedAt = new Map();
    const now = () => performance.timeOrigin + performance.now();
    const write = (line) => fs.writeSync(out, `${JSON.stringify(line)}\n`);
    const describe = (runnable) => ({
      file: path.relative(process.cwd(), runnable.file ?? runnable.parent?.file ?? ""),
      title: runnable.fullTitle(),
      suite: runnable.parent?.fullTitle() ?? "",
      startMs: startedAt.get(runnable),
      endMs: now(),
    });
    const messageOf = (error) => String(error?.message ?? error).slice(0, 500);

    runner.on("hook", (hook) => startedAt.set(hook, now()));
    runner.on("test", (test) => startedAt.set(test, now()));
    runner.on("hook end", (hook) => {
      write({ type: "hook", ...describe(hook) });
    });
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
