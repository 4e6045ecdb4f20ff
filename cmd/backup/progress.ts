/**
 * The progress of a backup or restore on a terminal: one line on standard error that is written anew each second, with a
 * bar where it is known how much there is to do. Nothing is shown when standard error is no terminal.
 *
 * @module
 */

import process from "node:process";

const INTERVAL_MS = 1000;
const BAR_SIZE = 24;
/** Before so much is done the time that is left is a guess. */
const SHARE_MIN = 0.01;

/** What is done so far. */
export interface ProgressState {
  /** How much is done, 0 to 1; undefined when nobody knows how much there is. */
  share: number | undefined;
  /** Records, sizes and rates. */
  text: string;
}

/**
 * Shows the progress until the returned function is called.
 *
 * @param look tells where it stands after so many milliseconds
 * @param options `isShown`: on a terminal; default: standard error is one
 * @returns ends it and clears the line
 */
export function showProgress(
  look: (durationMs: number) => ProgressState,
  options: { readonly isShown?: boolean } = {},
): () => void {
  if (!(options.isShown ?? process.stderr.isTTY === true)) return () => {};
  const startMs = performance.now();
  const timer = setInterval(() => {
    const durationMs = performance.now() - startMs;
    process.stderr.write(`\r${progressLine(look(durationMs), durationMs)}\x1b[K`);
  }, INTERVAL_MS);
  return () => {
    clearInterval(timer);
    process.stderr.write("\r\x1b[K");
  };
}

/** The line: `[######------------------]  25 %  7.5 k records, 4.5 MiB, 2.5 k records/s, 0:09 left`. */
export function progressLine({ share, text }: ProgressState, durationMs: number): string {
  if (share === undefined) return text;
  const known = Math.min(1, Math.max(0, share));
  const full = Math.floor(known * BAR_SIZE);
  const left = known < SHARE_MIN ? "" : `, ${clockText(durationMs * (1 - known) / known)} left`;
  const percent = String(Math.floor(known * 100)).padStart(3);
  return `[${"#".repeat(full)}${"-".repeat(BAR_SIZE - full)}] ${percent} %  ${text}${left}`;
}

/** A duration as `0:09` or `1:02:03`. */
function clockText(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}
