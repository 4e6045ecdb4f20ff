/**
 * Result codes of the client protocol, as data: number, name, meaning. Source: wire-protocol reference, section 6.
 *
 * @module
 */

/** The one-byte codes that a server sends. */
export const ResultCode = {
  OK: 0,
  UNKNOWN: 1,
  NOT_FOUND: 2,
  GENERATION: 3,
  PARAMETER: 4,
  RECORD_EXISTS: 5,
  BIN_EXISTS: 6,
  CLUSTER_KEY_MISMATCH: 7,
  OUT_OF_SPACE: 8,
  TIMEOUT: 9,
  UNAVAILABLE: 11,
  INCOMPATIBLE_TYPE: 12,
  RECORD_TOO_BIG: 13,
  KEY_BUSY: 14,
  QUERY_ABORT: 15,
  UNSUPPORTED_FEATURE: 16,
  BIN_NOT_FOUND: 17,
  DEVICE_OVERLOAD: 18,
  KEY_MISMATCH: 19,
  NAMESPACE: 20,
  BIN_NAME: 21,
  FORBIDDEN: 22,
  ELEMENT_NOT_FOUND: 23,
  ELEMENT_EXISTS: 24,
  ENTERPRISE_ONLY: 25,
  OP_NOT_APPLICABLE: 26,
  FILTERED_OUT: 27,
  LOST_CONFLICT: 28,
  XDR_KEY_BUSY: 32,
  SEC_OK_LAST: 50,
  SEC_NOT_SUPPORTED: 51,
  SEC_NOT_CONFIGURED: 52,
  SEC_NOT_AUTHENTICATED: 80,
  SEC_ROLE_VIOLATION: 81,
  UDF_EXECUTION: 100,
  BATCH_DISABLED: 150,
  BATCH_MAX_REQUESTS: 151,
  BATCH_QUEUES_FULL: 152,
  GEO_INVALID_GEOJSON: 160,
  SINDEX_FOUND: 200,
  SINDEX_NOT_FOUND: 201,
  SINDEX_NOT_READABLE: 203,
  SINDEX_MAX_COUNT: 206,
} as const;

/** One of the codes of {@linkcode ResultCode}. */
export type ResultCode = (typeof ResultCode)[keyof typeof ResultCode];

/** Short meaning of each code, for error texts. */
const meanings: Readonly<Record<number, string>> = {
  0: "ok",
  1: "internal failure, or an invalid list or map",
  2: "record not found",
  3: "generation does not match",
  4: "malformed or contradictory request",
  5: "record exists already",
  6: "bin exists already",
  7: "cluster changed during the request",
  8: "out of space: writes are stopped",
  9: "timed out on the server",
  11: "partition unavailable",
  12: "operation does not fit the bin's type",
  13: "record too big",
  14: "too many requests for this record",
  15: "query was aborted",
  16: "feature not supported",
  17: "bin not found",
  18: "storage device overloaded",
  19: "stored key differs from the key sent",
  20: "unknown namespace",
  21: "bin name is longer than 15 bytes or contains NUL",
  22: "forbidden by the present settings",
  23: "element not found",
  24: "element exists already",
  25: "enterprise feature",
  26: "operation not applicable to this value",
  27: "filtered out",
  28: "a newer write won",
  32: "key busy with a shipped write",
  51: "security is not supported",
  52: "security is not configured",
  80: "not authenticated",
  81: "role lacks a permission",
  100: "UDF failed",
  150: "batch is disabled",
  151: "batch has too many rows",
  152: "batch queues are full",
  160: "invalid GeoJSON",
  200: "secondary index exists already",
  201: "secondary index not found",
  203: "secondary index is being built",
  206: "too many secondary indexes",
};

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(ResultCode).map(([name, code]) => [code, name]),
);

/**
 * The constant's name of a result code.
 *
 * @param code the byte from the wire
 * @returns the name, or `CODE_n` for a code this version does not know
 */
export function resultCodeName(code: number): string {
  return names.get(code) ?? `CODE_${code}`;
}

/**
 * What a result code means, in words.
 *
 * @param code the byte from the wire
 * @returns a phrase without capital or full stop
 */
export function resultCodeMeaning(code: number): string {
  return meanings[code] ?? `result code ${code}`;
}
