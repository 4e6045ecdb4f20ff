import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ResultCode, toHex } from "../base/mod.ts";
import type { Connection } from "../port/mod.ts";
import { FlushUnit, type NamespaceStore } from "../storage/mod.ts";
import { TestClock } from "../storage/testing.ts";
import { ClientTurns } from "./client_turns.ts";
import { ClientFence } from "./cluster/mod.ts";
import type { Dispatcher } from "./dispatch.ts";
import { type Job, JobScheduler } from "./job.ts";
import { type FrameOutcome, Session } from "./session.ts";

/** A frame of type 3 whose body is one byte. */
function frame(mark: number): Uint8Array {
  return Uint8Array.of(2, 3, 0, 0, 0, 0, 0, 1, mark);
}

/** A session whose frames do what a test says; each frame that runs leaves its mark in the output. */
class TestSession {
  readonly clock = new TestClock();
  readonly session: Session;
  readonly abandoned: Session[] = [];
  sent = "";
  timeouts = 0;
  /** What happens to the frame with a mark; by default it is done at once. */
  readonly outcomes = new Map<number, () => FrameOutcome>();

  constructor() {
    const dispatcher = {
      clock: this.clock,
      scheduler: new JobScheduler(this.clock),
      turns: new ClientTurns(this.clock),
      runFrame: (session: Session, bytes: Uint8Array, at: number): FrameOutcome => {
        const mark = bytes[at + 8];
        const outcome = this.outcomes.get(mark)?.() ?? "done";
        if (outcome === "done") session.out.appendU8(mark);
        return outcome;
      },
      fence: new ClientFence(),
      holdsClients: () => false,
      holdForJob: () => {},
      abandon: (session: Session) => void this.abandoned.push(session),
      budgetMs: () => 1000,
      onSuspendTimeout: (session: Session) => {
        this.timeouts++;
        this.abandoned.push(session);
      },
      onSessionClosed: () => {},
    } as unknown as Dispatcher;
    const connection = {
      remote: { host: "127.0.0.1", port: 1 },
      write: (bytes: Uint8Array) => {
        this.sent += toHex(bytes);
        this.clock.nextTurn(() => this.session.onWritten());
      },
      pause: () => {},
      resume: () => {},
      close: () => {},
    } as unknown as Connection;
    this.session = new Session({ connection, kind: "service", dispatcher });
  }

  send(...marks: number[]): void {
    const bytes = new Uint8Array(marks.length * 9);
    marks.forEach((mark, index) => bytes.set(frame(mark), index * 9));
    this.session.onData(bytes);
  }
}

describe("Session", () => {
  it("runs nothing more once it is closed, though the connection may not know it yet", () => {
    const test = new TestSession();
    let tries = 0;
    test.outcomes.set(2, () => ++tries < 2 ? "suspended" : "done");
    test.send(2, 3);
    test.session.close();
    test.session.wake();
    test.clock.advance(10);
    assertEquals([tries, test.sent], [1, ""]);
    test.session.onClose("local");
    assertEquals(test.abandoned, [test.session]);
  });

  it("runs a suspended transaction again when it is woken, then what came behind it", () => {
    const test = new TestSession();
    let tries = 0;
    test.outcomes.set(2, () => ++tries < 3 ? "suspended" : "done");
    test.send(1, 2, 3);
    test.clock.advance(0);
    assertEquals([test.sent, test.session.isIdle], ["01", false]);
    test.session.wake();
    test.clock.advance(0);
    assertEquals(test.sent, "01");
    test.send(4);
    test.session.wake();
    test.clock.advance(0);
    assertEquals([test.sent, test.session.isIdle, tries], ["01020304", true, 3]);
    test.clock.advance(5000);
    assertEquals(test.timeouts, 0);
  });

  it("keeps replies back until what they tell of is synced, and runs on meanwhile", () => {
    const test = new TestSession();
    const units = [1, 2].map((firstPosition) =>
      new FlushUnit({ block: 0, startBytes: 0, firstPosition, isMove: false })
    );
    const held = (unit: FlushUnit) => {
      test.session.hold({ takeHolds: () => [unit] } as unknown as NamespaceStore);
      return "done" as const;
    };
    test.outcomes.set(2, () => held(units[0]));
    test.outcomes.set(3, () => held(units[1]));
    test.send(1, 2, 3);
    test.send(4);
    test.clock.advance(100);
    assertEquals([test.sent, test.session.isIdle], ["", false]);
    units[0].settle();
    test.clock.advance(100);
    assertEquals(test.sent, "");
    units[1].settle();
    test.clock.advance(100);
    assertEquals([test.sent, test.session.isIdle], ["01020304", true]);
    test.outcomes.set(5, () => held(units[1]));
    test.send(5);
    assertEquals(test.sent, "0102030405");
  });

  it("runs what came behind a suspended job when the job ends in the turn that wakes it", () => {
    const test = new TestSession();
    let steps = 0;
    const job: Job = { step: () => ++steps < 2 ? "suspended" : "done" };
    test.outcomes.set(1, () => job);
    test.send(1, 2);
    test.clock.advance(0);
    assertEquals(test.sent, "");
    test.session.wake();
    test.clock.advance(0);
    assertEquals([test.sent, test.session.isIdle], ["02", true]);
  });

  it("answers TIMEOUT when a transaction stays suspended longer than its time, and goes on", () => {
    const test = new TestSession();
    test.outcomes.set(1, () => "suspended");
    test.send(1, 2);
    test.clock.advance(999);
    assertEquals(test.sent, "");
    test.clock.advance(2);
    assertEquals(test.sent.slice(0, 30), "020300000000001616000000000" + ResultCode.TIMEOUT + "00");
    assertEquals(test.sent.slice(60), "02");
    assertEquals([test.timeouts, test.abandoned.length, test.session.isIdle], [1, 1, true]);
    // A late wake-up finds nothing to do.
    test.session.wake();
    assertEquals(test.session.isIdle, true);
  });

  it("lets go of what it waits for when its connection closes", () => {
    const test = new TestSession();
    test.outcomes.set(1, () => "suspended");
    test.send(1);
    test.session.onClose("peer");
    assertEquals(test.abandoned.length, 1);
    test.session.wake();
    test.clock.advance(5000);
    assertEquals([test.sent, test.timeouts], ["", 0]);
  });
});
