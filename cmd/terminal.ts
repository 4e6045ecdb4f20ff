/**
 * Lines to the person at the terminal.
 *
 * @module
 */

import process from "node:process";

/** Prints a line on standard output. */
export function print(text: string): void {
  process.stdout.write(text + "\n");
}

/** Prints a line on standard error. */
export function printError(text: string): void {
  process.stderr.write(text + "\n");
}
