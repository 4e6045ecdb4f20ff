/**
 * The workload's operations as the client's interface has them, and its answers as the model has them.
 *
 * @module
 */
import { ResultCode } from "../base/mod.ts";
import { type BatchRow, type Bins, type Key, type Operation, ops, type WritePolicy } from "../client/mod.ts";
import type { Action, ModelBins, Outcome, Step } from "./record_model.ts";

/** Makes records large; the model knows nothing of it. */
export const FILLER_BIN = "f";

/** What a client was told is wrong by itself, whatever the history. */
export class WorkloadError extends Error {
  override readonly name = "WorkloadError";
}

/** Whether a step changes nothing. */
export function isReadStep(step: Step): boolean {
  return step.type === "read";
}

/** A digest as a key of maps. */
export function digestText(digest: Uint8Array): string {
  return digest.join();
}

/** What a write was told. */
export function written({ generation }: { generation: number }): Outcome {
  return { code: ResultCode.OK, generation };
}

/**
 * Bins as the model has them.
 *
 * @throws {WorkloadError} when a bin has a value that nobody wrote
 */
export function modelBins(bins: Bins): ModelBins {
  const result: Record<string, number | string> = {};
  for (const [name, value] of Object.entries(bins)) {
    if (value === null) continue;
    if (name === FILLER_BIN) {
      checkFiller(value);
      continue;
    }
    if (typeof value !== "number" && typeof value !== "string") {
      throw new WorkloadError(`Bin ${name} has a value that nobody wrote: ${String(value)}`);
    }
    result[name] = value;
  }
  return result;
}

/** The filler of one write is one letter, many times. */
export function fillerOf(number: number, sizeBytes: number): string {
  return String.fromCharCode(97 + number % 26).repeat(sizeBytes);
}

function checkFiller(value: unknown): void {
  if (typeof value === "string" && value === value.charAt(0).repeat(value.length)) return;
  throw new WorkloadError(`A filler is not what anybody wrote: ${String(value).slice(0, 100)}`);
}

/** Bins that steps put. */
export function binsOf(steps: readonly Step[]): Bins {
  const bins: Bins = {};
  for (const step of steps) if (step.type === "put") bins[step.bin] = step.value;
  return bins;
}

/** A step as the client asks for it. */
export function operationOf(step: Step): Operation {
  switch (step.type) {
    case "put":
      return ops.put(step.bin, step.value);
    case "add":
      return ops.increment(step.bin, step.by);
    case "append":
      return ops.append(step.bin, step.text);
    case "prepend":
      return ops.prepend(step.bin, step.text);
    case "read":
      return ops.get(step.bin);
    case "touch":
      return ops.touch();
  }
}

/** What a write asks for besides its steps. */
export function writePolicy({ exists, generation, ttlS }: Action & { type: "write" }): WritePolicy {
  const policy: WritePolicy = {};
  if (exists !== undefined) policy.exists = exists;
  if (ttlS !== undefined) policy.ttlS = ttlS;
  if (generation !== undefined) {
    policy.generation = generation;
    policy.generationPolicy = "equal";
  }
  return policy;
}

/** An operation as a row of a batch. */
export function batchRow(key: Key, action: Action): BatchRow {
  switch (action.type) {
    case "get":
      return action.bins === undefined ? { type: "get", key } : { type: "get", key, bins: action.bins };
    case "exists":
      return { type: "exists", key };
    case "delete":
      return { type: "delete", key };
    case "write":
      return { type: "operate", key, operations: action.steps.map(operationOf), policy: writePolicy(action) };
    default:
      throw new TypeError(`No batch has a row for ${action.type}`);
  }
}
