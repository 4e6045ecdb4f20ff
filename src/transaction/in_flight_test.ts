import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { TestClock, testDigest } from "../storage/testing.ts";
import { InFlightTable } from "./in_flight.ts";

describe("InFlightTable", () => {
  it("release() takes a transaction out of the queue when it ended before its turn", () => {
    const clock = new TestClock();
    const table = new InFlightTable(clock);
    const digest = testDigest(1);
    const woken: string[] = [];
    const [owner, refused, next] = ["owner", "refused", "next"].map((name) => ({
      wake: () => void woken.push(name),
    }));
    table.hold(digest, 0, owner);
    assertEquals(table.admit(digest, 0, refused, 0), "queued");
    assertEquals(table.admit(digest, 0, next, 0), "queued");
    table.release(digest, 0, refused);
    table.release(digest, 0, owner);
    clock.advance(0);
    assertEquals([woken, table.heldCount], [["next"], 1]);
    table.release(digest, 0, next);
    assertEquals(table.heldCount, 0);
  });
});
