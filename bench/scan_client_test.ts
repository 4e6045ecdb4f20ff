import { assertEquals } from "@std/assert";
import { AnswerEnd } from "./scan_client.ts";

/** A frame of one message without fields. */
function frame(bodySize: number, info3: number): Uint8Array {
  const bytes = new Uint8Array(8 + bodySize);
  bytes.set([2, 3]);
  new DataView(bytes.buffer).setUint32(4, bodySize);
  bytes[8] = 22;
  bytes[11] = info3;
  return bytes;
}

Deno.test("AnswerEnd.take() finds the last frame however the answer is cut", () => {
  const answer = Uint8Array.from([...frame(300, 0), ...frame(22, 0), ...frame(100, 0), ...frame(22, 1)]);
  for (let size = 1; size <= answer.length; size++) {
    const end = new AnswerEnd();
    let at = 0;
    while (!end.take(answer.subarray(at, at + size))) at += size;
    assertEquals(at + size >= answer.length, true, `cut every ${size} bytes`);
  }
});
