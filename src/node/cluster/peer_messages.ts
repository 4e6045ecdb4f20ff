/**
 * Who takes which messages of the fabric.
 *
 * @module
 */

import { assert } from "../../base/mod.ts";
import { type NodeId, nodeIdForLog } from "../../cluster/mod.ts";
import type { Log } from "../../port/mod.ts";
import { isPeerFault, type PeerFault, type PeerReader } from "../../wire/mod.ts";

/** Takes messages of one type. A message is lent until the call returns. */
export type PeerMessageHandler = (from: NodeId, reader: PeerReader) => void;

/** See the head of the file. */
export class PeerMessages {
  readonly #log: Log;
  readonly #handlers = new Map<number, PeerMessageHandler>();

  /** @param log hears of messages that can't be decoded */
  constructor(log: Log) {
    this.#log = log;
  }

  /** Lets somebody take the messages of a type; of one type there is one taker. */
  register(messageType: number, handler: PeerMessageHandler): void {
    assert(!this.#handlers.has(messageType), `messages of type ${messageType} have one taker`);
    this.#handlers.set(messageType, handler);
  }

  /** Lets somebody take the decoded messages of a type; what can't be decoded is dropped with a line in the log. */
  registerDecoded<Message extends object>(
    messageType: number,
    decode: (reader: PeerReader) => Message | PeerFault,
    take: (from: NodeId, message: Message) => void,
  ): void {
    this.register(messageType, (from, reader) => {
      const message = decode(reader);
      if (!isPeerFault(message)) return take(from, message);
      const text = `message of node ${nodeIdForLog(from)} is dropped: ${message.fault}`;
      this.#log.write("warning", "fabric", text);
    });
  }

  /** Takes a message to whoever wants it; one that nobody wants is dropped. */
  deliver(from: NodeId, reader: PeerReader): void {
    this.#handlers.get(reader.messageType)?.(from, reader);
  }
}
