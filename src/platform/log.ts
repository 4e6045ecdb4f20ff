/**
 * The log of the executable: lines in the stock server's form to sinks with levels of their own. A program that embeds a
 * node gets the lines through LogTape instead, see `host_log.ts`.
 *
 * Line: `Mon DD YYYY HH:MM:SS[.mmm] GMT: LEVEL (context): message`. Source: server-operations reference, section 7.1.
 *
 * @module
 */
import type { Log, LogControl, LogLevel } from "../port/mod.ts";
import { builtin, isDeno } from "./builtin.ts";
import { FileSink, levelRanks, type LogRotation } from "./log_sink.ts";

/** One sink of a log. */
export interface LogSinkOptions {
  /** Path of the file to append to; standard error when absent. */
  path?: string;
  /** Level per context, applied in order; `any` stands for all contexts. What is not named keeps critical lines only. */
  levels: Readonly<Record<string, LogLevel>>;
}

/** How the lines of a log look. */
export interface LogFormat {
  /** Print milliseconds. */
  millis?: boolean;
  /** Print local time and its distance from UTC. */
  localTime?: boolean;
}

/** What {@linkcode createLog} is told. */
export interface LogOptions extends LogFormat {
  /** Where lines go. */
  sinks: readonly LogSinkOptions[];
  /** When log files are put aside; never, without it. */
  rotation?: LogRotation;
  /** Milliseconds since 1970 of a line's time. */
  wallMs?: () => number;
}

const levelWords: Readonly<Record<LogLevel, string>> = {
  critical: "CRITICAL",
  warning: "WARNING",
  info: "INFO",
  debug: "DEBUG",
  detail: "DETAIL",
};

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** The time of a line: `Mon DD YYYY HH:MM:SS[.mmm] GMT[+hhmm]`. */
export function logTime(wallMs: number, format: LogFormat = {}): string {
  const offsetMinutes = format.localTime ? -new Date(wallMs).getTimezoneOffset() : 0;
  const date = new Date(wallMs + offsetMinutes * 60_000);
  const day = `${MONTHS[date.getUTCMonth()]} ${twoDigits(date.getUTCDate())} ${date.getUTCFullYear()}`;
  const hours = `${twoDigits(date.getUTCHours())}:${twoDigits(date.getUTCMinutes())}`;
  const millis = format.millis ? `.${String(date.getUTCMilliseconds()).padStart(3, "0")}` : "";
  const time = `${day} ${hours}:${twoDigits(date.getUTCSeconds())}${millis} GMT`;
  if (!format.localTime) return time;
  const distance = Math.abs(offsetMinutes);
  const sign = offsetMinutes < 0 ? "-" : "+";
  return `${time}${sign}${twoDigits(Math.floor(distance / 60))}${twoDigits(distance % 60)}`;
}

/** What one line says. */
export interface LogLine {
  /** Severity. */
  level: LogLevel;
  /** The part of the server that says it. */
  context: string;
  /** The text. */
  message: string;
  /** Milliseconds since 1970. */
  wallMs: number;
}

/** One line without line feed; control characters of the message can't start a line of their own. */
export function logLine({ level, context, message, wallMs }: LogLine, format: LogFormat = {}): string {
  // deno-lint-ignore no-control-regex
  const text = message.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, " ");
  return `${logTime(wallMs, format)}: ${levelWords[level]} (${context}): ${text}`;
}

const sinksAtExit = new Set<FileSink>();

/** One listener for all sinks, however many logs a process makes. */
function flushAtExit(sink: FileSink): void {
  if (sinksAtExit.size === 0) {
    const flush = () => {
      for (const one of sinksAtExit) one.flushNow();
    };
    if (isDeno) addEventListener("unload", flush);
    else builtin<typeof import("node:process")>("node:process").on("exit", flush);
  }
  sinksAtExit.add(sink);
}

/**
 * A log with sinks of its own, for the executable.
 *
 * @throws {Error} when a log file can't be opened; the message names path and cause
 */
export function createLog(options: LogOptions): Log {
  const { wallMs = Date.now } = options;
  const sinks = options.sinks.map(({ path, levels }) => {
    const sink = new FileSink(path, options.rotation);
    for (const [context, level] of Object.entries(levels)) sink.setLevel(context, level);
    flushAtExit(sink);
    return sink;
  });
  const control: LogControl = {
    sinks,
    reopen() {
      for (const sink of sinks) {
        const failure = sink.reopen();
        if (failure === undefined) continue;
        log.write("warning", "misc", `${failure}; lines go on into the file that "${sink.name}" was before`);
      }
    },
    async flush() {
      await Promise.all(sinks.map((sink) => sink.flush()));
    },
  };
  const keeps = (sink: FileSink, level: LogLevel, context: string) =>
    levelRanks[level] <= sink.rankKept(context);
  const log: Log = {
    control,
    enabled: (level, context) => sinks.some((sink) => keeps(sink, level, context)),
    write(level, context, message) {
      let line: string | undefined;
      for (const sink of sinks) {
        if (!keeps(sink, level, context)) continue;
        line ??= `${logLine({ level, context, message, wallMs: wallMs() }, options)}\n`;
        sink.append(line);
        if (level === "critical") sink.flushNow();
      }
    },
  };
  return log;
}
