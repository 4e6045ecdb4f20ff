/**
 * The report's lines. Targets: design, section 7.
 *
 * @module
 */

import type { ClusterHeartbeatResult } from "./cluster_heartbeat.ts";
import type { ClusterMigrationResult } from "./cluster_migration.ts";
import type { ClusterWritesResult } from "./cluster_writes.ts";
import type { DataModelResult } from "./data_model.ts";
import type { MacroFigures, MacroOptions, MacroResult } from "./macro.ts";
import type { MicroResult } from "./micro.ts";
import { verdict } from "./part.ts";
import { type GetFigures, INTERFERENCE_TARGET_MS, type InterferenceResult } from "./scan_interference.ts";
import type { StartResult } from "./start_time.ts";

/** Most CPU per request, as a multiple of the echo server's, by workload, at this many connections. */
const CPU_TARGETS: ReadonlyMap<string, number> = new Map([["get", 1.3], ["put", 1.5]]);
const CPU_TARGET_CONNECTION_COUNT = 32;

const START_TARGET_MS = 150;
const RESIDENT_TARGET_BYTES = 60 * 1024 * 1024;

/** The machine and the runtime. */
export function machineLine(): string {
  const cores = navigator.hardwareConcurrency;
  return `Deno ${Deno.version.deno}, V8 ${Deno.version.v8}, ${Deno.build.target}, ${cores} cores`;
}

/** One micro benchmark. */
export function microLine({ name, medianNs, leastNs, targetNs }: MicroResult, quick: boolean): string {
  const target = targetNs === undefined ? "" : `  <= ${targetNs}${verdict(medianNs <= targetNs, quick)}`;
  return `  ${name.padEnd(46)} ${medianNs.toFixed(0).padStart(7)} ${leastNs.toFixed(0).padStart(7)}${target}`;
}

/** Prints cases of the data model as multiples of plain get and put, which come first. */
export function dataPrinter(print: (line: string) => void): (result: DataModelResult) => void {
  const plainNs: number[] = [];
  return ({ name, medianNs, containerBytes, copiedBytes }) => {
    if (plainNs.length < 2) plainNs.push(medianNs);
    const ratios = plainNs.map((ns) => `${(medianNs / ns).toFixed(1)} x`.padStart(10)).join("");
    const bytes = containerBytes === 0 ? "" : `${containerBytes}`.padStart(9) + `${copiedBytes}`.padStart(10);
    print(`  ${name.padEnd(52)} ${medianNs.toFixed(0).padStart(9)}${ratios.padEnd(20)} ${bytes}`);
  };
}

/** What a scan does to gets. */
export function interferenceLines(result: InterferenceResult, quick: boolean): string[] {
  const { alone, withScan, scannedPerS, scannedAlonePerS } = result;
  const isMet = withScan.p99Us <= alone.p99Us + INTERFERENCE_TARGET_MS * 1000;
  const row = (name: string, gets: GetFigures | undefined, recordsPerS: number | undefined) =>
    [
      `  ${name.padEnd(18)}`,
      ...[gets?.opsPerS, gets?.p50Us, gets?.p99Us, gets?.p999Us].map((figure) => cell(figure, 9)),
      cell(recordsPerS, 16),
    ].join(" ");
  return [
    `  ${"".padEnd(18)}    gets/s    p50 µs    p99 µs  p99.9 µs scanned records/s`,
    row("gets alone", alone, undefined),
    `${row("gets with scan", withScan, scannedPerS)}  p99 <= +${INTERFERENCE_TARGET_MS} ms${
      verdict(isMet, quick)
    }`,
    row("scan alone", undefined, scannedAlonePerS),
  ];
}

function cell(figure: number | undefined, width: number): string {
  return (figure?.toFixed(0) ?? "").padStart(width);
}

/** Most CPU per request of two nodes with one copy, as a multiple of one node's. */
const SEVERAL_NODES_TARGET = 1.1;

/** What requests cost in clusters. */
export function clusterWritesLines({ workload, figures }: ClusterWritesResult, quick: boolean): string[] {
  const one = figures["1 node"];
  const several = figures["2 nodes, 1 copy"];
  return Object.entries(figures).map(([name, figure]) => {
    const base = name === "2 nodes, 2 copies" ? several : one;
    const text = figure === one ? "" : ` ${ratio(figure, base)} of ${base === one ? "1 node" : "1 copy"}`;
    const target = figure === several && one.cpuUsPerOp !== undefined && several.cpuUsPerOp !== undefined
      ? `  <= ${SEVERAL_NODES_TARGET}` +
        verdict(several.cpuUsPerOp / one.cpuUsPerOp <= SEVERAL_NODES_TARGET, quick)
      : "";
    return `  ${workload.padEnd(5)} ${name.padEnd(18)} ${
      figure.opsPerS.toFixed(0).padStart(7)
    } ops/s   p99 ` +
      `${figure.p99Us.toFixed(0).padStart(5)} µs   CPU ${
        figure.cpuUsPerOp?.toFixed(2) ?? "?"
      } µs/op${text}${target}`;
  });
}

/** How fast records migrate. */
export function clusterMigrationLines(result: ClusterMigrationResult): string[] {
  const { recordsPerS, recordsPerSUnderLoad, cpuUsPerRecord, readsPerS, p99Us, p99MigratingUs } = result;
  return [
    `  ${recordsPerS.toFixed(0)} records/s, ${
      cpuUsPerRecord?.toFixed(1) ?? "?"
    } µs of CPU each on both nodes; ` +
    `${recordsPerSUnderLoad.toFixed(0)} records/s under ${readsPerS.toFixed(0)} reads/s`,
    `  p99 of the reads: ${p99Us.toFixed(0)} µs without, ${p99MigratingUs.toFixed(0)} µs during migration`,
  ];
}

/** An idle cluster. */
export function clusterHeartbeatLine(result: ClusterHeartbeatResult): string {
  const { nodeCount, cpuPercent, residentBytes } = result;
  const memory = residentBytes === undefined ? "?" : (residentBytes / 2 ** 20).toFixed(0);
  return `  ${String(nodeCount).padStart(2)} nodes: ${
    cpuPercent?.toFixed(2) ?? "?"
  } % of a core and ${memory} MiB each`;
}

/** What the columns of the macro benchmark are. */
export function macroHeading(options: MacroOptions): string {
  const { roundCount, runMs, loaderCount } = options;
  const columns = [
    "  workload".padEnd(15),
    "conns".padStart(5),
    " server".padEnd(8),
    "ops/s".padStart(9),
    "p50 µs".padStart(9),
    "p99 µs".padStart(9),
    "p99.9 µs".padStart(9),
    "CPU µs/op".padStart(10),
    " CPU of aerie to it".padEnd(19),
  ];
  return `Servers on loopback in turns: ${roundCount} turns of ${runMs / 1000} s each, ` +
    `${loaderCount} load process${loaderCount === 1 ? "" : "es"}, one request under way per connection\n` +
    columns.join(" ");
}

/** All servers under one load. */
export function macroLines(result: MacroResult, quick: boolean): string[] {
  const aerie = result.servers.aerie;
  return Object.entries(result.servers).map(([name, figures], index) => {
    const head = index === 0 ? result.workload : "";
    return [
      `  ${head}`.padEnd(15),
      String(index === 0 ? result.connectionCount : "").padStart(5),
      ` ${name}`.padEnd(8),
      figures.opsPerS.toFixed(0).padStart(9),
      figures.p50Us.toFixed(0).padStart(9),
      figures.p99Us.toFixed(0).padStart(9),
      figures.p999Us.toFixed(0).padStart(9),
      (figures.cpuUsPerOp?.toFixed(2) ?? "?").padStart(10),
      index === 0 ? "" : ` ${ratio(aerie, figures)}${cpuVerdict(result, name, quick)}`,
    ].join(" ");
  });
}

function ratio(aerie: MacroFigures, other: MacroFigures): string {
  if (aerie.cpuUsPerOp === undefined || other.cpuUsPerOp === undefined) return "?";
  return `${(aerie.cpuUsPerOp / other.cpuUsPerOp).toFixed(2)} x`;
}

function cpuVerdict(
  { workload, connectionCount, servers }: MacroResult,
  name: string,
  quick: boolean,
): string {
  const target = CPU_TARGETS.get(workload);
  const aerie = servers.aerie.cpuUsPerOp;
  const echo = servers.echo.cpuUsPerOp;
  if (name !== "echo" || target === undefined || connectionCount !== CPU_TARGET_CONNECTION_COUNT) return "";
  if (aerie === undefined || echo === undefined) return "";
  return `  <= ${target}${verdict(aerie / echo <= target, quick)}`;
}

/** Start time and memory. */
export function startLine(result: StartResult, quick: boolean): string {
  const { name, medianMs, leastMs, residentBytes } = result;
  const time = `${medianMs.toFixed(0)} ms (least ${leastMs.toFixed(0)})  <= ${START_TARGET_MS}` +
    verdict(medianMs <= START_TARGET_MS, quick);
  if (residentBytes === undefined) return `  ${name}: ${time}`;
  const memory =
    `${(residentBytes / 2 ** 20).toFixed(0)} MiB resident  <= ${RESIDENT_TARGET_BYTES / 2 ** 20}` +
    verdict(residentBytes <= RESIDENT_TARGET_BYTES, quick);
  return `  ${name}: ${time}, ${memory}`;
}
