/**
 * Info requests over a pool of connections.
 *
 * @module
 */

import { utf8Decode, WireError } from "../base/mod.ts";
import type { Clock, Timer } from "../port/mod.ts";
import { encodeInfoRequest, type Frame, parseInfoReply, PROTO_TYPE_INFO } from "../wire/mod.ts";
import { parseInfoError } from "./cluster_info.ts";
import type { ClientConnection, ReplyReceiver } from "./connection.ts";
import { ConnectionError, ServerError, TimeoutError } from "./errors.ts";
import type { ConnectionPool, ConnectionWaiter } from "./pool.ts";

/** How to ask. */
export interface InfoRequestOptions {
  /** Time. */
  clock: Clock;
  /** Whole request in milliseconds. */
  timeoutMs: number;
}

/**
 * Sends info commands in one request.
 *
 * @param commands lines without line feed
 * @returns the reply's text: per command its echo, a tab, the value, a line feed
 * @throws {TimeoutError | ConnectionError} when there is no reply
 */
export function requestInfoText(
  pool: ConnectionPool,
  commands: readonly string[],
  options: InfoRequestOptions,
): Promise<string> {
  const request = encodeInfoRequest(commands);
  return new Promise((resolve, reject) => new InfoCommand(pool, request, { ...options, resolve, reject }));
}

/**
 * Sends info commands in one request.
 *
 * @returns values in the order of the commands
 * @throws {ServerError} when the server refuses the whole request, as it does before a login
 * @throws {TimeoutError | ConnectionError} when there is no reply, or it doesn't answer each command
 */
export async function requestInfo(
  pool: ConnectionPool,
  commands: readonly string[],
  options: InfoRequestOptions,
): Promise<string[]> {
  const answers = parseInfoReply(await requestInfoText(pool, commands, options));
  if (answers.length > 0 && answers[0].command === "") {
    const refusal = parseInfoError(answers[0].value);
    if (refusal !== undefined) {
      throw new ServerError(refusal.code, { node: pool.name, detail: refusal.message });
    }
  }
  if (answers.length !== commands.length || answers.some((answer, i) => answer.command !== commands[i])) {
    throw new ConnectionError(
      `Node ${pool.name} answered ${answers.length} info commands where ${commands.length} were sent`,
      { node: pool.name },
    );
  }
  return answers.map((answer) => answer.value);
}

/** The value of an answer, or an error when it is one. */
export function infoValue(value: string, node: string): string {
  const error = parseInfoError(value);
  if (error !== undefined) throw new ServerError(error.code, { node, detail: error.message });
  return value;
}

interface InfoCommandOptions extends InfoRequestOptions {
  resolve: (text: string) => void;
  reject: (error: Error) => void;
}

/** One info request: waits for a connection, sends, receives. */
class InfoCommand implements ConnectionWaiter, ReplyReceiver {
  readonly #pool: ConnectionPool;
  readonly #request: Uint8Array;
  readonly #options: InfoCommandOptions;
  readonly #deadlineMs: number;
  #timer: Timer | undefined;

  constructor(pool: ConnectionPool, request: Uint8Array, options: InfoCommandOptions) {
    this.#pool = pool;
    this.#request = request;
    this.#options = options;
    this.#deadlineMs = options.clock.monotonicMs() + options.timeoutMs;
    this.#timer = options.clock.after(options.timeoutMs, () => this.#onTimeout());
    pool.acquire(this);
  }

  onConnection(connection: ClientConnection): void {
    this.#stopTimer();
    connection.send(this.#request, this, { deadlineMs: this.#deadlineMs, silenceMs: Infinity });
  }

  onNoConnection(error: ConnectionError): void {
    this.#stopTimer();
    this.#options.reject(error);
  }

  onFrame(frame: Frame): boolean {
    if (frame.type !== PROTO_TYPE_INFO) {
      throw new WireError(`The server answered an info request with a message of type ${frame.type}`);
    }
    this.#options.resolve(utf8Decode(frame.bytes.subarray(frame.start, frame.end)));
    return true;
  }

  onFailure(error: ConnectionError | TimeoutError): void {
    this.#options.reject(error);
  }

  #onTimeout(): void {
    this.#pool.cancel(this);
    this.#options.reject(
      new TimeoutError(`Cannot connect to node ${this.#pool.name} in ${this.#options.timeoutMs} ms`, {
        node: this.#pool.name,
      }),
    );
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
