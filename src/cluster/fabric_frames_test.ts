import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FABRIC_BODY_SIZE_MAX, fromHex, HEARTBEAT_SIZE_MAX, toHex } from "../base/mod.ts";
import { SeededRandom } from "../sim/mod.ts";
import { decodePeerMessage, isPeerFault, PeerReader } from "../wire/mod.ts";
import { recordedPeerMessages, testInflate } from "../wire/peer_testing.ts";
import { PeerFrames } from "./fabric_frames.ts";

/** The recorded bytes of each connection and direction, and the messages in them. */
function recordedStreams(port: "heartbeat" | "fabric"): Map<string, string[]> {
  const streams = new Map<string, string[]>();
  for (const message of recordedPeerMessages()) {
    if (message.port !== port) continue;
    const key = `${message.conn} ${message.dir}`;
    const list = streams.get(key) ?? [];
    if (list.length === 0) streams.set(key, list);
    list.push(message.hex);
  }
  return streams;
}

/** Feeds a stream in pieces of random size that are overwritten afterwards, as a network does. */
function feed(stream: Uint8Array, frames: PeerFrames, random: SeededRandom, onMessage: () => boolean): void {
  for (let at = 0; at < stream.length;) {
    const size = random.chance(0.3) ? random.between(1, 8) : random.between(1, 5000);
    const piece = stream.slice(at, at + size);
    at += piece.length;
    frames.open(piece);
    while (frames.next() === "message" && onMessage());
    frames.close();
    piece.fill(0xdb);
  }
  for (;;) {
    frames.open(new Uint8Array(0));
    const result = frames.next();
    if (result === "message") onMessage();
    frames.close();
    if (result !== "message") break;
  }
}

describe("PeerFrames", () => {
  for (const port of ["heartbeat", "fabric"] as const) {
    it(`finds every message of the recorded ${port} streams, cut anywhere`, () => {
      const random = new SeededRandom(port.length);
      const reader = new PeerReader();
      let count = 0;
      for (const [key, messages] of recordedStreams(port)) {
        const frames = new PeerFrames(port === "fabric" ? FABRIC_BODY_SIZE_MAX : HEARTBEAT_SIZE_MAX);
        let at = 0;
        feed(fromHex(messages.join("")), frames, random, () => {
          assertEquals(toHex(frames.bytes, frames.at, frames.end), messages[at++], key);
          assert(reader.open(frames.bytes, frames.at, frames.end));
          assert(!isPeerFault(decodePeerMessage(reader, testInflate)));
          // Sometimes the time is over before all messages of a piece were looked at.
          return random.chance(0.8);
        });
        assertEquals(at, messages.length);
        assertEquals(frames.keptBytes, 0);
        count += at;
      }
      assert(count > 1000, String(count));
    });
  }

  it("next() says too-large at the header, before a byte of the body came", () => {
    const frames = new PeerFrames(1000);
    frames.open(fromHex("000003e90005"));
    assertEquals(frames.next(), "too-large");
    frames.close();
    assertEquals(frames.keptBytes, 6);
  });

  it("keeps no more than what arrived, and none of it after clear()", () => {
    const frames = new PeerFrames(FABRIC_BODY_SIZE_MAX);
    frames.open(fromHex("08000000000001"));
    assertEquals(frames.next(), "more");
    frames.close();
    assertEquals(frames.keptBytes, 7);
    frames.clear();
    assertEquals(frames.keptBytes, 0);
  });
});
