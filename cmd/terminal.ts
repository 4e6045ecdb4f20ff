/**
 * Lines to the person at the terminal.
 *
 * @module
 */

/** Prints a line on standard output. */
export function print(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}

/** Prints a line on standard error. */
export function printError(text: string): void {
  // deno-lint-ignore no-console
  console.error(text);
}
