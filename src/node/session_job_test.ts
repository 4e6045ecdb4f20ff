import { assertEquals, assertLess } from "@std/assert";
import type { Connection } from "../port/mod.ts";
import { TestClock } from "../storage/testing.ts";
import { ClientFence } from "./cluster/mod.ts";
import type { Dispatcher } from "./dispatch.ts";
import { type Job, JobScheduler } from "./job.ts";
import { Session } from "./session.ts";

/** A frame of type 3 with an empty body. */
const FRAME = Uint8Array.of(2, 3, 0, 0, 0, 0, 0, 0);

/** A job of many slices, each with a little output. */
class CountingJob implements Job {
  steps = 0;
  readonly #sliceCount: number;
  readonly #session: () => Session;

  constructor(sliceCount: number, session: () => Session) {
    this.#sliceCount = sliceCount;
    this.#session = session;
  }

  step(): "done" | "more" {
    this.#session().out.appendU32(this.steps);
    return ++this.steps >= this.#sliceCount ? "done" : "more";
  }
}

/** Starts a job of `sliceCount` slices on a session of its own, whose writes end in a later turn. */
function startJob(clock: TestClock, scheduler: JobScheduler, sliceCount: number): CountingJob {
  const job = new CountingJob(sliceCount, () => session);
  const dispatcher = {
    clock,
    scheduler,
    runFrame: () => job,
    fence: new ClientFence(),
    holdsClients: () => false,
    holdForJob: () => {},
    abandon: () => {},
    onSessionClosed: () => {},
  } as unknown as Dispatcher;
  const connection = {
    remote: { host: "127.0.0.1", port: 1 },
    write: () => clock.nextTurn(() => session.onWritten()),
    pause: () => {},
    resume: () => {},
    close: () => {},
  } as unknown as Connection;
  const session: Session = new Session({ connection, kind: "service", dispatcher });
  session.onData(FRAME);
  return job;
}

Deno.test("Session takes turns with others when its job writes in every slice", () => {
  const clock = new TestClock();
  const scheduler = new JobScheduler(clock);
  const long = startJob(clock, scheduler, 1000);
  while (long.steps < 500) clock.step();
  const before = long.steps;
  const short = startJob(clock, scheduler, 10);
  while (short.steps < 10) clock.step();
  assertLess(long.steps - before, 15);
  while (long.steps < 1000) clock.step();
  clock.advance(1);
  assertEquals([long.steps, short.steps, clock.pendingCount], [1000, 10, 0]);
});
