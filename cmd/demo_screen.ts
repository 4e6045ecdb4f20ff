/**
 * The screen of `aerie demo`: members, partitions, migrations and the workload, as text.
 *
 * @module
 */

import type { LocalNodeState, Membership } from "./local_cluster.ts";
import { type Column, table } from "./table.ts";
import type { WorkloadCounts } from "./workload.ts";

/** One node as the demo shows it. */
export interface DemoNode {
  /** Its number, from 1, which is also its key. */
  number: number;
  /** Node id. */
  id: string;
  /** What was done to it. */
  state: LocalNodeState;
  /** What it says of itself; undefined when it does not answer. */
  says: DemoAnswer | undefined;
}

/** What a node says of itself. */
export interface DemoAnswer extends Membership {
  /** Partitions that it is master of. */
  masters: number;
  /** Partitions of which it keeps another copy. */
  copies: number;
}

/** Everything on the screen. */
export interface DemoView {
  nodes: readonly DemoNode[];
  /** Number of the chosen node. */
  chosen: number;
  counts: WorkloadCounts;
  /** Requests that succeeded in the last second. */
  perSecond: number;
  /** Monotonic time of the look. */
  nowMs: number;
  /** What happened last, newest at the end. */
  events: readonly string[];
}

/** Partitions of a namespace: the whole width of a bar. */
const PARTITION_COUNT = 4096;
const BAR_WIDTH = 24;
const EVENT_COUNT = 6;

const KEYS =
  "keys: 1-9 choose a node   k kill   f freeze   h heal (restart, or let go on)   a add a node   q quit";

/** The screen for a terminal. */
export function demoScreen(view: DemoView): string {
  const columns: Column<DemoNode>[] = [
    {
      title: "",
      align: "left",
      cell: ({ number }) => number === view.chosen ? `> ${number}` : `  ${number}`,
    },
    { title: "node", align: "left", cell: ({ id, says }) => says?.principal === id ? `${id} *` : id },
    { title: "state", align: "left", cell: stateText },
    { title: "members", align: "right", cell: ({ says }) => says ? String(says.size) : "-" },
    { title: "cluster", align: "left", cell: ({ says }) => says?.key ?? "-" },
    { title: "partitions: # master, = copy", align: "left", cell: bar },
    { title: "to move", align: "right", cell: ({ says }) => says ? String(says.migrations) : "-" },
    { title: "records", align: "right", cell: ({ says }) => says ? String(says.objects) : "-" },
  ];
  return [
    "aerie demo",
    "",
    ...table(view.nodes, columns),
    "",
    workloadLine(view),
    ...errorLines(view.counts),
    "",
    ...view.events.slice(-EVENT_COUNT),
    "",
    KEYS,
  ].join("\n");
}

/** The same as one line, for a file or a pipe. */
export function demoLine(view: DemoView): string {
  const nodes = view.nodes.map((node) => {
    const { says } = node;
    return says === undefined
      ? `${node.id} ${stateText(node)}`
      : `${node.id} ${stateText(node)} of ${says.size}, ${says.masters}+${says.copies} partitions, ` +
        `${says.migrations} to move`;
  });
  return `${nodes.join(" | ")} | ${workloadLine(view)}`;
}

function stateText({ state, says }: DemoNode): string {
  if (state === "up") return says === undefined ? "silent" : "up";
  return state;
}

function bar({ says }: DemoNode): string {
  if (says === undefined) return "";
  const width = (count: number) => Math.round(count / PARTITION_COUNT * BAR_WIDTH);
  return "#".repeat(width(says.masters)) + "=".repeat(width(says.copies));
}

function workloadLine({ counts, perSecond, nowMs }: DemoView): string {
  const ago = counts.errorCount === 0
    ? ""
    : `, the last ${((nowMs - counts.lastErrorMs) / 1000).toFixed(1)} s ago`;
  return `workload: ${perSecond} requests/s, ${counts.reads} reads, ${counts.writes} writes, ` +
    `${counts.errorCount} errors${ago}, ${counts.staleCount} stale reads, ${counts.lostCount} acknowledged writes lost`;
}

function errorLines({ errors, lost }: WorkloadCounts): string[] {
  const kinds = [...errors].map(([what, count]) => `  ${String(count).padStart(6)} ${what}`);
  return [...kinds, ...lost.slice(0, 3).map((text) => `  LOST ${text}`)];
}
