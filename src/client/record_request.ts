/**
 * Requests about one record: which bits a policy sets, and the whole message.
 * Source: wire-protocol reference, sections 2, 4.11 to 4.13.
 *
 * @module
 */

import { FIELD, INFO1, INFO2, INFO3, OP, type RequestHeader, type RequestWriter } from "../wire/mod.ts";
import type { ResolvedKey } from "./key.ts";
import { appendOperation, isReadAll, isWriteOperation, type Operation } from "./operation.ts";
import { appendParticle } from "./particle.ts";
import {
  type BasePolicy,
  type OperatePolicy,
  type ReadPolicy,
  type ResolvedPolicy,
  serverBudgetMs,
  type WritePolicy,
} from "./policy.ts";
import type { Bins } from "./value.ts";

/** What a read wants of a record. */
export type ReadWhat = "all" | "none" | readonly string[];

/** Bits of a request or of a batch row. */
export interface RequestBits {
  /** Read bits. */
  info1: number;
  /** Write bits. */
  info2: number;
  /** More bits. */
  info3: number;
}

/** Bits of a read. */
export function readBits(what: ReadWhat, policy: ReadPolicy): RequestBits {
  let info1: number = INFO1.READ;
  if (what === "all") info1 |= INFO1.GET_ALL;
  else if (what === "none") info1 |= INFO1.GET_NO_BINS;
  return { info1: info1 | readPolicyInfo1(policy), info2: 0, info3: readPolicyInfo3(policy) };
}

/** Bits of a write that a policy sets; the caller adds DELETE and the like. */
export function writeBits(policy: WritePolicy): RequestBits {
  let info2: number = INFO2.WRITE;
  let info3 = 0;
  if (policy.generationPolicy === "equal") info2 |= INFO2.GENERATION;
  else if (policy.generationPolicy === "greater") info2 |= INFO2.GENERATION_GT;
  if (policy.durableDelete) info2 |= INFO2.DURABLE_DELETE;
  if (policy.commitLevel === "master") info3 |= INFO3.COMMIT_MASTER;
  switch (policy.exists ?? "update") {
    case "create-only":
      info2 |= INFO2.CREATE_ONLY;
      break;
    case "update-only":
      info3 |= INFO3.UPDATE_ONLY;
      break;
    case "replace":
      info3 |= INFO3.CREATE_OR_REPLACE;
      break;
    case "replace-only":
      info3 |= INFO3.REPLACE_ONLY;
      break;
    case "update":
      break;
  }
  return { info1: policy.compress ? INFO1.COMPRESS_RESPONSE : 0, info2, info3 };
}

/** Bits of a request made of operations. */
export function operateBits(operations: readonly Operation[], policy: OperatePolicy): RequestBits {
  const writes = operations.some(isWriteOperation);
  const reads = operations.some((operation) => !isWriteOperation(operation));
  const bits = writes
    ? writeBits(policy)
    : { info1: policy.compress ? INFO1.COMPRESS_RESPONSE : 0, info2: 0, info3: 0 };
  if (reads) {
    bits.info1 |= INFO1.READ | readPolicyInfo1(policy);
    bits.info3 |= readPolicyInfo3(policy);
  }
  if (operations.some(isReadAll)) bits.info1 |= INFO1.GET_ALL;
  if (policy.respondAllOps) bits.info2 |= INFO2.RESPOND_ALL_OPS;
  return bits;
}

function readPolicyInfo1(policy: ReadPolicy): number {
  return (policy.readModeAll ? INFO1.READ_MODE_AP_ALL : 0) | (policy.compress ? INFO1.COMPRESS_RESPONSE : 0);
}

function readPolicyInfo3(policy: ReadPolicy): number {
  switch (policy.readMode) {
    case "linearize":
      return INFO3.SC_READ_TYPE;
    case "allow-replica":
      return INFO3.SC_READ_RELAX;
    case "allow-unavailable":
      return INFO3.SC_READ_RELAX | INFO3.SC_READ_TYPE;
    default:
      return 0;
  }
}

/** TTL of a write as u32. */
export function writeTtl(policy: WritePolicy): number {
  return (policy.ttlS ?? 0) >>> 0;
}

/** TTL field of a read as u32: the share below which the record is renewed. */
export function readTtl(policy: ReadPolicy): number {
  return (policy.readTouchTtlPercent ?? 0) >>> 0;
}

/** Expected generation of a write; undefined when none is. */
export function expectedGeneration(policy: WritePolicy): number | undefined {
  const wanted = policy.generationPolicy;
  return wanted === undefined || wanted === "none" ? undefined : policy.generation ?? 0;
}

/** Writes namespace and set, with the filter and the user's key where the policy asks for them. */
export function writeKeyFields(writer: RequestWriter, key: ResolvedKey, policy: BasePolicy): void {
  writer.textField(FIELD.NAMESPACE, key.namespace);
  if (key.set !== "") writer.textField(FIELD.SET, key.set);
  writer.field(FIELD.DIGEST, key.digest);
  if (policy.sendKey && key.userKey !== undefined) writer.field(FIELD.KEY, key.userKey);
  if (policy.filter !== undefined) writer.field(FIELD.FILTER_EXP, policy.filter);
}

/** Writes a read of all bins, of some, or of the header alone. */
export function writeRead(
  writer: RequestWriter,
  request: { key: ResolvedKey; what: ReadWhat; policy: ResolvedPolicy & ReadPolicy },
): void {
  const { key, what, policy } = request;
  writer.begin({
    ...readBits(what, policy),
    recordTtl: readTtl(policy),
    transactionTtlMs: serverBudgetMs(policy),
  });
  writeKeyFields(writer, key, policy);
  if (typeof what === "object") writeBinNames(writer, what);
  writer.finish();
}

/** Appends one read operation per bin. */
export function writeBinNames(writer: RequestWriter, names: readonly string[]): void {
  for (const name of names) writer.endOp(writer.beginOp(OP.READ, name), 0);
}

/** Writes a write of bins with one operation for all: put, append, prepend, increment. */
export function writeBins(
  writer: RequestWriter,
  request: { key: ResolvedKey; op: number; bins: Bins; policy: ResolvedPolicy & WritePolicy },
): void {
  const { key, op, bins, policy } = request;
  writer.begin(writeHeader(writeBits(policy), policy));
  writeKeyFields(writer, key, policy);
  for (const name in bins) {
    const at = writer.beginOp(op, name);
    writer.endOp(at, appendParticle(writer.buffer, bins[name]));
  }
  writer.finish();
}

/** Writes a delete. */
export function writeDelete(
  writer: RequestWriter,
  request: { key: ResolvedKey; policy: ResolvedPolicy & WritePolicy },
): void {
  const bits = writeBits(request.policy);
  bits.info2 |= INFO2.DELETE;
  writer.begin(writeHeader(bits, request.policy));
  writeKeyFields(writer, request.key, request.policy);
  writer.finish();
}

/** Writes a request made of operations. */
export function writeOperate(
  writer: RequestWriter,
  request: { key: ResolvedKey; operations: readonly Operation[]; policy: ResolvedPolicy & OperatePolicy },
): void {
  const { key, operations, policy } = request;
  const bits = operateBits(operations, policy);
  const header = writeHeader(bits, policy);
  if ((bits.info2 & INFO2.WRITE) === 0) header.recordTtl = readTtl(policy);
  writer.begin(header);
  writeKeyFields(writer, key, policy);
  for (const operation of operations) appendOperation(writer, operation);
  writer.finish();
}

/** The header of a write. */
export function writeHeader(bits: RequestBits, policy: ResolvedPolicy & WritePolicy): RequestHeader {
  return {
    info1: bits.info1,
    info2: bits.info2,
    info3: bits.info3,
    generation: expectedGeneration(policy) ?? 0,
    recordTtl: writeTtl(policy),
    transactionTtlMs: serverBudgetMs(policy),
  };
}
