import { assert } from "@std/assert";
import { it } from "@std/testing/bdd";
import { isCurrent } from "./generate_info_reference.ts";

it("isCurrent() is true for the page in docs/reference", async () => {
  assert(await isCurrent(), "run: deno run -A tools/generate_info_reference.ts");
});
