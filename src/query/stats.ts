/**
 * How queries of a namespace ended. The names are the stock server's. Source: server-operations reference, section 9.2.
 *
 * @module
 */

/** Kinds of query, as they are counted. */
export const QUERY_KIND = {
  SHORT_BASIC: 0,
  LONG_BASIC: 1,
  AGGREGATION: 2,
  UDF_BACKGROUND: 3,
  OPS_BACKGROUND: 4,
} as const;
/** A kind of query. */
export type QueryKind = (typeof QUERY_KIND)[keyof typeof QUERY_KIND];

/** How queries end. */
export const QUERY_OUTCOME = { COMPLETE: 0, ERROR: 1, ABORT: 2, TIMEOUT: 3 } as const;
/** How a query ended. */
export type QueryOutcome = (typeof QUERY_OUTCOME)[keyof typeof QUERY_OUTCOME];

const KIND_NAMES = ["short_basic", "long_basic", "aggr", "udf_bg", "ops_bg"] as const;
const OUTCOME_NAMES = ["complete", "error", "abort", "timeout"] as const;
const OUTCOME_COUNT = OUTCOME_NAMES.length;

/** Outcomes that a kind has a statistic for: short queries time out, all others can be aborted. */
function isCounted(kind: QueryKind, outcome: QueryOutcome): boolean {
  const absent = kind === QUERY_KIND.SHORT_BASIC ? QUERY_OUTCOME.ABORT : QUERY_OUTCOME.TIMEOUT;
  return outcome !== absent;
}

/** Counters of the queries over one kind of index. */
export class IndexQueryStats {
  readonly #counts = new Float64Array(KIND_NAMES.length * OUTCOME_COUNT);

  /** Counts the end of a query; an outcome that its kind has no statistic for counts as an error. */
  add(kind: QueryKind, outcome: QueryOutcome): void {
    const counted = isCounted(kind, outcome) ? outcome : QUERY_OUTCOME.ERROR;
    this.#counts[kind * OUTCOME_COUNT + counted]++;
  }

  /** How many queries of a kind ended in a way. */
  count(kind: QueryKind, outcome: QueryOutcome): number {
    return this.#counts[kind * OUTCOME_COUNT + outcome];
  }

  /**
   * All counters.
   *
   * @param prefix `pi` or `si`
   * @returns pairs such as `pi_query_long_basic_complete` and its count, in the stock server's order
   */
  *entries(prefix: string): Generator<[string, number]> {
    for (let kind = 0; kind < KIND_NAMES.length; kind++) {
      for (let outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        if (!isCounted(kind as QueryKind, outcome as QueryOutcome)) continue;
        const name = `${prefix}_query_${KIND_NAMES[kind]}_${OUTCOME_NAMES[outcome]}`;
        yield [name, this.#counts[kind * OUTCOME_COUNT + outcome]];
      }
    }
  }
}

/** Counters of one namespace. */
export class QueryStats {
  /** Queries over the primary index: scans. */
  readonly primary: IndexQueryStats = new IndexQueryStats();
  /** Queries over secondary indexes. */
  readonly secondary: IndexQueryStats = new IndexQueryStats();

  /** All counters by their statistic's name. */
  *entries(): Generator<[string, number]> {
    yield* this.primary.entries("pi");
    yield* this.secondary.entries("si");
  }
}
