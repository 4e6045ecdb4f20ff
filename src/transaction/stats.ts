/**
 * Counters of client requests per namespace, as slots of a typed array. The names are the stock server's.
 * Source: server-operations reference, section 9.2.
 *
 * @module
 */

import { Histogram, ResultCode } from "../base/mod.ts";

/** Outcomes that are counted per kind of request. */
export const OUTCOME = { SUCCESS: 0, ERROR: 1, TIMEOUT: 2, NOT_FOUND: 3, FILTERED_OUT: 4 } as const;
const OUTCOME_COUNT = 5;

/** Kinds of request. */
export const KIND = { READ: 0, WRITE: 1, DELETE: 2, UDF: 3 } as const;
/** A kind of request. */
export type Kind = (typeof KIND)[keyof typeof KIND];
const KIND_COUNT = 4;

/** Where requests come from. */
export const ORIGIN = { CLIENT: 0, BATCH: 1, QUERY_OPS: 2, QUERY_UDF: 3, FROM_PROXY: 4 } as const;
/** An origin of requests. */
export type Origin = (typeof ORIGIN)[keyof typeof ORIGIN];
const ORIGIN_COUNT = 5;

/** What compression of replies came to, of those whose clients asked for it. */
export class CompressionStats {
  #asked = 0;
  #compressed = 0;
  #plainBytes = 0;
  #sentBytes = 0;

  /**
   * Counts a reply whose client asked for compression.
   *
   * @param sentBytes what it came to; as much as `plainBytes` when it was sent as it is
   */
  add(plainBytes: number, sentBytes: number): void {
    this.#asked++;
    if (sentBytes >= plainBytes) return;
    this.#compressed++;
    this.#plainBytes += plainBytes;
    this.#sentBytes += sentBytes;
  }

  /** Share of the replies that were sent as they are, in percent. */
  get uncompressedPct(): number {
    return this.#asked === 0 ? 0 : 100 * (this.#asked - this.#compressed) / this.#asked;
  }

  /** Sent size over plain size of the compressed replies; 1 before the first. */
  get ratio(): number {
    return this.#plainBytes === 0 ? 1 : this.#sentBytes / this.#plainBytes;
  }
}

/** Counters of one namespace. */
export class RequestStats {
  /** Latencies by name, in ms or µs as the node is configured. */
  readonly histograms = {
    read: new Histogram(),
    write: new Histogram(),
    udf: new Histogram(),
    batchSubRead: new Histogram(),
    batchSubWrite: new Histogram(),
    batchSubUdf: new Histogram(),
    piQuery: new Histogram(),
    siQuery: new Histogram(),
    /** With `enable-hist-proxy`. */
    proxy: new Histogram(),
  };
  /** Replies to requests for one record. */
  readonly compression: CompressionStats = new CompressionStats();
  /** What calls of functions did with their records, by origin. */
  readonly udfLanguage = {
    read: new Float64Array(ORIGIN_COUNT),
    write: new Float64Array(ORIGIN_COUNT),
    delete: new Float64Array(ORIGIN_COUNT),
    error: new Float64Array(ORIGIN_COUNT),
  };
  /** Requests refused because the record was busy. */
  failKeyBusy = 0;
  /** Changes that are taken from clients alone, or from other clusters alone, and came from the wrong side. */
  failXdrForbidden = 0;
  /** Requests refused for their generation. */
  failGeneration = 0;
  /** Writes refused for the record's size. */
  failRecordTooBig = 0;
  /** Records that disappeared with their last bin. */
  deletedLastBin = 0;
  /** Writes that would have shortened a record's life and were kept from it. */
  ttlReductionsIgnored = 0;
  /** Writes that shortened a record's life. */
  ttlReductionsApplied = 0;
  /** Reads that lengthened a record's life. */
  readTouchSuccess = 0;
  /** Lengthenings that failed. */
  readTouchError = 0;
  /** Lengthenings that another had made needless. */
  readTouchSkip = 0;
  /** Requests that failed before their kind was known. */
  readonly tsvcError: Float64Array = new Float64Array(ORIGIN_COUNT);
  /** Requests whose time was over before they ran. */
  readonly tsvcTimeout: Float64Array = new Float64Array(ORIGIN_COUNT);
  readonly #counts = new Float64Array(ORIGIN_COUNT * KIND_COUNT * OUTCOME_COUNT);

  /** Counts the end of a request. */
  add(origin: Origin, kind: Kind, resultCode: number): void {
    this.#counts[(origin * KIND_COUNT + kind) * OUTCOME_COUNT + outcomeOf(resultCode, kind)]++;
    if (resultCode === ResultCode.OK) return;
    if (resultCode === ResultCode.GENERATION) this.failGeneration++;
    else if (resultCode === ResultCode.KEY_BUSY) this.failKeyBusy++;
    else if (resultCode === ResultCode.RECORD_TOO_BIG) this.failRecordTooBig++;
  }

  /** How many requests of a kind ended in a way. */
  count(origin: Origin, kind: Kind, outcome: number): number {
    return this.#counts[(origin * KIND_COUNT + kind) * OUTCOME_COUNT + outcome];
  }
}

function outcomeOf(resultCode: number, kind: Kind): number {
  switch (resultCode) {
    case ResultCode.OK:
      return OUTCOME.SUCCESS;
    case ResultCode.TIMEOUT:
      return OUTCOME.TIMEOUT;
    case ResultCode.NOT_FOUND:
      return kind === KIND.READ || kind === KIND.DELETE ? OUTCOME.NOT_FOUND : OUTCOME.ERROR;
    case ResultCode.FILTERED_OUT:
      return OUTCOME.FILTERED_OUT;
    default:
      return OUTCOME.ERROR;
  }
}
