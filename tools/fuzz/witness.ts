/**
 * The second client: writes a value and reads it back, over and over, and must never fail.
 *
 * @module
 */

import { toHex, utf8, writeU32 } from "../../src/base/mod.ts";
import { AS_MSG_HEADER_SIZE, FIELD, INFO1, INFO2, OP, PARTICLE } from "../../src/wire/mod.ts";
import { FrameConnection } from "../replay/frame_connection.ts";
import { decodeMessages, encodeMessage, frameBody, frameOf, type Message } from "../replay/message.ts";

/** How long one request may take, in milliseconds: a request of a good client must not wait for a bad one's. */
const REQUEST_TIMEOUT_MS = 5000;

/** Pause between two round trips, in milliseconds. */
const PAUSE_MS = 2;

/** Records that it uses in turn. */
const RECORD_COUNT = 64;

/** Writes and reads back until it is stopped. */
export class Witness {
  /** Round trips so far. */
  count = 0;
  /** Slowest round trip, in milliseconds. */
  slowestMs = 0;
  readonly #connection: FrameConnection;
  readonly #namespace: string;
  readonly #done: Promise<string | undefined>;
  #stopped = false;

  private constructor(connection: FrameConnection, namespace: string) {
    this.#connection = connection;
    this.#namespace = namespace;
    this.#done = this.#run().catch((error) =>
      `the second client failed after ${this.count} rounds: ${error}`
    );
  }

  /** Connects and starts. */
  static async start(address: { host: string; port: number }, namespace: string): Promise<Witness> {
    return new Witness(await FrameConnection.open(address), namespace);
  }

  /** Stops; resolves to what went wrong, or undefined. */
  async stop(): Promise<string | undefined> {
    this.#stopped = true;
    const failure = await this.#done;
    this.#connection.close();
    return failure ?? (this.count === 0 ? "the second client had no turn" : undefined);
  }

  async #run(): Promise<undefined> {
    while (!this.#stopped) {
      const startMs = performance.now();
      await this.#roundTrip(this.count);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
      this.count++;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #roundTrip(round: number): Promise<void> {
    const value = new Uint8Array(8);
    writeU32(value, 4, round);
    const bin = { op: OP.WRITE, particle: PARTICLE.INTEGER, flags: 0, name: "round", value };
    await this.#request({ ...this.#message(round), info2: INFO2.WRITE, ops: [bin] });
    const reply = await this.#request({ ...this.#message(round), info1: INFO1.READ | INFO1.GET_ALL });
    const got = toHex(reply.ops[0]?.value ?? new Uint8Array());
    if (got !== toHex(value)) throw new Error(`read ${got}, expected ${toHex(value)}`);
  }

  #message(round: number): Message {
    const digest = new Uint8Array(20);
    writeU32(digest, 0, Math.imul(round % RECORD_COUNT, 0x9e3779b1));
    return {
      headerSize: AS_MSG_HEADER_SIZE,
      info1: 0,
      info2: 0,
      info3: 0,
      info4: 0,
      result: 0,
      generation: 0,
      ttl: 0,
      transactionTtl: REQUEST_TIMEOUT_MS,
      fields: [
        { type: FIELD.NAMESPACE, value: utf8(this.#namespace) },
        { type: FIELD.DIGEST, value: digest },
      ],
      ops: [],
    };
  }

  async #request(message: Message): Promise<Message> {
    await this.#connection.write(frameOf(encodeMessage(message)));
    const frame = await this.#connection.read(REQUEST_TIMEOUT_MS);
    const reply = decodeMessages(frameBody(frame))[0];
    if (reply.result !== 0) throw new Error(`result ${reply.result}`);
    return reply;
  }
}
