import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { configureSync, resetSync } from "@logtape/logtape";
import { createHostLog } from "./host_log.ts";
import { createLog, logLine, logTime } from "./log.ts";
import { FileSink, LOG_WAITING_SIZE_MAX_BYTES } from "./log_sink.ts";

const MOMENT_MS = Date.UTC(2026, 2, 7, 5, 9, 3, 42);

function withFolder(body: (folder: string) => Promise<void> | void): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(`${tmpdir()}/aerie-log-`);
    try {
      await body(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

function lines(path: string): string[] {
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

describe("log", () => {
  it("logTime() pads, and prints milliseconds when asked to", () => {
    assertEquals(logTime(MOMENT_MS), "Mar 07 2026 05:09:03 GMT");
    assertEquals(logTime(MOMENT_MS, { millis: true }), "Mar 07 2026 05:09:03.042 GMT");
    assertMatch(logTime(MOMENT_MS, { localTime: true }), /^Mar 0[678] 2026 \d\d:\d\d:03 GMT[+-]\d{4}$/);
  });

  it("logLine() keeps a message on one line when it has line feeds", () => {
    const line = { level: "detail", context: "rw", message: "a\nb\x1b[31mc", wallMs: MOMENT_MS } as const;
    assertEquals(logLine(line), "Mar 07 2026 05:09:03 GMT: DETAIL (rw): a b [31mc");
  });

  it(
    "createLog() routes by context and level of each sink",
    withFolder(async (folder) => {
      const log = createLog({
        wallMs: () => MOMENT_MS,
        sinks: [
          { path: `${folder}/a`, levels: { any: "info", rw: "detail" } },
          { path: `${folder}/b`, levels: { nsup: "warning" } },
        ],
      });
      log.write("detail", "rw", "one {brace}");
      log.write("detail", "nsup", "not kept");
      log.write("warning", "nsup", "two");
      log.write("info", "no-such-context", "like misc");
      assertEquals(log.enabled("detail", "rw"), true);
      assertEquals(log.enabled("debug", "nsup"), false);
      await log.control!.flush();
      const prefix = "Mar 07 2026 05:09:03 GMT:";
      assertEquals(lines(`${folder}/a`), [
        `${prefix} DETAIL (rw): one {brace}`,
        `${prefix} WARNING (nsup): two`,
        `${prefix} INFO (no-such-context): like misc`,
      ]);
      assertEquals(lines(`${folder}/b`), [`${prefix} WARNING (nsup): two`]);
    }),
  );

  it(
    "LogControl changes levels while the log runs",
    withFolder(async (folder) => {
      const log = createLog({ sinks: [{ path: `${folder}/a`, levels: {} }] });
      const [sink] = log.control!.sinks;
      assertEquals(sink.levels().get("rw"), "critical");
      assertEquals(log.enabled("info", "rw"), false);
      assertEquals(sink.setLevel("rw", "info"), true);
      assertEquals(log.enabled("info", "rw"), true);
      assertEquals(sink.setLevel("any", "debug"), true);
      assertEquals(sink.levels().get("hb"), "debug");
      assertEquals(sink.setLevel("no-such-context", "info"), false);
      await log.control!.flush();
    }),
  );

  it(
    "reopen() writes to a new file when the old one was renamed",
    withFolder(async (folder) => {
      const log = createLog({ sinks: [{ path: `${folder}/a`, levels: { any: "info" } }] });
      log.write("info", "as", "before");
      await log.control!.flush();
      renameSync(`${folder}/a`, `${folder}/a.1`);
      log.write("info", "as", "still before");
      log.control!.reopen();
      log.write("info", "as", "after");
      await log.control!.flush();
      assertEquals(lines(`${folder}/a.1`).length, 2);
      assertEquals(lines(`${folder}/a`).length, 1);
    }),
  );

  it(
    "reopen() goes on with the old file, and says so, when there can't be a new one",
    withFolder(async (folder) => {
      mkdirSync(`${folder}/logs`);
      const sinks = [`${folder}/logs/a`, `${folder}/b`].map((path) => ({
        path,
        levels: { any: "info" as const },
      }));
      const log = createLog({ sinks });
      log.write("info", "as", "before");
      await log.control!.flush();
      renameSync(`${folder}/logs`, `${folder}/moved`);
      renameSync(`${folder}/b`, `${folder}/b.1`);
      log.control!.reopen();
      log.write("info", "as", "after");
      await log.control!.flush();
      assertEquals(lines(`${folder}/moved/a`).length, 3);
      assertMatch(
        lines(`${folder}/b`)[0] + lines(`${folder}/b.1`)[1],
        /Cannot open the log file .*no such file/,
      );
      assertMatch(lines(`${folder}/b`).at(-1)!, /after$/);
    }),
  );

  it(
    "append() counts the lines that a full disk did not take, and says it with the next one",
    async () => {
      if (!existsSync("/dev/full")) return;
      const sink = new FileSink("/dev/full");
      for (let line = 0; line < 3; line++) sink.append(`${line}\n`);
      await sink.flush();
      sink.append("3\n");
      await sink.flush();
      assertEquals(sink.droppedCount, 4);
    },
  );

  it(
    "append() puts a file of the given size aside and keeps so many",
    withFolder(async (folder) => {
      const path = `${folder}/a`;
      writeFileSync(path, `${"0".repeat(1999)}\n`);
      const sink = new FileSink(path, { sizeBytes: 2000, keepCount: 2 });
      for (let part = 1; part <= 4; part++) {
        for (let line = 0; line < 2; line++) sink.append(`${String(part).repeat(999)}\n`);
        await sink.flush();
      }
      assertEquals(readdirSync(folder).sort(), ["a", "a.1", "a.2"]);
      assertEquals(
        [path, `${path}.1`, `${path}.2`].map((file) => lines(file).map((line) => line[0]).join("")),
        [
          "44",
          "33",
          "22",
        ],
      );
    }),
  );

  it(
    "append() goes on in the same file when it can't be put aside",
    withFolder(async (folder) => {
      mkdirSync(`${folder}/a.1/in-the-way`, { recursive: true });
      const sink = new FileSink(`${folder}/a`, { sizeBytes: 1000, keepCount: 1 });
      for (let part = 0; part < 3; part++) {
        sink.append(`${"x".repeat(999)}\n`);
        await sink.flush();
      }
      assertEquals(lines(`${folder}/a`).length, 3);
    }),
  );

  it(
    "write() has a critical line in the file when it returns",
    withFolder((folder) => {
      const log = createLog({ sinks: [{ path: `${folder}/a`, levels: {} }] });
      log.write("critical", "as", "the end");
      assertMatch(lines(`${folder}/a`)[0], /CRITICAL \(as\): the end$/);
    }),
  );

  it(
    "append() drops and counts lines when the sink is too slow",
    withFolder(async (folder) => {
      const sink = new FileSink(`${folder}/a`);
      const line = `${"x".repeat(999)}\n`;
      for (let size = 0; size < LOG_WAITING_SIZE_MAX_BYTES + 5000; size += 1000) sink.append(line);
      await sink.flush();
      assert(
        lines(`${folder}/a`).some((text) => /^\(\d+ lines dropped here/.test(text)),
        "says how many were dropped",
      );
    }),
  );

  it("createLog() names the path when the file can't be opened", () => {
    const error = assertThrows(() => createLog({ sinks: [{ path: "/no/such/folder/x.log", levels: {} }] }));
    assertMatch(error.message, /Cannot open the log file "\/no\/such\/folder\/x.log": there is no such file/);
  });

  it("createHostLog() gives records to the host program's configuration", () => {
    const got: string[] = [];
    configureSync({
      reset: true,
      sinks: {
        mine: (record) => got.push(`${record.level} ${record.category.join(".")} ${record.message.join("")}`),
      },
      loggers: [
        { category: ["aerie"], lowestLevel: "info", sinks: ["mine"] },
        { category: ["logtape", "meta"], lowestLevel: "fatal", sinks: [] },
      ],
    });
    const log = createHostLog();
    log.write("info", "as", "{test} ready");
    log.write("debug", "as", "no");
    assertEquals(log.enabled("debug", "as"), false);
    resetSync();
    assertEquals(got, ["info aerie.as {test} ready"]);
  });
});
