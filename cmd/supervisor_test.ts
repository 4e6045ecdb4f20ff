import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ProcessEnd, ProcessSignal } from "../src/platform/mod.ts";
import type { Clock } from "../src/port/mod.ts";
import { RESTART_COUNT_MAX, STEADY_AFTER_MS, Supervisor } from "./supervisor.ts";

/** Time that passes when it is told to. */
class HandClock implements Clock {
  nowMs = 0;
  #timers: { atMs: number; fn: () => void }[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }
  wallMs(): number {
    return this.nowMs;
  }
  nextTurn(fn: () => void): void {
    this.after(0, fn);
  }
  afterEvents(fn: () => void): void {
    this.after(0, fn);
  }
  after(delayMs: number, fn: () => void): { cancel: () => void } {
    const timer = { atMs: this.nowMs + delayMs, fn };
    this.#timers.push(timer);
    return { cancel: () => this.#timers = this.#timers.filter((one) => one !== timer) };
  }
  async pass(durationMs: number): Promise<void> {
    const untilMs = this.nowMs + durationMs;
    for (;;) {
      await settle();
      const next = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.nowMs = next.atMs;
      next.fn();
    }
    this.nowMs = untilMs;
  }
}

/** Lets promises that are settled have their effects. */
async function settle(): Promise<void> {
  for (let round = 0; round < 20; round++) await Promise.resolve();
}

/** A process of the imagination. */
class Puppet {
  readonly signals: ProcessSignal[] = [];
  readonly ended: Promise<ProcessEnd>;
  obeys = true;
  end: (end: ProcessEnd) => void = () => {};

  constructor(readonly pid: number, readonly say: (line: string) => void) {
    this.ended = new Promise((resolve) => this.end = resolve);
  }
  signal(signal: ProcessSignal): void {
    this.signals.push(signal);
    if (signal === "SIGKILL") this.end({ code: undefined, signal });
    else if (signal === "SIGTERM" && this.obeys) this.end({ code: 0, signal: undefined });
  }
}

async function stage(count: number) {
  const clock = new HandClock();
  const printed: string[] = [];
  const puppets: { index: number; puppet: Puppet }[] = [];
  const supervisor = new Supervisor({
    count,
    clock,
    start: (index, onLine) => {
      const puppet = new Puppet(100 + puppets.length, (line) => onLine(line, "output"));
      puppets.push({ index, puppet });
      return Promise.resolve(puppet);
    },
    print: (line) => void printed.push(line),
  });
  supervisor.start();
  await settle();
  return { clock, printed, puppets, supervisor };
}

const dies: ProcessEnd = { code: undefined, signal: "SIGKILL" };

describe("Supervisor", () => {
  it("announces readiness when all nodes are ready, and passes other lines on with their node", async () => {
    const { clock, printed, puppets } = await stage(2);
    puppets[0].puppet.say("hello");
    puppets[0].puppet.say("ready in 80 ms");
    await clock.pass(120);
    assertEquals(printed.some((line) => line.includes("ready in")), false);
    puppets[1].puppet.say("ready in 90 ms");
    assertEquals(printed, [
      "0| hello",
      "node 0 is ready, pid 100",
      "node 1 is ready, pid 101",
      "2 nodes ready in 120 ms",
    ]);
  });

  it("stops the last node first and each before the next", async () => {
    const { puppets, supervisor } = await stage(3);
    puppets[2].puppet.obeys = false;
    void supervisor.stop();
    await settle();
    assertEquals(puppets.map(({ puppet }) => puppet.signals), [[], [], ["SIGTERM"]]);
    puppets[2].puppet.end({ code: 0, signal: undefined });
    assertEquals(await supervisor.ended, 0);
    assertEquals(puppets.map(({ puppet }) => puppet.signals), [["SIGTERM"], ["SIGTERM"], ["SIGTERM"]]);
  });

  it("ends a node that does not stop in time", async () => {
    const { clock, printed, puppets, supervisor } = await stage(1);
    puppets[0].puppet.obeys = false;
    void supervisor.stop();
    await clock.pass(30_000);
    assertEquals(await supervisor.ended, 0);
    assertEquals(puppets[0].puppet.signals, ["SIGTERM", "SIGKILL"]);
    assertStringIncludes(printed.join("\n"), "did not stop within 30 s");
  });

  it("starts a node again when it ends, each time after a longer wait", async () => {
    const { clock, puppets } = await stage(2);
    for (const { puppet } of puppets) puppet.say("ready in 1 ms");
    puppets[1].puppet.end(dies);
    await clock.pass(499);
    assertEquals(puppets.length, 2);
    await clock.pass(1);
    assertEquals(puppets[2].index, 1);
    puppets[2].puppet.end(dies);
    await clock.pass(999);
    assertEquals(puppets.length, 3);
    await clock.pass(1);
    assertEquals(puppets.length, 4);
    await clock.pass(STEADY_AFTER_MS);
    puppets[3].puppet.end(dies);
    await clock.pass(500);
    assertEquals(puppets.length, 5);
  });

  it("leaves a node down when it ends each time, and the others running", async () => {
    const { clock, printed, puppets, supervisor } = await stage(2);
    for (const { puppet } of puppets) puppet.say("ready in 1 ms");
    for (let count = 0; count <= RESTART_COUNT_MAX; count++) {
      puppets.findLast(({ index }) => index === 1)!.puppet.end(dies);
      await clock.pass(30_000);
    }
    assertEquals(puppets.length, 2 + RESTART_COUNT_MAX);
    assertStringIncludes(printed.at(-1)!, "it stays down. The other 1 go on");
    assertEquals(puppets[0].puppet.signals, []);
    void supervisor.stop();
    assertEquals(await supervisor.ended, 0);
  });

  it("stops all with exit code 1 when a node ends before it was ever ready", async () => {
    const { printed, puppets, supervisor } = await stage(2);
    puppets[0].puppet.say("ready in 1 ms");
    puppets[1].puppet.end({ code: 1, signal: undefined });
    assertEquals(await supervisor.ended, 1);
    assertEquals(puppets[0].puppet.signals, ["SIGTERM"]);
    assertStringIncludes(printed.at(-1)!, "node 1 ended with exit code 1 before it was ready");
  });

  it("starts nothing again after a stop", async () => {
    const { clock, puppets, supervisor } = await stage(1);
    puppets[0].puppet.say("ready in 1 ms");
    puppets[0].puppet.end(dies);
    await settle();
    void supervisor.stop();
    await clock.pass(60_000);
    assertEquals([await supervisor.ended, puppets.length], [0, 1]);
  });
});
