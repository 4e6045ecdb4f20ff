import { assertEquals } from "@std/assert";
import { progressLine } from "./progress.ts";

Deno.test("progressLine() shows a bar and the time that is left when it is known how much there is", () => {
  const text = "7 records";
  assertEquals(
    progressLine({ share: 0.25, text }, 3000),
    "[######------------------]  25 %  7 records, 0:09 left",
  );
  assertEquals(
    progressLine({ share: 1, text }, 3000),
    "[########################] 100 %  7 records, 0:00 left",
  );
  assertEquals(
    progressLine({ share: 0.5, text }, 3_725_000),
    "[############------------]  50 %  7 records, 1:02:05 left",
  );
  assertEquals(progressLine({ share: 0, text }, 3000), "[------------------------]   0 %  7 records");
  assertEquals(progressLine({ share: undefined, text }, 3000), text);
});
