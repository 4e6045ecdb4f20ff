/**
 * The workloads of the macro benchmark, and their requests in each server's protocol.
 *
 * @module
 */

import { createDigester } from "../src/base/mod.ts";
import { redisCommand, RequestMaker, SET, type ValueShape } from "./requests.ts";

/** What clients ask for. */
export interface Workload {
  /** Name in the report and on the command line. */
  name: string;
  /** Share of reads, 0 to 1. */
  readShare: number;
  /** Value of each record's bin. */
  value: ValueShape;
}

/** All workloads. */
export const WORKLOADS: readonly Workload[] = [
  { name: "get", readShare: 1, value: "integer" },
  { name: "put", readShare: 0, value: "integer" },
  { name: "50/50", readShare: 0.5, value: "integer" },
  { name: "50/50 1 KiB", readShare: 0.5, value: 1024 },
];

/** Requests that read and requests that write each record. */
export interface Requests {
  /** One per record. */
  reads: Uint8Array[];
  /** One per record. */
  writes: Uint8Array[];
}

/** Bytes of the replies to a workload's requests. */
export interface ReplySizes {
  /** Of a read. */
  readBytes: number;
  /** Of a write. */
  writeBytes: number;
}

/** Proto header and message header. */
const HEADERS_BYTES = 8 + 22;
/** Operation header and the name "a". */
const OPERATION_BYTES = 8 + 1;
const INTEGER_SIZE_BYTES = 8;

function valueSizeBytes(value: ValueShape): number {
  return value === "integer" ? INTEGER_SIZE_BYTES : value;
}

/** Requests in aerie's protocol; the echo server is sent the same. */
export async function aerieRequests(value: ValueShape, recordCount: number): Promise<Requests> {
  const maker = new RequestMaker(await createDigester());
  return {
    reads: Array.from({ length: recordCount }, (_, record) => maker.get(record)),
    writes: Array.from({ length: recordCount }, (_, record) => maker.put(record, value)),
  };
}

/** Sizes of aerie's replies; the echo server's are the same. */
export function aerieReplySizes(value: ValueShape): ReplySizes {
  return { readBytes: HEADERS_BYTES + OPERATION_BYTES + valueSizeBytes(value), writeBytes: HEADERS_BYTES };
}

/** The same requests in Redis's protocol, with keys as long as a digest. */
export function redisRequests(value: ValueShape, recordCount: number): Requests {
  const key = (record: number) => `${SET}:${String(record).padStart(14, "0")}`;
  const content = new Uint8Array(valueSizeBytes(value)).fill(0x61);
  return {
    reads: Array.from({ length: recordCount }, (_, record) => redisCommand("GET", key(record))),
    writes: Array.from({ length: recordCount }, (_, record) => redisCommand("SET", key(record), content)),
  };
}

/** Sizes of Redis's replies. */
export function redisReplySizes(value: ValueShape): ReplySizes {
  const size = valueSizeBytes(value);
  return { readBytes: `$${size}\r\n`.length + size + 2, writeBytes: "+OK\r\n".length };
}

/** Bytes of aerie's replies by bytes of the request: what the echo server must answer. */
export async function echoReplySizes(value: ValueShape): Promise<Map<number, number>> {
  const { reads, writes } = await aerieRequests(value, 1);
  const { readBytes, writeBytes } = aerieReplySizes(value);
  return new Map([[reads[0].length, readBytes], [writes[0].length, writeBytes]]);
}
