/**
 * The log of a node on LogTape: every line is a record of the category `aerie`, its node's number and its context.
 *
 * The executable owns LogTape's configuration and routes the records to its sinks by the levels of each sink. A host
 * program that embeds a node configures LogTape itself and gets the records of category `aerie`.
 *
 * Line: `Mon DD YYYY HH:MM:SS[.mmm] GMT: LEVEL (context): message`. Source: server-operations reference, section 7.1.
 *
 * @module
 */
import process from "node:process";
import {
  configureSync,
  getConfig,
  getLogger,
  type Logger,
  type LogLevel as TapeLevel,
  type LogRecord,
} from "@logtape/logtape";
import type { Log, LogControl, LogLevel } from "../port/mod.ts";
import { DescriptorSink, levelRanks, type LogRotation } from "./log_sink.ts";

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

const tapeLevels: Readonly<Record<LogLevel, TapeLevel>> = {
  critical: "fatal",
  warning: "warning",
  info: "info",
  debug: "debug",
  detail: "trace",
};

const levelWords: Readonly<Record<TapeLevel, string>> = {
  fatal: "CRITICAL",
  error: "WARNING",
  warning: "WARNING",
  info: "INFO",
  debug: "DEBUG",
  trace: "DETAIL",
};

const levelOfTape = new Map(Object.entries(tapeLevels).map(([level, tape]) => [tape, level as LogLevel]));

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

/** One line without line feed; control characters of the message can't start a line of their own. */
export function logLine(record: LogRecord, format: LogFormat = {}): string {
  // deno-lint-ignore no-control-regex
  const text = record.message.join("").replace(/[\x00-\x08\x0a-\x1f\x7f]/g, " ");
  const context = record.category[record.category.length - 1];
  return `${logTime(record.timestamp, format)}: ${levelWords[record.level]} (${context}): ${text}`;
}

/** Logs of this process that own sinks, by the number in their category. */
const routes = new Map<string, (record: LogRecord) => void>();
let routeCount = 0;

const sinksAtExit = new Set<DescriptorSink>();

/** One listener for all sinks, however many logs a process makes. */
function flushAtExit(sink: DescriptorSink): void {
  if (sinksAtExit.size === 0) {
    process.on("exit", () => {
      for (const one of sinksAtExit) one.flushNow();
    });
  }
  sinksAtExit.add(sink);
}

function configureRoutes(): void {
  if (getConfig() !== null && routes.size > 0) return;
  configureSync({
    reset: true,
    sinks: { aerie: (record) => routes.get(record.category[1])?.(record) },
    loggers: [
      { category: ["aerie"], lowestLevel: "trace", sinks: ["aerie"] },
      { category: ["logtape", "meta"], lowestLevel: "fatal", sinks: [] },
    ],
  });
}

class TapeLog implements Log {
  readonly #prefix: readonly string[];
  readonly #wallMs: () => number;
  readonly #loggers = new Map<string, Logger>();
  readonly #enabled: (level: LogLevel, logger: Logger, context: string) => boolean;
  readonly control?: LogControl;

  constructor(
    prefix: readonly string[],
    wallMs: () => number,
    enabled: (level: LogLevel, logger: Logger, context: string) => boolean,
    control?: LogControl,
  ) {
    this.#prefix = prefix;
    this.#wallMs = wallMs;
    this.#enabled = enabled;
    if (control !== undefined) this.control = control;
  }

  enabled(level: LogLevel, context: string): boolean {
    return this.#enabled(level, this.#logger(context), context);
  }

  write(level: LogLevel, context: string, message: string): void {
    const logger = this.#logger(context);
    if (!this.#enabled(level, logger, context)) return;
    // `emit` takes the text as it is; the other calls would read braces as place-holders.
    logger.emit({
      level: tapeLevels[level],
      message: [message],
      rawMessage: message,
      timestamp: this.#wallMs(),
      properties: {},
    });
  }

  #logger(context: string): Logger {
    let logger = this.#loggers.get(context);
    if (logger === undefined) {
      logger = getLogger([...this.#prefix, context]);
      this.#loggers.set(context, logger);
    }
    return logger;
  }
}

/**
 * A log with sinks of its own, for the executable: takes LogTape's configuration over.
 *
 * @throws {Error} when a log file can't be opened; the message names path and cause
 */
export function createLog(options: LogOptions): Log {
  const sinks = options.sinks.map(({ path, levels }) => {
    const sink = new DescriptorSink(path, options.rotation);
    for (const [context, level] of Object.entries(levels)) sink.setLevel(context, level);
    return sink;
  });
  const control: LogControl = {
    sinks,
    reopen() {
      for (const sink of sinks) sink.reopen();
    },
    async flush() {
      await Promise.all(sinks.map((sink) => sink.flush()));
    },
  };
  configureRoutes();
  const id = String(routeCount++);
  routes.set(id, (record) => {
    const level = levelOfTape.get(record.level) ?? "warning";
    const context = record.category[record.category.length - 1];
    const line = `${logLine(record, options)}\n`;
    for (const sink of sinks) {
      if (levelRanks[level] > sink.rankKept(context)) continue;
      sink.append(line);
      if (level === "critical") sink.flushNow();
    }
  });
  for (const sink of sinks) flushAtExit(sink);
  const enabled = (level: LogLevel, _logger: Logger, context: string) =>
    sinks.some((sink) => levelRanks[level] <= sink.rankKept(context));
  return new TapeLog(["aerie", id], options.wallMs ?? Date.now, enabled, control);
}

/** A log for an embedded node: the records go where the host program's LogTape configuration sends category `aerie`. */
export function createHostLog(): Log {
  const enabled = (level: LogLevel, logger: Logger) => logger.isEnabledFor(tapeLevels[level]);
  return new TapeLog(["aerie"], Date.now, enabled);
}
