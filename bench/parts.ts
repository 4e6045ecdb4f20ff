/**
 * The parts of the benchmark, in the order in which they run.
 *
 * @module
 */

import { backupPart } from "./backup.ts";
import { clusterPart, heartbeatPart } from "./cluster.ts";
import { type DataModelOptions, runDataModel } from "./data_model.ts";
import { runMacro } from "./macro.ts";
import { type MicroOptions, runMicro } from "./micro.ts";
import type { BenchPart } from "./part.ts";
import { dataPrinter, interferenceLines, macroHeading, macroLines, microLine, startLine } from "./report.ts";
import { type InterferenceOptions, measureInterference } from "./scan_interference.ts";
import { measureStarts } from "./start_time.ts";
import { restartPart } from "./restart.ts";
import { sindexPart } from "./sindex.ts";
import { storagePart } from "./storage.ts";

const MICRO: MicroOptions = {
  sampleMs: 200,
  sampleCount: 5,
  indexEntryCounts: [100_000, 1_000_000],
  recordCount: 100_000,
};
const MICRO_QUICK: MicroOptions = {
  sampleMs: 2,
  sampleCount: 1,
  indexEntryCounts: [1000],
  recordCount: 1000,
};

const micro: BenchPart = {
  name: "micro",
  heading: () => "Nanoseconds per operation, no sockets: middle sample, fastest sample, target",
  run: ({ quick }, print) =>
    runMicro(quick ? MICRO_QUICK : MICRO, (result) => print(microLine(result, quick))),
};

const DATA: DataModelOptions = {
  sampleMs: 200,
  sampleCount: 3,
  elementCounts: [10, 1000, 100_000],
  scanRecordCount: 100_000,
};
const DATA_QUICK: DataModelOptions = {
  sampleMs: 2,
  sampleCount: 1,
  elementCounts: [10, 1000],
  scanRecordCount: 1000,
};

const data: BenchPart = {
  name: "data",
  heading: () =>
    "Lists, maps and filters, whole requests without sockets: ns, of get, of put, bytes of the container, bytes copied",
  run: ({ quick }, print) => runDataModel(quick ? DATA_QUICK : DATA, dataPrinter(print)),
};

const macro: BenchPart = {
  name: "macro",
  heading: ({ macro }) => macroHeading(macro),
  run: ({ quick, macro }, print) =>
    runMacro(macro, (result) => {
      for (const line of macroLines(result, quick)) print(line);
    }),
};

const SCAN: InterferenceOptions = { recordCount: 1_000_000, connectionCount: 8, roundCount: 3, runMs: 2000 };
const SCAN_QUICK: InterferenceOptions = { recordCount: 1000, connectionCount: 2, roundCount: 1, runMs: 100 };

const scan: BenchPart = {
  name: "scan",
  heading({ quick }) {
    const { connectionCount, recordCount } = quick ? SCAN_QUICK : SCAN;
    return `Gets on ${connectionCount} connections while a scan of ${recordCount} records runs`;
  },
  async run({ quick, executable }, print) {
    const sizes = quick ? SCAN_QUICK : SCAN;
    const result = await measureInterference({
      ...sizes,
      ...(executable === undefined ? {} : { executable }),
    });
    for (const line of interferenceLines(result, quick)) print(line);
    return result;
  },
};

const start: BenchPart = {
  name: "start",
  heading: () => "Start of an empty node to its first answer",
  async run({ quick, executable }, print) {
    const results = await measureStarts(quick ? 1 : 7, executable);
    for (const result of results) print(startLine(result, quick));
    return results;
  },
};

/** All parts. */
export const PARTS: readonly BenchPart[] = [
  micro,
  data,
  sindexPart,
  macro,
  scan,
  start,
  storagePart,
  restartPart,
  backupPart,
  clusterPart,
  heartbeatPart,
];
