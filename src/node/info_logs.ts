/**
 * Info commands about the log. Source: wire-protocol reference, section 9.11; server-operations reference, section 7.3.
 *
 * @module
 */

import { LOG_CONTEXTS, LOG_MESSAGE_SIZE_MAX } from "../base/mod.ts";
import { LOG_LEVELS } from "../config/mod.ts";
import type { LogSink } from "../port/mod.ts";
import { type InfoContext, type InfoRow, OK } from "./info_row.ts";

const BAD_ID = "ERROR::bad-id";
const BAD_CONTEXT = "ERROR::bad-context";

function sinks({ node }: InfoContext): readonly LogSink[] {
  return node.ports.log.control?.sinks ?? [];
}

function sinkOf(context: InfoContext, id: string): LogSink | undefined {
  return /^\d+$/.test(id) ? sinks(context)[Number(id)] : undefined;
}

/** `log/ID[/CONTEXT]`, or `log:id=ID[;context=CONTEXT]`. */
function levels(context: InfoContext): string {
  const [id, name] = context.isKeyed ? [context.get("id"), context.get("context")] : context.words;
  const sink = sinkOf(context, id ?? "");
  if (sink === undefined) return BAD_ID;
  const present = sink.levels();
  if (name === undefined) return LOG_CONTEXTS.map((one) => line(one, present)).join(";");
  return present.has(name) ? line(name, present) : BAD_CONTEXT;
}

function line(name: string, present: ReadonlyMap<string, string>): string {
  return `${name}:${(present.get(name) ?? "critical").toUpperCase()}`;
}

function setLevels(context: InfoContext): string {
  const { value: id, error } = context.need("id");
  if (error !== undefined) return error;
  const sink = sinkOf(context, id);
  if (sink === undefined) return BAD_ID;
  const pairs = context.command.parameters.split(";").filter((part) =>
    part !== "" && !part.startsWith("id=")
  );
  if (pairs.length === 0) return "ERROR:4:missing context and level";
  for (const pair of pairs) {
    const [name, text = ""] = pair.split("=");
    const level = LOG_LEVELS.find((one) => one === text.toLowerCase());
    if (level === undefined) return "ERROR::bad-level";
    if (!sink.setLevel(name, level)) return BAD_CONTEXT;
  }
  return OK;
}

function writeMessage(context: InfoContext): string {
  const { value, error } = context.need("message", { sizeMaxBytes: LOG_MESSAGE_SIZE_MAX });
  if (error !== undefined) return error;
  const who = context.get("who");
  const author = who === undefined || who === "" ? "" : `${who.slice(0, LOG_MESSAGE_SIZE_MAX)}: `;
  context.node.ports.log.write("info", "info", `${author}${value}`);
  return OK;
}

/** See the module's text. */
export const logCommands: readonly InfoRow[] = [
  {
    name: "logs",
    reply: "ID:PATH;ID:stderr;...",
    doc: "where the log goes; empty where the host program decides it",
    askedBy: "asadm, exporter",
    answer: (context) => sinks(context).map((sink, id) => `${id}:${sink.name}`).join(";"),
  },
  {
    name: "log",
    parameters: "/ID[/CONTEXT], or id=ID[;context=CONTEXT]",
    reply: "CONTEXT:LEVEL;... | ERROR::bad-id | ERROR::bad-context",
    doc: "levels of a log",
    askedBy: "asadm, exporter",
    answer: levels,
  },
  {
    name: "log-set",
    parameters: "id=ID;CONTEXT|any=LEVEL",
    reply: "ok | ERROR::bad-id | ERROR::bad-context | ERROR::bad-level",
    doc: "change what a log keeps, until the next start",
    askedBy: "asadm, operators",
    permission: "logging-ctrl",
    answer: setLevels,
  },
  {
    name: "set-log",
    parameters: "as log-set",
    reply: "as log-set",
    doc: "change what a log keeps, until the next start",
    askedBy: "old tools",
    permission: "logging-ctrl",
    deprecated: "log-set",
    hidden: true,
    answer: setLevels,
  },
  {
    name: "log-message",
    parameters: "message=TEXT[;who=NAME]",
    reply: "ok",
    doc: "write a line into the log",
    askedBy: "operators",
    permission: "logging-ctrl",
    answer: writeMessage,
  },
];
