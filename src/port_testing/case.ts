/**
 * The shape of a case, and waiting in whatever time the ports have.
 *
 * @module
 */
import type { Ports } from "../port/mod.ts";

/** What a case runs on. */
export interface CaseEnvironment {
  /** The ports under test. */
  ports: Ports;
  /** An address of this machine on which the case may listen. */
  host: string;
  /** An empty folder that the case may fill. */
  folder: string;
}

/** One thing that a port must do. */
export interface PortCase {
  /** Name of the test: `symbol() does X when Y`. */
  name: string;
  /** Rejects when the port does not do it. */
  run(environment: CaseEnvironment): Promise<void>;
}

/** Longest wait of a case, in the ports' time. */
const WAIT_MAX_MS = 10_000;

/** Waits until a condition holds; rejects after 10 s of the ports' time. */
export async function until({ clock }: Ports, what: string, condition: () => boolean): Promise<void> {
  const end = clock.monotonicMs() + WAIT_MAX_MS;
  while (!condition()) {
    if (clock.monotonicMs() > end) throw new Error(`Waited ${WAIT_MAX_MS} ms in vain until ${what}`);
    await new Promise<void>((resolve) => clock.after(1, resolve));
  }
}

/** The error that a promise rejects with; throws when it does not reject. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`Rejected with ${String(error)}, which is no Error`);
  }
  throw new Error("Resolved, but should have rejected");
}
