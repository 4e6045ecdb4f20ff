import { assertEquals, assertLess } from "@std/assert";
import { SLICE_MAX_MS } from "../base/mod.ts";
import type { Connection } from "../port/mod.ts";
import { TestClock } from "../storage/testing.ts";
import { ClientTurns } from "./client_turns.ts";
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

/** A session that runs `job` for every frame. */
function startSession(
  clock: TestClock,
  options: { scheduler: JobScheduler; job: Job; onWrite: (bytes: Uint8Array) => void },
): Session {
  const dispatcher = {
    clock,
    scheduler: options.scheduler,
    turns: new ClientTurns(clock),
    runFrame: () => options.job,
    fence: new ClientFence(),
    holdsClients: () => false,
    holdForJob: () => {},
    abandon: () => {},
    onSessionClosed: () => {},
  } as unknown as Dispatcher;
  const connection = {
    remote: { host: "127.0.0.1", port: 1 },
    write: options.onWrite,
    pause: () => {},
    resume: () => {},
    close: () => {},
  } as unknown as Connection;
  return new Session({ connection, kind: "service", dispatcher });
}

/** Starts a job of `sliceCount` slices on a session of its own, whose writes end in a later turn. */
function startJob(clock: TestClock, scheduler: JobScheduler, sliceCount: number): CountingJob {
  const job = new CountingJob(sliceCount, () => session);
  const onWrite = () => clock.nextTurn(() => session.onWritten());
  const session: Session = startSession(clock, { scheduler, job, onWrite });
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

Deno.test("JobScheduler.deadlineMs() is short while other requests are served", () => {
  const clock = new TestClock();
  const scheduler = new JobScheduler(clock);
  const sliceMs = () => scheduler.deadlineMs() - clock.monotonicMs();
  assertEquals(sliceMs(), SLICE_MAX_MS);
  scheduler.noteRequest();
  let shortCount = 0;
  while (sliceMs() < SLICE_MAX_MS) shortCount++;
  assertEquals(shortCount, 64);
});

Deno.test("Session gives its job no slice while enough of its replies wait for the client", () => {
  const clock = new TestClock();
  const scheduler = new JobScheduler(clock);
  let steps = 0;
  const job: Job = {
    step() {
      session.out.append(new Uint8Array(100 * 1024));
      return ++steps < 10 ? "more" : "done";
    },
  };
  const written: number[] = [];
  const session = startSession(clock, { scheduler, job, onWrite: (bytes) => written.push(bytes.length) });
  session.onData(FRAME);
  for (let turn = 0; turn < 20; turn++) clock.step();
  // The first slice is with the system; two more fit the limit, and the next is the one that exceeds it.
  assertEquals([steps, written], [3, [100 * 1024]]);
  session.onWritten();
  assertEquals(written[1], 200 * 1024);
});
