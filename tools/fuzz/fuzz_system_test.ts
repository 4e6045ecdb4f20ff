import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { utf8Decode } from "../../src/base/mod.ts";
import { INFO3, PROTO_TYPE_AS_MSG, PROTO_TYPE_INFO } from "../../src/wire/mod.ts";
import { startNode } from "../node_process.ts";
import { isQuery } from "../replay/request_kinds.ts";
import { FrameConnection } from "../replay/frame_connection.ts";
import { decodeMessages, frameBody, frameType } from "../replay/message.ts";
import { CLIENT_SUITE_RECORDING, readRecording } from "../replay/recording.ts";
import { queryShapes, queryStage } from "./query_shapes.ts";
import { fuzz } from "./run.ts";
import { shapesOf } from "./shapes.ts";

/** The run in CI sends far more; this one shows on every change that nothing simple broke. */
const MUTATION_COUNT = 6000;

const ANSWER_TIMEOUT_MS = 5000;

/** Resident memory may grow by this much. */
const RESIDENT_GROWTH_MAX_BYTES = 400 * 1024 * 1024;

Deno.test("a node keeps serving a good client while it gets mutated requests", async () => {
  const node = await startNode({ namespaces: ["test", "witness"], dataSize: "512M" });
  try {
    const before = node.residentBytes() ?? 0;
    const shapes = [...shapesOf(await readRecording(CLIENT_SUITE_RECORDING)), ...queryShapes()];
    const seed = Date.now() % 1_000_000;
    const result = await fuzz({
      ...{ host: node.host, port: node.port, shapes, seed, count: MUTATION_COUNT },
      stage: queryStage(),
      witnessNamespace: "witness",
    });
    const failures = result.failures.map(({ what, mutations }) =>
      `${what}: mutations ${mutations.map((mutation) => mutation.index).join(" ")}`
    );
    assertEquals(failures, [], `seed ${seed}\n${node.output()}`);
    assert(node.isAlive(), `seed ${seed}: the node ended\n${node.output()}`);
    assertLess((node.residentBytes() ?? 0) - before, RESIDENT_GROWTH_MAX_BYTES, `seed ${seed}`);
  } finally {
    await node.stop();
  }
});

Deno.test("queryShapes() reach indexes, records and functions once the stage is set", async () => {
  const node = await startNode();
  try {
    for (const request of queryStage()) await assertGood(node, "stage", request);
    for (const { name, frames } of queryShapes()) {
      if (name.startsWith("info ")) continue;
      for (const frame of frames) await assertGood(node, name, frame);
    }
  } finally {
    await node.stop();
  }
});

/** Sends a request on a connection of its own; every message of the answer must be a good one. */
async function assertGood(address: { host: string; port: number }, name: string, request: Uint8Array) {
  const connection = await FrameConnection.open(address);
  try {
    await connection.write(request);
    const isRecord = frameType(request) === PROTO_TYPE_AS_MSG;
    const asksStream = isRecord && isQuery(decodeMessages(frameBody(request))[0]);
    for (let isEnd = false; !isEnd;) {
      const frame = await connection.read(ANSWER_TIMEOUT_MS);
      if (frameType(frame) === PROTO_TYPE_INFO) {
        assertMatch(utf8Decode(frameBody(frame)), /ok\n$/, name);
        return;
      }
      const messages = decodeMessages(frameBody(frame));
      for (const message of messages) {
        assertEquals(message.result, 0, name);
        assertEquals(message.ops.some((op) => op.name === "FAILURE"), false, name);
      }
      isEnd = !asksStream || (messages.at(-1)!.info3 & INFO3.LAST) !== 0;
    }
  } finally {
    connection.close();
  }
}
