/**
 * What a replay found, as text, and the list of exceptions that it is held against.
 *
 * @module
 */

import type { DifferentAnswer, ReplayResult } from "./replay.ts";

/** How many characters of a value a report shows. */
const LINE_SIZE_MAX = 400;

/** A difference that is known and documented in `COMPAT.md`. */
export interface ReplayException {
  /** The kind of difference, as the comparison names it. */
  kind: string;
  /** The requests concerned. */
  seqs: number[];
  /** Why the answers differ: the text of the row in `COMPAT.md`. */
  reason: string;
}

/** The documented exceptions. */
export const REPLAY_EXCEPTIONS: URL = new URL(
  "../../testdata/captures/replay_exceptions.json",
  import.meta.url,
);

/** Reads the documented exceptions. */
export async function readExceptions(): Promise<ReplayException[]> {
  return JSON.parse(await Deno.readTextFile(REPLAY_EXCEPTIONS));
}

/** How many requests may be answered differently, documented or not comparable. Source: the project's goals. */
export const EXCEPTION_COUNT_MAX = 30;

/** What is wrong with a replay's result; empty when nothing is. */
export function faultsOf(result: ReplayResult, exceptions: readonly ReplayException[]): string[] {
  const faults: string[] = [];
  const unknown = undocumented(result.differences, exceptions);
  if (unknown.length > 0) {
    const seqs = unknown.map(({ seq }) => `#${seq}`).join(" ");
    faults.push(`${unknown.length} answers differ and are not among the exceptions in COMPAT.md: ${seqs}`);
  }
  const incomparable = [...result.outOfScope.values()].reduce((sum, count) => sum + count, 0);
  const exceptionCount = result.differences.length + incomparable;
  if (exceptionCount > EXCEPTION_COUNT_MAX) {
    faults.push(
      `${exceptionCount} answers differ or can't be compared, at most ${EXCEPTION_COUNT_MAX} may`,
    );
  }
  return faults;
}

/** The differences that no exception covers. */
export function undocumented(
  differences: readonly DifferentAnswer[],
  exceptions: readonly ReplayException[],
): DifferentAnswer[] {
  return differences.filter((difference) =>
    !exceptions.some((exception) =>
      exception.kind === difference.kind && exception.seqs.includes(difference.seq)
    )
  );
}

/**
 * The report.
 *
 * @param result of the replay
 * @param options whether to print all differences instead of one of each kind
 */
export function printableReport(result: ReplayResult, options: { all?: boolean } = {}): string {
  const share = result.inScopeCount === 0 ? 0 : (100 * result.equalCount) / result.inScopeCount;
  const lines = [
    `sent ${result.sentCount}, in scope ${result.inScopeCount}, equal ${result.equalCount} (${
      share.toFixed(2)
    } %), ` +
    `different ${result.differences.length}`,
    "out of scope:",
    ...[...result.outOfScope].sort((left, right) => right[1] - left[1])
      .map(([reason, count]) => `  ${String(count).padStart(5)}  ${reason}`),
  ];
  const byKind = Map.groupBy(result.differences, (difference) => difference.kind);
  for (const [kind, group] of [...byKind].sort((left, right) => right[1].length - left[1].length)) {
    lines.push(`${kind}: ${group.length} (seq ${group.slice(0, 12).map((entry) => entry.seq).join(" ")})`);
    for (const entry of options.all ? group : group.slice(0, 1)) lines.push(...entryLines(entry));
  }
  return lines.join("\n");
}

function entryLines(entry: DifferentAnswer): string[] {
  const cut = (text: string) => text.length <= LINE_SIZE_MAX ? text : `${text.slice(0, LINE_SIZE_MAX)}..`;
  return [
    `  #${entry.seq} ${cut(entry.request)}`,
    `    expected ${cut(entry.expected)}`,
    `    got      ${cut(entry.got)}`,
  ];
}
