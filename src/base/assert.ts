/**
 * Assertions: for programmer's errors only, kept in production. No assertion may depend on input that has not been
 * checked. The process (or the embedded node) stops when one fails.
 *
 * @module
 */

/** Thrown when an invariant of the program does not hold. Never the fault of a client. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Checks an invariant.
 *
 * @param condition what must hold
 * @param message what was violated, for the person who reads the crash
 * @throws {AssertionError} when the condition is false
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/**
 * Marks a place that no execution can reach.
 *
 * @param message why it can't be reached
 * @throws {AssertionError} always
 */
export function unreachable(message: string): never {
  throw new AssertionError(`Unreachable: ${message}`);
}
