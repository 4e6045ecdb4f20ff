/**
 * Mutations around compressed messages: right ones, lies about the size, damaged streams, and streams that inflate to
 * far more than they announce or than a server should hold.
 *
 * @module
 */

import { writeU32 } from "../../src/base/mod.ts";
import { PROTO_TYPE_AS_MSG_COMPRESSED } from "../../src/wire/mod.ts";
import { concat, frameOf } from "../replay/message.ts";
import type { SeededRandom } from "./random.ts";

/** Bytes that a bomb inflates to. */
const BOMB_SIZE_BYTES = 64 * 1024 * 1024;

/** One in this many compressed mutations is a bomb: each costs the server tens of milliseconds by right. */
const BOMB_ODDS = 50;

let bomb: Promise<Uint8Array> | undefined;

/**
 * Makes a compressed mutation of a frame.
 *
 * @param random where chance comes from
 * @param frame the frame inside
 */
export async function compressedMutation(
  random: SeededRandom,
  frame: Uint8Array,
): Promise<{ bytes: Uint8Array; kind: string }> {
  if (random.oneIn(BOMB_ODDS)) {
    bomb ??= deflate(new Uint8Array(BOMB_SIZE_BYTES));
    const announced = random.pick([100, frame.length, BOMB_SIZE_BYTES, 0xffff_ffff]);
    return { bytes: wrap(await bomb, announced), kind: `compressed bomb announced as ${announced}` };
  }
  const stream = await deflate(frame);
  switch (random.below(5)) {
    case 0:
      return { bytes: wrap(stream, frame.length), kind: "compressed" };
    case 1: {
      const announced = random.pick([
        0,
        1,
        7,
        8,
        frame.length - 1,
        frame.length + 1,
        0x7fff_ffff,
        0xffff_ffff,
      ]);
      return { bytes: wrap(stream, announced), kind: "compressed, wrong size announced" };
    }
    case 2: {
      const damaged = stream.slice();
      damaged[random.below(damaged.length)] ^= 1 << random.below(8);
      return { bytes: wrap(damaged, frame.length), kind: "compressed, damaged stream" };
    }
    case 3:
      return {
        bytes: wrap(stream.slice(0, random.below(stream.length)), frame.length),
        kind: "compressed, cut stream",
      };
    default: {
      const nested = wrap(stream, frame.length);
      return { bytes: wrap(await deflate(nested), nested.length), kind: "compressed twice" };
    }
  }
}

function wrap(stream: Uint8Array, announcedBytes: number): Uint8Array {
  const head = new Uint8Array(8);
  writeU32(head, 4, announcedBytes);
  return frameOf(concat([head, stream]), PROTO_TYPE_AS_MSG_COMPRESSED);
}

async function deflate(bytes: Uint8Array): Promise<Uint8Array> {
  const source = new Response(bytes as Uint8Array<ArrayBuffer>).body;
  if (source === null) return new Uint8Array();
  return new Uint8Array(
    await new Response(source.pipeThrough(new CompressionStream("deflate"))).arrayBuffer(),
  );
}
