/**
 * Expressions: what a client asks of a record in one message, as a filter, as a value to read or as a value to write.
 * Leaves out where expressions come from (transaction, query) and what lists, maps, bits and HLLs do (their folders).
 * Read `program.ts`, `node.ts` and `operations.ts` first.
 *
 * From the outside: a namespace has one `ExpScope`, its `programs` compile and remember, and a program is evaluated
 * over the record that the scope is pointed at.
 *
 * @module
 */
export { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
export { type PathElement, PathEvaluator, REPLACEMENT } from "./path.ts";
export { compileExpression, ExpProgram, TRILEAN, type Trilean } from "./program.ts";
export { ProgramCache } from "./program_cache.ts";
export { ExpScope, type LoopFrame, NO_FACTS, type RecordFacts } from "./scope.ts";
export { ExpValue } from "./value.ts";
export { type Applied, modifyByExpression, NEEDS_GEOMETRY, readExpression } from "./read_modify.ts";
