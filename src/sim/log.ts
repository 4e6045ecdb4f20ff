/**
 * Log of a simulated process: the last lines are kept for the report of a failing run, all of them enter the hash.
 *
 * @module
 */
import type { Log, LogLevel } from "../port/mod.ts";
import type { Simulation } from "./simulation.ts";

/** Lines that a simulated process keeps. */
export const SIM_LOG_LINE_COUNT_MAX = 2000;

const severities: Readonly<Record<LogLevel, number>> = {
  critical: 0,
  warning: 1,
  info: 2,
  debug: 3,
  detail: 4,
};

/** Ports log that collects lines. */
export class SimLog implements Log {
  readonly #simulation: Simulation;
  readonly #name: string;
  readonly #level: LogLevel;
  readonly #lines: string[] = [];

  /**
   * @param name printed before each line
   * @param level least severe level that is kept
   */
  constructor(simulation: Simulation, name: string, level: LogLevel) {
    this.#simulation = simulation;
    this.#name = name;
    this.#level = level;
  }

  /** The last lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  enabled(level: LogLevel, _context: string): boolean {
    return severities[level] <= severities[this.#level];
  }

  write(level: LogLevel, context: string, message: string): void {
    if (!this.enabled(level, context)) return;
    this.#simulation.hash.mixText(message);
    const seconds = (this.#simulation.nowUs / 1_000_000).toFixed(6);
    this.#lines.push(`${seconds} ${this.#name} ${level} (${context}): ${message}`);
    if (this.#lines.length > SIM_LOG_LINE_COUNT_MAX * 2) this.#lines.splice(0, SIM_LOG_LINE_COUNT_MAX);
  }
}
