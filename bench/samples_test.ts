import { assert, assertEquals } from "@std/assert";
import { LatencyHistogram, measure, median } from "./samples.ts";

Deno.test("LatencyHistogram.percentile() is within 3 % when latencies are spread evenly", () => {
  const histogram = new LatencyHistogram();
  for (let us = 1; us <= 1000; us++) histogram.add(us * 1000);
  for (const [share, ns] of [[0.5, 500_000], [0.99, 990_000], [0.999, 999_000]]) {
    assert(Math.abs(histogram.percentile(share) / ns - 1) < 0.03, `${share}: ${histogram.percentile(share)}`);
  }
});

Deno.test("LatencyHistogram.percentile() is 0 when nothing was counted", () => {
  assertEquals(new LatencyHistogram().percentile(0.99), 0);
});

Deno.test("median() takes the lower of the two in the middle", () => {
  assertEquals(median([4, 1, 3, 2]), 2);
  assertEquals(median([5, 1, 3]), 3);
});

Deno.test("measure() finds a busy loop slower when it does ten times the work", () => {
  const work = (rounds: number) => (times: number) => {
    let sum = 0;
    for (let index = 0; index < times * rounds; index++) sum += Math.sqrt(index);
    assert(sum >= 0);
  };
  const options = { sampleMs: 2, sampleCount: 5 };
  assert(measure(work(1000), options).leastNs > measure(work(100), options).leastNs * 3);
});
