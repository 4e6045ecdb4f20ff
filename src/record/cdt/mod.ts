/**
 * Lists and maps: every operation on them, on the msgpack bytes where they lie. A call is parsed (`call.ts`), finds its
 * container (`context.ts`, `view.ts`), chooses elements (`choose.ts`), answers (`answer.ts`) and builds the new container
 * at the end of a buffer. Values are compared by `compare.ts` and stored in the form of `normalize.ts`.
 *
 * Knows nothing of bins and records, nor of expressions. Read `machine.ts`, then `run.ts` and `list_ops.ts`.
 *
 * @module
 */
export { compareValues } from "./compare.ts";
export { findInContext, isIndexContext } from "./context.ts";
export { CdtMachine, type CdtTarget } from "./machine.ts";
export { appendPlain, appendReindexed, type IndexedRange, isSoundIndex } from "./foreign_index.ts";
export { isPersisted } from "./head.ts";
export { appendStored, appendStoredBin, sortContent } from "./normalize.ts";
export { type PathElement, type PathExpressions, type PathProgram } from "./path.ts";
export { CdtResult } from "./result.ts";
export { type CdtRequest, runCdt } from "./run.ts";
