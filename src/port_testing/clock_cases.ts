/**
 * What every clock and every source of randomness must do.
 *
 * @module
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { Clock } from "../port/mod.ts";
import { type PortCase, until } from "./case.ts";

/** Slack for timers that count whole milliseconds from the start of their turn. */
const EARLY_MAX_MS = 1.1;
/** How often something is tried that a busy machine may spoil. */
const TRIAL_COUNT = 100;

/** All cases of a clock. */
export const clockCases: readonly PortCase[] = [
  {
    name: "after() calls back once, not before its time",
    async run({ ports }) {
      const start = ports.clock.monotonicMs();
      let calls = 0;
      let firedMs = 0;
      ports.clock.after(20, () => {
        calls++;
        firedMs = ports.clock.monotonicMs();
      });
      assertEquals(calls, 0);
      await until(ports, "it fires", () => calls > 0);
      assert(firedMs - start >= 20 - EARLY_MAX_MS, `fired after ${firedMs - start} ms`);
      await new Promise<void>((resolve) => ports.clock.after(30, resolve));
      assertEquals(calls, 1);
    },
  },
  {
    name: "after() never calls back from inside itself when the delay is 0",
    async run({ ports }) {
      let inside = true;
      let nested = false;
      let done = false;
      ports.clock.after(0, () => {
        nested = inside;
        done = true;
      });
      inside = false;
      await until(ports, "it fires", () => done);
      assert(!nested);
    },
  },
  {
    name: "Timer.cancel() stops a timer, also from another one, and does nothing afterwards",
    async run({ ports }) {
      let calls = 0;
      const timer = ports.clock.after(10, () => calls++);
      ports.clock.after(1, () => timer.cancel());
      await new Promise<void>((resolve) => ports.clock.after(30, resolve));
      timer.cancel();
      assertEquals(calls, 0);
    },
  },
  {
    name: "nextTurn() calls in order, each batch in a turn of its own",
    async run({ ports }) {
      const order: string[] = [];
      ports.clock.nextTurn(() => {
        order.push("a");
        ports.clock.nextTurn(() => order.push("c"));
      });
      ports.clock.nextTurn(() => order.push("b"));
      order.push("now");
      await until(ports, "all were called", () => order.length === 4);
      assertEquals(order, ["now", "a", "b", "c"]);
    },
  },
  {
    name: "nextTurn() lets sockets and timers be served when background work never ends",
    async run({ ports, host }) {
      let working = true;
      const work = () => {
        if (working) ports.clock.nextTurn(work);
      };
      work();
      let served = false;
      const listener = await ports.network.listen({ host, port: 0 }, (connection) => {
        connection.handler = { onData: () => served = true, onWritten() {}, onClose() {} };
      });
      const { port } = listener.address;
      const connection = await ports.network.connect({ host, port, timeoutMs: 5000 });
      connection.handler = { onData() {}, onWritten() {}, onClose() {} };
      connection.write(Uint8Array.of(1));
      await until(ports, "the request is served", () => served);
      working = false;
      connection.close();
      listener.close();
    },
  },
  {
    name: "afterEvents() calls back in a turn of its own, before a timer of a millisecond",
    async run({ ports }) {
      const wanted = ["call", "after events", "again", "timer"];
      let order: string[] = [];
      // Where the process stands still for a millisecond, the timer is due before the second call: not every time.
      for (let count = 0; count < TRIAL_COUNT && order.join() !== wanted.join(); count++) {
        order = await orderOfCalls(ports.clock);
      }
      assertEquals(order, wanted);
    },
  },
  {
    name: "monotonicMs() never goes back, and has a fraction or at least moves",
    async run({ ports }) {
      let last = ports.clock.monotonicMs();
      for (let count = 0; count < 20; count++) {
        await new Promise<void>((resolve) => ports.clock.after(1, resolve));
        const now = ports.clock.monotonicMs();
        assert(now > last, `${now} after ${last}`);
        last = now;
      }
    },
  },
  {
    name: "wallMs() is a moment of this century",
    run({ ports }) {
      const now = ports.clock.wallMs();
      assert(now > 1_600_000_000_000 && now < 4_200_000_000_000, String(now));
      return Promise.resolve();
    },
  },
  {
    name: "Random gives different values each time, and fills whole arrays",
    run({ ports }) {
      const words = new Set(Array.from({ length: 1000 }, () => ports.random.u32()));
      assert(words.size > 990, `${words.size} different words of 1000`);
      for (const word of words) assert(Number.isInteger(word) && word >= 0 && word <= 0xffff_ffff);
      const left = new Uint8Array(200_001);
      const right = new Uint8Array(200_001);
      ports.random.fill(left);
      ports.random.fill(right);
      assertNotEquals(left.slice(-16), new Uint8Array(16), "the end is filled too");
      assertNotEquals(left.slice(0, 64), right.slice(0, 64));
      return Promise.resolve();
    },
  },
];

/** The order of a call, two calls after events, the second asked for in the first, and a timer of a millisecond. */
async function orderOfCalls(clock: Clock): Promise<string[]> {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    clock.after(1, () => {
      order.push("timer");
      resolve();
    });
    clock.afterEvents(() => {
      order.push("after events");
      clock.afterEvents(() => void order.push("again"));
    });
    order.push("call");
  });
  return order;
}
