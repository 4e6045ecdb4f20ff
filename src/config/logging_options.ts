/**
 * Log sinks: each names a level per context of the log. Source: server-operations reference, sections 2.7 and 7.2.
 *
 * @module
 */
import { LOG_CONTEXTS } from "../base/mod.ts";
import type { LogLevel } from "../port/mod.ts";
import { defineNames, oneOf, type OptionTable, text } from "./option.ts";

/** Levels, most severe first. */
export const LOG_LEVELS: readonly LogLevel[] = ["critical", "warning", "info", "debug", "detail"];

/** Level of a context that no line names. */
export const LOG_LEVEL_DEFAULT: LogLevel = "critical";

/** One place that log lines go to. */
export interface LogSinkSettings {
  /** Console means the error output. */
  kind: "console" | "file";
  /** Path of a file sink, empty for the console. */
  path: string;
  /** Level per context; `any` is the level of those that are not named. */
  levels: Record<string, LogLevel>;
}

/**
 * The level at which a sink keeps lines of a context.
 *
 * @param sink one of the configured sinks
 * @param context a context of the log, for example `nsup`
 */
export function sinkLevel(sink: LogSinkSettings, context: string): LogLevel {
  return sink.levels[context] ?? sink.levels.any ?? LOG_LEVEL_DEFAULT;
}

/** Rows for the lines `context NAME LEVEL` of a sink, one per context of the log. */
export const logContextOptions: OptionTable = defineNames(
  Object.fromEntries(
    ["any", ...LOG_CONTEXTS].map((name) => [
      name,
      oneOf(LOG_LEVELS, LOG_LEVEL_DEFAULT, {
        name,
        dynamic: true,
        doc: name === "any" ? "level of all contexts of this sink" : `level of the context ${name}`,
      }),
    ]),
  ),
);

/** Rows of the `syslog` sink. */
export const syslogOptions: OptionTable = defineNames({
  facility: text("daemon", { status: "unsupported", doc: "syslog facility" }),
  path: text("/dev/log", { status: "unsupported", doc: "syslog socket" }),
  tag: text("asd", { status: "unsupported", doc: "tag of the lines" }),
});
