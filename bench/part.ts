/**
 * What a part of the benchmark is: a name for `--only`, a heading, and a run that prints its lines as they come.
 *
 * @module
 */

import type { MacroOptions } from "./macro.ts";

/** How all parts are to run. */
export interface BenchOptions {
  /** Everything once and short: shows that it works, not how fast aerie is. */
  quick: boolean;
  /** Runs in place of the sources, by the parts that start processes. */
  executable?: string;
  /** What the command line says of the macro part. */
  macro: MacroOptions;
  /** Records of the restart part; its own choice when absent. */
  recordCount?: number;
  /** Sizes of idle clusters. */
  nodeCounts: readonly number[];
}

/** One part of the benchmark. */
export interface BenchPart {
  /** Its name in `--only` and in the JSON report. */
  name: string;
  /** One line above its figures. */
  heading(options: BenchOptions): string;
  /**
   * Measures.
   *
   * @param print takes a line of the report
   * @returns the figures, as JSON takes them
   */
  run(options: BenchOptions, print: (line: string) => void): Promise<unknown>;
}

/** Whether a target was met; quick runs are too short for a verdict. */
export function verdict(isMet: boolean, quick: boolean): string {
  return quick ? "" : isMet ? " met" : " MISSED";
}
