import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { toHex, utf8, utf8Decode } from "../../src/base/mod.ts";
import { FIELD, INFO2, PROTO_HEADER_SIZE, PROTO_TYPE_AS_MSG, PROTO_TYPE_INFO } from "../../src/wire/mod.ts";
import {
  concat,
  decodeMessages,
  encodeMessage,
  fieldOf,
  frameBody,
  frameOf,
  frameSizeBytes,
  frameType,
  type Operation,
} from "../replay/message.ts";
import { CLIENT_SUITE_RECORDING, readRecording } from "../replay/recording.ts";
import { fuzz } from "./run.ts";
import { shapesOf } from "./shapes.ts";

const shapes = shapesOf(await readRecording(CLIENT_SUITE_RECORDING));

/** What the small server does with the n-th frame that is no request of the second client. */
type Behaviour = (frameNumber: number) => "answer" | "drop" | "hang";

/** A server that knows the second client's namespace and answers everything else with result 4. */
function serveSmall(behaviour: Behaviour, witnessWorks = true): { port: number; close(): void } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  const records = new Map<string, Operation[]>();
  let frameCount = 0;
  const answer = (frame: Uint8Array): Uint8Array | "drop" | "hang" => {
    if (frame[0] !== 2 || frameType(frame) === 0 || frameType(frame) > 4) return "drop";
    if (frameType(frame) === PROTO_TYPE_INFO) {
      const text = utf8Decode(frameBody(frame));
      const reply = text === "status\nbuild\n" ? "status\tok\nbuild\t8.1.2.0\n" : `${text.trimEnd()}\tok\n`;
      return frameOf(utf8(reply), PROTO_TYPE_INFO);
    }
    const witness = frameType(frame) === PROTO_TYPE_AS_MSG ? witnessAnswer(frame, records) : undefined;
    if (witness !== undefined) return witnessWorks ? witness : "hang";
    const choice = behaviour(frameCount++);
    if (choice !== "answer") return choice;
    return frameOf(new Uint8Array([22, 0, 0, 0, 0, 4, ...new Array(16).fill(0)]));
  };
  const serve = async (conn: Deno.Conn) => {
    let input: Uint8Array<ArrayBuffer> = new Uint8Array();
    const chunk = new Uint8Array(64 * 1024);
    for (let count = await conn.read(chunk); count !== null; count = await conn.read(chunk)) {
      input = concat([input, chunk.subarray(0, count)]) as Uint8Array<ArrayBuffer>;
      while (input.length >= PROTO_HEADER_SIZE && input.length >= frameSizeBytes(input)) {
        const reply = answer(input.slice(0, frameSizeBytes(input)));
        input = input.slice(frameSizeBytes(input));
        if (reply === "drop") return;
        if (reply === "hang") await new Promise(() => {});
        else for (let at = 0; at < reply.length;) at += await conn.write(reply.subarray(at));
      }
    }
  };
  const accept = async () => {
    for await (const conn of listener) {
      connections.add(conn);
      void serve(conn).catch(() => {}).finally(() => connections.delete(conn) && conn.close());
    }
  };
  void accept();
  return {
    port: listener.addr.port,
    close() {
      listener.close();
      for (const conn of connections) conn.close();
      connections.clear();
    },
  };
}

function witnessAnswer(frame: Uint8Array, records: Map<string, Operation[]>): Uint8Array | undefined {
  try {
    const message = decodeMessages(frameBody(frame))[0];
    if (utf8Decode(fieldOf(message, FIELD.NAMESPACE) ?? new Uint8Array()) !== "witness") return undefined;
    const digest = toHex(fieldOf(message, FIELD.DIGEST) ?? new Uint8Array());
    const writes = (message.info2 & INFO2.WRITE) !== 0;
    if (writes) records.set(digest, message.ops);
    const ops = writes ? [] : records.get(digest) ?? [];
    return frameOf(encodeMessage({ ...message, info1: 0, info2: 0, fields: [], ops }));
  } catch {
    return undefined;
  }
}

const common = { host: "127.0.0.1", shapes, seed: 11, witnessNamespace: "witness", groupTimeoutMs: 400 };

Deno.test("fuzz() reports no failure when the server answers or drops connections", async () => {
  const server = serveSmall((frameNumber) => frameNumber % 50 === 49 ? "drop" : "answer");
  const result = await fuzz({ ...common, port: server.port, count: 1500 });
  server.close();
  assertEquals(result.failures, []);
  assertEquals(result.sentCount, 1500);
  assertGreater(result.droppedGroupCount, 5);
  assertGreater(result.witnessCount, 3);
});

Deno.test("fuzz() reports the mutations under way when the server hangs", async () => {
  const server = serveSmall((frameNumber) => frameNumber === 200 ? "hang" : "answer");
  const result = await fuzz({ ...common, port: server.port, count: 640 });
  server.close();
  assertEquals(result.failures.length, 1);
  assertStringIncludes(result.failures[0].what, "no answer within");
  assertGreater(result.failures[0].mutations.length, 0);
});

Deno.test("fuzz() reports that it cannot connect when the server has gone", async () => {
  const server = serveSmall(() => "answer");
  let gone = false;
  const result = await fuzz({
    ...common,
    port: server.port,
    count: 640,
    onProgress: () => {
      if (!gone) server.close();
      gone = true;
    },
  });
  assertGreater(result.failures.length, 0);
});
