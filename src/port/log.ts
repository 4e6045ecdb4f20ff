/**
 * Port: log.
 *
 * @module
 */

/** Levels, most severe first; the names of the stock server. */
export type LogLevel = "critical" | "warning" | "info" | "debug" | "detail";

/** Where log lines go. */
export interface Log {
  /**
   * Whether a line of that level and context would be kept. Callers that must build an expensive text ask first.
   *
   * @param context one of the stock server's contexts, for example `nsup` or `rw`
   */
  enabled(level: LogLevel, context: string): boolean;
  /** Writes one line; `message` has no line feed. */
  write(level: LogLevel, context: string, message: string): void;
}
