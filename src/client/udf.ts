/**
 * Calls of Lua functions on one record. Source: wire-protocol reference, section 12.
 *
 * @module
 */

import { ResultCode } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { FIELD, type ReplyMessage, type RequestWriter } from "../wire/mod.ts";
import { ServerError } from "./errors.ts";
import type { ResolvedKey } from "./key.ts";
import { encodeMsgpack } from "./msgpack_values.ts";
import type { ResolvedPolicy, WritePolicy } from "./policy.ts";
import { readRecord } from "./record.ts";
import { writeBits, writeHeader, writeKeyFields } from "./record_request.ts";
import type { Value } from "./value.ts";

/** A function of a registered module and its arguments. */
export interface UdfCall {
  /** Name of the module, without `.lua`. */
  readonly module: string;
  /** Name of the function. */
  readonly function: string;
  /** Arguments after the record. */
  readonly args?: readonly Value[];
}

/** Writes a call. */
export function writeUdf(
  writer: RequestWriter,
  request: { key: ResolvedKey; call: UdfCall; policy: ResolvedPolicy & WritePolicy },
): void {
  const { key, call, policy } = request;
  writer.begin(writeHeader(writeBits(policy), policy));
  writeKeyFields(writer, key, policy);
  writer.textField(FIELD.UDF_FILENAME, call.module);
  writer.textField(FIELD.UDF_FUNCTION, call.function);
  writer.field(FIELD.UDF_ARGLIST, encodeMsgpack([...(call.args ?? [])]));
  writer.finish();
}

/**
 * What the function returned.
 *
 * @throws {ServerError} when it failed
 */
export function readUdfReply(message: ReplyMessage, clock: Clock): Value {
  const { bins } = readRecord(message, clock);
  if (message.resultCode === ResultCode.OK && !("FAILURE" in bins)) return bins["SUCCESS"] ?? null;
  const words = bins["FAILURE"];
  throw new ServerError(message.resultCode || ResultCode.UDF_EXECUTION, {
    ...(typeof words === "string" ? { detail: words } : {}),
  });
}
