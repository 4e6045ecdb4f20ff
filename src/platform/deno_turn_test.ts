import { assertGreater } from "@std/assert";
import { createDenoTurn } from "./deno_turn.ts";

const TURN_COUNT = 200;
/** Work of a turn, in ms. */
const WORK_MS = 0.2;

Deno.test("createDenoTurn() lets sockets be served between turns of a chain that never pauses", async () => {
  const turn = createDenoTurn();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const far = await listener.accept();
  let echoCount = 0;
  const echo = (async () => {
    const buffer = new Uint8Array(16);
    for (let count = await far.read(buffer); count !== null; count = await far.read(buffer)) {
      await far.write(buffer.subarray(0, count));
    }
  })().catch(() => {});
  const ask = (async () => {
    const buffer = new Uint8Array(16);
    await near.write(Uint8Array.of(1));
    while (await near.read(buffer) !== null) {
      echoCount++;
      await near.write(Uint8Array.of(1));
    }
  })().catch(() => {});
  // The first turn opens the connection that the later ones come through.
  await new Promise<void>((resolve) => turn(resolve));
  await near.write(Uint8Array.of(1));
  const before = echoCount;
  await new Promise<void>((resolve) => {
    let left = TURN_COUNT;
    const work = () => {
      const endMs = performance.now() + WORK_MS;
      while (performance.now() < endMs);
      if (--left === 0) resolve();
      else turn(work);
    };
    turn(work);
  });
  const served = echoCount - before;
  near.close();
  await Promise.all([ask, echo]);
  far.close();
  listener.close();
  // Each echo needs two turns, one at either end.
  assertGreater(served, TURN_COUNT / 4);
});
