/**
 * Runs one call on one container: finds the operation, checks type and parameters, and for calls with a context walks to
 * the container that is meant. Source: data type reference, sections 2.1, 4.1 and 4.4.
 *
 * @module
 */

import { type ByteBuffer, ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { CONTEXT_CODE, runInContext } from "./context.ts";
import { LIST_OPERATIONS } from "./list_ops.ts";
import type { CdtMachine, CdtTarget } from "./machine.ts";
import { MAP_OPERATIONS } from "./map_ops.ts";
import { againWithoutIndex } from "./persisted.ts";

/** Codes of maps begin here. */
export const MAP_CODE_MIN = 64;
/** Code of a selection by path. */
export const SELECT_CODE = 254;

/** A call's bytes, and what it may do. */
export interface CdtRequest {
  /** Buffer that holds the call. */
  bytes: Uint8Array;
  /** Offset of the call. */
  at: number;
  /** Offset after the call. */
  end: number;
  /** The call may change its container: it came as CDT_MODIFY. */
  mayModify: boolean;
}

/**
 * Runs a call. Its answer is in `machine.result`, the new container, if there is one, from `machine.newAt` on in `out`.
 *
 * @param machine holds the call's state; a call that runs while another does needs its own
 * @param target the bin's value
 * @param out receives what is built; grows also when the call fails
 * @returns OK, or the result code of the refusal; then nothing has changed
 */
export function runCdt(
  machine: CdtMachine,
  target: CdtTarget,
  request: CdtRequest,
  out: ByteBuffer,
): ResultCode {
  try {
    return runOnce(machine, target, request, out);
  } catch (error) {
    return runAgain(error, machine, target, request, out);
  }
}

/** A function of its own: a closure in `runCdt` would cost an allocation per call. */
function runAgain(error: unknown, ...args: Parameters<typeof runCdt>): ResultCode {
  return againWithoutIndex(args[0], error, () => runOnce(...args));
}

function runOnce(machine: CdtMachine, target: CdtTarget, request: CdtRequest, out: ByteBuffer): ResultCode {
  machine.start(out, request.mayModify);
  // A read of what is not there says so whatever it asks for.
  if (target.type === PARTICLE.NULL && !request.mayModify) return ResultCode.OK;
  if (!machine.call.parse(request.bytes, request.at, request.end)) return ResultCode.PARAMETER;
  if (machine.call.code === CONTEXT_CODE) return runInContext(machine, target, runOperation);
  if (machine.call.code === SELECT_CODE) return machine.pathSelect.run(target);
  return runOperation(machine, target);
}

/** Runs the operation that was parsed on the container that it names directly. */
export function runOperation(machine: CdtMachine, target: CdtTarget): ResultCode {
  const { call } = machine;
  const isMap = call.code >= MAP_CODE_MIN;
  const operation = (isMap ? MAP_OPERATIONS : LIST_OPERATIONS)[call.code];
  if (operation === undefined && !isMap) return ResultCode.PARAMETER;
  const opened = machine.open(target, isMap);
  if (opened !== ResultCode.OK) return opened;
  if (operation === undefined || operation.modifies !== machine.mayModify) return ResultCode.PARAMETER;
  if (!call.matches(operation.params)) return ResultCode.PARAMETER;
  return operation.run(machine);
}
