/**
 * From a decoded record message to the transaction that it asks for.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, equalBytes, partitionId, ResultCode } from "../base/mod.ts";
import { FIELD, INFO1, INFO2, type RecordRequest } from "../wire/mod.ts";
import { type Namespace, STEP, type Step, type TransactionContext } from "./context.ts";
import { runRead } from "./read.ts";
import { runDelete } from "./remove.ts";
import { runUdf } from "./udf.ts";
import { runWrite } from "./write.ts";

/** The namespace that a request names, undefined when it names none or an unknown one. */
export function findNamespace(
  request: RecordRequest,
  namespaces: readonly Namespace[],
): Namespace | undefined {
  const at = request.fieldAt[FIELD.NAMESPACE];
  if (at < 0) return undefined;
  const size = request.fieldSize[FIELD.NAMESPACE];
  for (const namespace of namespaces) {
    const { nameBytes } = namespace;
    if (nameBytes.length === size && equalBytes(nameBytes, 0, request.bytes, at, size)) return namespace;
  }
  return undefined;
}

/**
 * Runs one single-record request, or one row of a batch. The reply's message is open.
 *
 * @returns DONE with the message closed; SUSPENDED with nothing changed; DEFERRED with the message closed, or unfinished
 * when another node's reply will take its place
 */
export function runTransaction(context: TransactionContext, namespace: Namespace): Step {
  const { request } = context;
  if (request.fieldSize[FIELD.DIGEST] !== DIGEST_SIZE_BYTES) {
    return refuseEarly(context, namespace, ResultCode.PARAMETER);
  }
  const step = runAdmitted(context, namespace);
  // Whatever a write that was suspended comes to in the end, those behind it must get their turn. A deferred one has
  // passed its record on to what waits for the replicas.
  if (step !== STEP.SUSPENDED && namespace.inFlight.heldCount > 0) {
    namespace.inFlight.release(request.bytes, context.digestAt, context.waiter);
  }
  return step;
}

function runAdmitted(context: TransactionContext, namespace: Namespace): Step {
  const { request } = context;
  const admitted = namespace.partitions.admit(partitionId(request.bytes, context.digestAt));
  if (admitted !== ResultCode.OK) {
    if (namespace.peers === undefined) return refuseEarly(context, namespace, admitted);
    const step = namespace.peers.route(context, namespace);
    if (step !== undefined) return step;
  }
  if ((request.info2 & INFO2.WRITE) !== 0) {
    if ((request.info2 & INFO2.DELETE) !== 0) return runDelete(context, namespace);
    return request.fieldAt[FIELD.UDF_FILENAME] < 0
      ? runWrite(context, namespace)
      : runUdf(context, namespace);
  }
  if ((request.info1 & INFO1.READ) !== 0) return runRead(context, namespace);
  return refuseEarly(context, namespace, ResultCode.PARAMETER);
}

function refuseEarly(context: TransactionContext, namespace: Namespace, resultCode: number): Step {
  namespace.stats.tsvcError[context.origin]++;
  context.refuse(resultCode, 0, 0);
  return STEP.DONE;
}
