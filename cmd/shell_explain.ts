/**
 * What errors mean and what to do about them.
 *
 * @module
 */

import { ClientError, ResultCode, resultCodeName, ServerError, TimeoutError } from "../src/client/mod.ts";
import { resultCodeMeaning } from "../src/base/mod.ts";

/** Causes and remedies of result codes. */
const ADVICE: Readonly<Record<number, string>> = {
  [ResultCode.UNKNOWN]:
    "The server could not do it for a reason that it does not tell. Its log may: look there for the same moment.",
  [ResultCode.NOT_FOUND]:
    "There is no record with this key, or it has expired. The set belongs to the key: look with the set it was written with.",
  [ResultCode.GENERATION]:
    "Somebody else has written the record since you read it. Read it again, apply your change to what you find, write again.",
  [ResultCode.PARAMETER]:
    "The request contradicts itself, or a name or value is not allowed: a set that differs from the record's, an empty " +
    "list of bins, a flag that the operation does not have. The server's log has a line about it.",
  [ResultCode.RECORD_EXISTS]: "The write was to create the record only. Leave --create away to change it.",
  [ResultCode.OUT_OF_SPACE]:
    "Writes are stopped: memory or device is full to stop-writes-sys-memory-pct or stop-writes-used-pct, or the clocks " +
    "of the nodes differ too much. Reads and deletes go on. Delete, let records expire, or give the namespace more room.",
  [ResultCode.TIMEOUT]:
    "The server gave up waiting for a replica, for another node or for a device. A write may have been applied: read the " +
    "record before you repeat it. It happens while the cluster changes; look at `status`.",
  [ResultCode.UNAVAILABLE]:
    "No node that is there serves this partition now: the node has just started, or is in no cluster, or the copies are on " +
    "nodes that are away. It ends by itself in a healthy cluster; look at `status`.",
  [ResultCode.INCOMPATIBLE_TYPE]:
    "The operation is for another type than the bin has: incr is for numbers, append for text and bytes, list.* for lists.",
  [ResultCode.RECORD_TOO_BIG]:
    "A record is at most as large as max-record-size (and a write block). Split it into several, or into a list of keys.",
  [ResultCode.KEY_BUSY]:
    "More than transaction-pending-limit requests wait for this one record. Spread the load over several records.",
  [ResultCode.QUERY_ABORT]: "Somebody has ended the query, or its client no longer read.",
  [ResultCode.UNSUPPORTED_FEATURE]:
    "This server does not have the feature, or not for this kind of namespace.",
  [ResultCode.DEVICE_OVERLOAD]:
    "The device writes more slowly than clients do, and the queue is at its limit. Slow down, or add devices.",
  [ResultCode.KEY_MISMATCH]:
    "Another key has the same digest. That is next to impossible: is the key of another type?",
  [ResultCode.NAMESPACE]: 'The server has no such namespace. "show namespaces" lists them.',
  [ResultCode.BIN_NAME]: "Names of bins have 1 to 15 bytes.",
  [ResultCode.FORBIDDEN]:
    "A setting forbids it: a TTL without nsup-period, a truncated or read-only set, writes with clocks that differ.",
  [ResultCode.ELEMENT_NOT_FOUND]:
    "The list or map has no such element, and the operation was told not to create one.",
  [ResultCode.ELEMENT_EXISTS]:
    "The list or map has that element, and the operation was told not to overwrite.",
  [ResultCode.ENTERPRISE_ONLY]: "The stock Community server does not have it either, and this one not yet.",
  [ResultCode.OP_NOT_APPLICABLE]:
    "The operation does not fit the value: an index outside the list, a wrong flag.",
  [ResultCode.FILTERED_OUT]: "There is a record, but the request's filter expression turned it down.",
  [ResultCode.UDF_EXECUTION]: "The Lua function failed; its own words are in the message.",
  [ResultCode.GEO_INVALID_GEOJSON]: "The text is no GeoJSON of a Point, Polygon, MultiPolygon or AeroCircle.",
  [ResultCode.SINDEX_NOT_FOUND]:
    'No index answers this. "index list" tells which there are, "index create" makes one.',
  [ResultCode.SINDEX_NOT_READABLE]: 'The index is still being built. "index list" tells how far it is.',
};

/** What a result code means, and what to do. */
export function explainCode(code: number): string {
  const advice = ADVICE[code];
  const head = `${code} ${resultCodeName(code)}: ${resultCodeMeaning(code)}`;
  return advice === undefined ? head : `${head}\n${advice}`;
}

/** What an error means, and what to do. */
export function explainError(error: unknown): string {
  if (error instanceof ServerError) return `${error.message}\n${explainCode(error.resultCode)}`;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof TimeoutError) {
    return `${message}\nNothing came within the time limit: the node is busy, frozen or cut off. ` +
      `${error.inDoubt ? "Read the record before you repeat the write. " : ""}Look at "aerie status".`;
  }
  if (error instanceof ClientError) {
    return `${message}\nNo connection, or it broke: is the node there, and is its advertised address reachable from here? ` +
      `"aerie doctor" on its machine tells.`;
  }
  return `${message}\nThe shell did not send this: the line itself was wrong.`;
}

/** The result code that a word names: its number or its name; undefined for none. */
export function codeOf(word: string): number | undefined {
  if (/^\d{1,3}$/.test(word)) return Number(word);
  const name = word.toUpperCase().replaceAll("-", "_");
  return Object.hasOwn(ResultCode, name) ? ResultCode[name as keyof typeof ResultCode] : undefined;
}
