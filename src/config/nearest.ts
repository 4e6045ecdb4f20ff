/**
 * Finds the known name that is written most like an unknown one.
 *
 * @module
 */

/** Names longer than this are not compared; no option is nearly as long. */
const NAME_LENGTH_MAX = 64;

/**
 * How many single-letter changes, insertions, removals and swaps of neighbours turn one word into another.
 *
 * @param from at most 64 letters are useful
 * @param to at most 64 letters are useful
 */
export function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const changed = from[i - 1] === to[j - 1] ? 0 : 1;
      let cost = Math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + changed);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        cost = Math.min(cost, beforePrevious[j - 2] + 1);
      }
      row.push(cost);
    }
    beforePrevious = previous;
    previous = row;
  }
  return previous[to.length];
}

/**
 * The candidate that needs the fewest changes, when there are few enough to be a slip of the pen.
 *
 * @param name what was written
 * @param candidates known names; the first of equals wins
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length === 0 || name.length > NAME_LENGTH_MAX) return undefined;
  const wanted = name.toLowerCase().replaceAll("_", "-");
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}
