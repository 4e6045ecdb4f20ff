/**
 * A real node whose network is in memory: requests run to their reply inside one call, turns of the event loop
 * that they ask for included, so that what is measured is pure logic.
 *
 * @module
 */

import { assert, utf8 } from "../src/base/mod.ts";
import { loadSettings } from "../src/config/mod.ts";
import { type AerieNode, createNode } from "../src/node/mod.ts";
import { COLLECTION, type SecondaryIndex } from "../src/sindex/mod.ts";
import { PARTICLE } from "../src/wire/mod.ts";
import { createLog, createPlatform } from "../src/platform/mod.ts";
import type { Address, Connection, ConnectionHandler, Network } from "../src/port/mod.ts";

const ADDRESS: Address = { host: "127.0.0.1", port: 3000 };
/** Offset of the result code in a reply. */
const RESULT_CODE_AT = 13;
/** Largest record; what a write block holds. */
const RECORD_SIZE_MAX_BYTES = 8 * 1024 * 1024;

/** A connection that ends in this object. */
class LoopbackConnection implements Connection {
  readonly remote = ADDRESS;
  readonly local = ADDRESS;
  handler!: ConnectionHandler;
  /** Bytes that the node has written and that were not yet taken. */
  written: Uint8Array | undefined;

  write(bytes: Uint8Array): void {
    this.written = bytes;
  }

  pause(): void {}
  resume(): void {}

  close(): void {
    throw new Error("The node closed the connection of a benchmark");
  }
}

/** A node and one connection to its service port. */
export class LoopbackNode {
  readonly #node: AerieNode;
  readonly #connection: LoopbackConnection;
  readonly #turns: (() => void)[];

  private constructor(node: AerieNode, connection: LoopbackConnection, turns: (() => void)[]) {
    this.#node = node;
    this.#connection = connection;
    this.#turns = turns;
  }

  /** Starts a node with one namespace in memory. */
  static async open(): Promise<LoopbackNode> {
    const connection = new LoopbackConnection();
    const network: Network = {
      listen(options, onConnection) {
        if (options.port === ADDRESS.port) queueMicrotask(() => onConnection(connection));
        return Promise.resolve({ address: options, close() {} });
      },
      connect() {
        return Promise.reject(new Error("A loopback node has no peers"));
      },
    };
    const log = createLog({ sinks: [{ levels: { any: "critical" } }] });
    const platform = await createPlatform({ log });
    const turns: (() => void)[] = [];
    const clock = { ...platform.clock, nextTurn: (run: () => void) => void turns.push(run) };
    const flags = [{ name: "--service.node-id", value: "a1" }];
    const { settings } = loadSettings({ flags });
    // A map of 100,000 entries with an index is larger than records are by default.
    for (const namespace of settings.namespaces) namespace.maxRecordSize = RECORD_SIZE_MAX_BYTES;
    const node = await createNode({ settings, ports: { ...platform, clock, network } });
    await node.start();
    await Promise.resolve();
    return new LoopbackNode(node, connection, turns);
  }

  /**
   * Sends one request.
   *
   * @returns size of the reply in bytes
   * @throws {AssertionError} when there is no reply or its result is an error
   */
  request(frame: Uint8Array): number {
    const connection = this.#connection;
    let sizeBytes = 0;
    connection.handler.onData(frame);
    for (;;) {
      const reply = connection.written;
      if (reply !== undefined) {
        assert(
          reply[RESULT_CODE_AT] === 0,
          `A benchmark's request succeeds, not with ${reply[RESULT_CODE_AT]}`,
        );
        sizeBytes += reply.length;
        connection.written = undefined;
        connection.handler.onWritten();
      } else if (this.#turns.length > 0) {
        this.#turns.shift()!();
      } else {
        assert(sizeBytes > 0, "A benchmark's request is answered");
        return sizeBytes;
      }
    }
  }

  /** Registers the text of module `bench`. */
  registerModule(source: string): void {
    this.#node.udf.set("bench.lua", utf8(source));
  }

  /** Makes an index of an integer bin in the first namespace, and waits until it is built. */
  async createIndex(binName: string): Promise<SecondaryIndex> {
    const { indexes } = this.#node.namespaces[0];
    indexes.create(
      {
        kind: "value",
        setName: undefined,
        binName,
        type: PARTICLE.INTEGER,
        collection: COLLECTION.DEFAULT,
        context: undefined,
        expression: undefined,
      },
      binName,
    );
    const index = indexes.byName(binName)!;
    while (!index.isReady) {
      for (let turn = this.#turns.shift(); turn !== undefined; turn = this.#turns.shift()) turn();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return index;
  }

  /** Stops the node. */
  async close(): Promise<void> {
    this.#connection.close = () => this.#connection.handler.onClose("local");
    await this.#node.stop();
  }
}
