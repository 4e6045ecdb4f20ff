import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseNodeCount } from "./serve_several.ts";

describe("parseNodeCount()", () => {
  it("takes numbers and auto", () => {
    assertEquals(parseNodeCount("4"), 4);
    const auto = parseNodeCount("auto");
    assert(typeof auto === "number" && auto >= 1 && auto <= navigator.hardwareConcurrency);
  });

  it("says what it takes when it is given something else", () => {
    for (const wrong of ["0", "65", "many", "", undefined]) {
      assertStringIncludes(String(parseNodeCount(wrong)), "a number from 1 to 64, or auto");
    }
  });
});
