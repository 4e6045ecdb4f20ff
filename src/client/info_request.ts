/**
 * Info requests over a pool of connections.
 *
 * @module
 */

import { utf8Decode, WireError } from "../base/mod.ts";
import type { Address, Clock, Network, Timer } from "../port/mod.ts";
import { encodeInfoRequest, type Frame, parseInfoReply, PROTO_TYPE_INFO } from "../wire/mod.ts";
import { parseInfoError } from "./cluster_info.ts";
import type { ClientConnection, ReplyReceiver } from "./connection.ts";
import { ConnectionError, ServerError, TimeoutError } from "./errors.ts";
import { ConnectionPool, type ConnectionWaiter } from "./pool.ts";

/** How to ask. */
export interface InfoRequestOptions {
  /** Time. */
  clock: Clock;
  /** Whole request in milliseconds. */
  timeoutMs: number;
}

/** Connections, waiting requests and idle time of a pool that lives for one request. */
const ONE_REQUEST = { connectionCountMax: 1, waiterCountMax: 1, idleMaxMs: 0 };

/**
 * Asks a single node, without a client: for tools.
 *
 * @param ports network and clock
 * @param commands lines without line feed, sent unchanged; none asks for the server's summary
 * @param options address, and the time limit in milliseconds
 * @returns the reply's text: per command its echo, a tab, the value, a line feed
 * @throws {TimeoutError | ConnectionError} when there is no reply
 */
export async function requestInfoText(
  ports: { network: Network; clock: Clock },
  commands: readonly string[],
  options: { address: Address; timeoutMs: number },
): Promise<string> {
  const { address, timeoutMs } = options;
  const limits = { ...ONE_REQUEST, connectTimeoutMs: timeoutMs };
  const pool = new ConnectionPool({ ...ports, compute: undefined, address, limits });
  try {
    return await requestPoolInfoText(pool, commands, { clock: ports.clock, timeoutMs });
  } finally {
    pool.close();
  }
}

/**
 * Sends info commands in one request.
 *
 * @param commands lines without line feed
 * @returns the reply's text: per command its echo, a tab, the value, a line feed
 * @throws {TimeoutError | ConnectionError} when there is no reply
 */
function requestPoolInfoText(
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
  const answers = parseInfoReply(await requestPoolInfoText(pool, commands, options));
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
