/**
 * Info commands about queries that run or have run. Source: wire-protocol reference, section 9.7.
 *
 * @module
 */

import { type InfoContext, type InfoRow, OK } from "./info_row.ts";

/** The id that a command names as `id` or `trid`, undefined for none. */
function idOf(context: InfoContext): string | undefined {
  return context.get("id") ?? context.get("trid");
}

function show(context: InfoContext): string {
  const { queries, ports } = context.node;
  const nowMs = ports.clock.monotonicMs();
  const id = idOf(context);
  if (id === undefined) return queries.list().map((query) => query.describe(nowMs)).join(";");
  return queries.find(id)?.describe(nowMs) ?? "ERROR:2:job not found";
}

function abort(context: InfoContext): string {
  const id = idOf(context);
  if (id === undefined) return "ERROR:4:missing 'id'";
  return context.node.queries.abort(id) ? OK : "ERROR:2:id not active";
}

/** See the module's text. */
export const queryCommands: readonly InfoRow[] = [
  {
    name: "query-show",
    parameters: "[id=ID]",
    reply: "NAME=VALUE:...;... | ERROR:2:job not found",
    doc: "queries and background jobs, also those that ended lately",
    askedBy: "clients, asadm",
    answer: show,
  },
  {
    name: "query-abort",
    parameters: "id=ID",
    reply: "ok | ERROR:2:id not active",
    doc: "end a query",
    askedBy: "asadm",
    permission: "query-admin",
    answer: abort,
  },
  {
    name: "query-abort-all",
    reply: "number-of-queries-killed:N",
    doc: "end all queries",
    askedBy: "asadm",
    permission: "query-admin",
    answer: ({ node }) => `number-of-queries-killed:${node.queries.abortAll()}`,
  },
];
