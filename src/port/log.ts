/**
 * Port: log.
 *
 * @module
 */

/** Levels, most severe first; the names of the stock server. */
export type LogLevel = "critical" | "warning" | "info" | "debug" | "detail";

/** One place that log lines go to; its index in {@linkcode LogControl.sinks} is its id in info commands. */
export interface LogSink {
  /** Path of the file, or `stderr`. */
  readonly name: string;
  /** Present level of each context, by context. */
  levels(): ReadonlyMap<string, LogLevel>;
  /**
   * Changes what is kept.
   *
   * @param context one of the contexts, or `any` for all
   * @returns false when there is no such context
   */
  setLevel(context: string, level: LogLevel): boolean;
}

/** Changes where log lines go while the node runs. */
export interface LogControl {
  /** All sinks. */
  readonly sinks: readonly LogSink[];
  /** Opens log files anew, after they were renamed. */
  reopen(): void;
  /** Resolves when all lines written so far are with the system. */
  flush(): Promise<void>;
}

/** Where log lines go. */
export interface Log {
  /** How to change it; absent where the host program decides what is kept. */
  readonly control?: LogControl;
  /**
   * Whether a line of that level and context would be kept. Callers that must build an expensive text ask first.
   *
   * @param context one of the stock server's contexts, for example `nsup` or `rw`
   */
  enabled(level: LogLevel, context: string): boolean;
  /** Writes one line; `message` has no line feed. */
  write(level: LogLevel, context: string, message: string): void;
}
