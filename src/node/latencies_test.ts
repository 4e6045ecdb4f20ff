import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Histogram } from "../base/mod.ts";
import { TestClock } from "../storage/testing.ts";
import { LatencyReporter, latencyText } from "./latencies.ts";

function setUp() {
  const clock = new TestClock();
  const histogram = new Histogram();
  const reporter = new LatencyReporter(
    { namespaces: [], batchIndex: histogram, info: new Histogram() },
    clock,
  );
  const slice = () => latencyText("x", reporter.slice(histogram), "msec").split(",");
  return { clock, histogram, reporter, slice };
}

describe("LatencyReporter", () => {
  it("endSlice() gives operations per second and the share that took at least 2^n units", () => {
    const { clock, histogram, reporter, slice } = setUp();
    for (const value of [0.5, 0.9, 1, 1.5, 2, 3.9, 4, 1000]) histogram.add(value);
    clock.advance(4000);
    reporter.endSlice();
    assertEquals(slice(), [
      "x:msec",
      "2.0",
      "75.00",
      "50.00",
      "25.00",
      ...Array(7).fill("12.50"),
      ...Array(7).fill("0.00"),
    ]);
  });

  it("endSlice() counts values beyond the last threshold in all of them", () => {
    const { clock, histogram, reporter, slice } = setUp();
    histogram.add(2 ** 40);
    clock.advance(1000);
    reporter.endSlice();
    assertEquals(slice().slice(2), Array(17).fill("100.00"));
  });

  it("endSlice() starts anew: what happened before does not count again", () => {
    const { clock, histogram, reporter, slice } = setUp();
    histogram.add(100);
    clock.advance(1000);
    reporter.endSlice();
    histogram.add(0);
    histogram.add(0);
    clock.advance(1000);
    reporter.endSlice();
    assertEquals(slice(), ["x:msec", "2.0", ...Array(17).fill("0.00")]);
  });

  it("slice() is undefined, and the name stands alone, until a first value was counted", () => {
    const { clock, reporter, slice } = setUp();
    clock.advance(1000);
    reporter.endSlice();
    assertEquals(slice(), ["x:"]);
  });

  it("endSlice() does nothing when no time has passed", () => {
    const { histogram, reporter, slice } = setUp();
    histogram.add(1);
    reporter.endSlice();
    assertEquals(slice(), ["x:"]);
  });
});
