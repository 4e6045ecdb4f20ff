/**
 * Lines on standard output, written at once, so that they stay in order with those of child processes.
 *
 * @module
 */

const encoder = new TextEncoder();

/** Writes one line to standard output. */
export function print(line: string): void {
  let rest = encoder.encode(`${line}\n`);
  while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
}
