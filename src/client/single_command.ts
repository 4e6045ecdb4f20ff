/**
 * One request about one record, from the first attempt to the last.
 *
 * | State    | Event                              | What follows                                        |
 * | -------- | ---------------------------------- | --------------------------------------------------- |
 * | waiting  | a connection                       | send; state sent                                    |
 * | waiting  | none to be had                     | attempt failed                                      |
 * | waiting  | total time over                    | rejected: timeout                                   |
 * | sent     | reply with 0, or a final code      | resolved or rejected                                |
 * | sent     | reply with 9, 11, 18               | attempt failed                                      |
 * | sent     | connection broke, reply overdue    | attempt failed; a write is now in doubt             |
 * | failed   | retries and time left              | pause, then the next replica; state waiting         |
 * | failed   | none left                          | rejected with the last error                        |
 *
 * A write is in doubt when some attempt of it was sent and neither its reply came nor one that excludes that it was
 * applied. The answer 9 does not exclude it; 11 and 18 do.
 *
 * @module
 */

import { ResultCode, WireError } from "../base/mod.ts";
import type { Timer } from "../port/mod.ts";
import { decodeMessage, type Frame, isRecordFrame, ReplyMessage } from "../wire/mod.ts";
import type { Cluster } from "./cluster.ts";
import type { ClientConnection, ReplyReceiver } from "./connection.ts";
import { ConnectionError, ServerError, TimeoutError } from "./errors.ts";
import type { ClientNode } from "./node.ts";
import type { ResolvedPolicy } from "./policy.ts";
import type { ConnectionWaiter } from "./pool.ts";

/** A request about one record. */
export interface SingleRequest<Result> {
  /** The whole message. */
  bytes: Uint8Array;
  /** Namespace. */
  namespace: string;
  /** Partition of the record. */
  partition: number;
  /** Whether it may change the record. */
  isWrite: boolean;
  /** Timeouts and retries. */
  policy: ResolvedPolicy;
  /** Result codes other than 0 that are results, not errors. */
  accepts: (resultCode: number) => boolean;
  /** Makes the result of an accepted reply; must copy what it keeps. */
  parse: (message: ReplyMessage) => Result;
}

/** Result codes after which another attempt may succeed. */
export function isRetryable(resultCode: number): boolean {
  return resultCode === ResultCode.TIMEOUT || resultCode === ResultCode.UNAVAILABLE ||
    resultCode === ResultCode.DEVICE_OVERLOAD;
}

/** Shared by all requests: a message is looked at only during the call that decodes it. */
const message = new ReplyMessage();

/**
 * Runs a request.
 *
 * @returns what `parse` makes of the reply
 * @throws {ServerError | TimeoutError | ConnectionError} after the last attempt
 */
export function runSingle<Result>(cluster: Cluster, request: SingleRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => new SingleCommand(cluster, request, { resolve, reject }).start());
}

class SingleCommand<Result> implements ConnectionWaiter, ReplyReceiver {
  readonly #cluster: Cluster;
  readonly #request: SingleRequest<Result>;
  readonly #settle: { resolve: (result: Result) => void; reject: (error: Error) => void };
  readonly #startMs: number;
  readonly #deadlineMs: number;
  #attemptCount = 0;
  #mayBeApplied = false;
  #waiting = false;
  #node: ClientNode | undefined;
  #timer: Timer | undefined;

  constructor(
    cluster: Cluster,
    request: SingleRequest<Result>,
    settle: { resolve: (result: Result) => void; reject: (error: Error) => void },
  ) {
    this.#cluster = cluster;
    this.#request = request;
    this.#settle = settle;
    this.#startMs = cluster.ports.clock.monotonicMs();
    const { totalTimeoutMs } = request.policy;
    this.#deadlineMs = totalTimeoutMs === 0 ? Infinity : this.#startMs + totalTimeoutMs;
  }

  start(): void {
    const { namespace, partition, policy } = this.#request;
    const sequence = this.#attemptCount++;
    const node = this.#cluster.route({ namespace, id: partition }, policy.replica, sequence);
    this.#node = node;
    if (node === undefined) {
      const why = this.#cluster.closed ? "the client is closed" : "no node of the cluster is reachable";
      this.#attemptFailed(
        new ConnectionError(`Cannot send the request: ${why}`, { inDoubt: this.#mayBeApplied }),
      );
      return;
    }
    this.#waiting = true;
    node.pool.acquire(this);
    if (this.#waiting) this.#limitWait(node);
  }

  #limitWait(node: ClientNode): void {
    if (this.#deadlineMs === Infinity) return;
    const { clock } = this.#cluster.ports;
    this.#timer = clock.after(Math.max(0, this.#deadlineMs - clock.monotonicMs()), () => {
      node.pool.cancel(this);
      this.#settle.reject(this.#timeoutError(`no connection to node ${node.name} became free`));
    });
  }

  onConnection(connection: ClientConnection): void {
    this.#stopWaiting();
    const { policy, bytes } = this.#request;
    const silenceMs = policy.socketTimeoutMs === 0 ? Infinity : policy.socketTimeoutMs;
    connection.send(bytes, this, { deadlineMs: this.#deadlineMs, silenceMs });
  }

  onNoConnection(error: ConnectionError): void {
    this.#stopWaiting();
    this.#cluster.disturb();
    this.#attemptFailed(
      this.#mayBeApplied
        ? new ConnectionError(error.message, { inDoubt: true, node: error.node, cause: error.cause })
        : error,
    );
  }

  onFrame(frame: Frame): boolean {
    if (!isRecordFrame(frame)) {
      throw new WireError(`The server answered with a message of type ${frame.type}`);
    }
    if (decodeMessage(frame, frame.start, message) !== frame.end) {
      throw new WireError("The server sent bytes behind the reply");
    }
    const code = message.resultCode;
    if (code === ResultCode.OK || this.#request.accepts(code)) {
      this.#settle.resolve(this.#request.parse(message));
    } else this.#onRefusal(code);
    return true;
  }

  onFailure(error: ConnectionError | TimeoutError): void {
    if (this.#request.isWrite) this.#mayBeApplied = true;
    this.#cluster.disturb();
    const options = { inDoubt: this.#mayBeApplied, node: error.node, cause: error.cause };
    this.#attemptFailed(
      error instanceof TimeoutError
        ? this.#timeoutError("the last attempt was not answered")
        : new ConnectionError(error.message, options),
    );
  }

  #onRefusal(code: number): void {
    if (code === ResultCode.TIMEOUT && this.#request.isWrite) this.#mayBeApplied = true;
    const error = new ServerError(code, { inDoubt: this.#mayBeApplied, node: this.#node?.name });
    if (!isRetryable(code)) {
      this.#settle.reject(error);
      return;
    }
    if (code === ResultCode.UNAVAILABLE) this.#cluster.disturb();
    this.#attemptFailed(error);
  }

  #attemptFailed(error: Error): void {
    const { policy } = this.#request;
    const { clock } = this.#cluster.ports;
    if (this.#attemptCount > policy.maxRetries || this.#cluster.closed) {
      this.#settle.reject(error);
      return;
    }
    if (clock.monotonicMs() + policy.sleepBetweenRetriesMs >= this.#deadlineMs) {
      this.#settle.reject(error instanceof ServerError ? error : this.#timeoutError(error.message));
      return;
    }
    if (policy.sleepBetweenRetriesMs === 0) clock.nextTurn(() => this.start());
    else clock.after(policy.sleepBetweenRetriesMs, () => this.start());
  }

  #timeoutError(what: string): TimeoutError {
    const spentMs = Math.round(this.#cluster.ports.clock.monotonicMs() - this.#startMs);
    return new TimeoutError(
      `The request timed out after ${spentMs} ms and ${this.#attemptCount} attempt(s): ${what}`,
      { inDoubt: this.#mayBeApplied, node: this.#node?.name },
    );
  }

  #stopWaiting(): void {
    this.#waiting = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
