/**
 * The log of a node that another program embeds: every line is a LogTape record of the category `aerie` and its context,
 * and goes where that program's LogTape configuration sends it.
 *
 * @module
 */
import { getLogger, type Logger, type LogLevel as TapeLevel } from "@logtape/logtape";
import type { Log, LogLevel } from "../port/mod.ts";

const tapeLevels: Readonly<Record<LogLevel, TapeLevel>> = {
  critical: "fatal",
  warning: "warning",
  info: "info",
  debug: "debug",
  detail: "trace",
};

class TapeLog implements Log {
  readonly #loggers = new Map<string, Logger>();

  enabled(level: LogLevel, context: string): boolean {
    return this.#logger(context).isEnabledFor(tapeLevels[level]);
  }

  write(level: LogLevel, context: string, message: string): void {
    const logger = this.#logger(context);
    if (!logger.isEnabledFor(tapeLevels[level])) return;
    // `emit` takes the text as it is; the other calls would read braces as place-holders.
    logger.emit({
      level: tapeLevels[level],
      message: [message],
      rawMessage: message,
      timestamp: Date.now(),
      properties: {},
    });
  }

  #logger(context: string): Logger {
    let logger = this.#loggers.get(context);
    if (logger === undefined) {
      logger = getLogger(["aerie", context]);
      this.#loggers.set(context, logger);
    }
    return logger;
  }
}

/** A log whose lines go to LogTape. */
export function createHostLog(): Log {
  return new TapeLog();
}
