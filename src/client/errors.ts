/**
 * Errors that the client throws. Each tells whether a write may have been applied although it failed.
 *
 * @module
 */

import { resultCodeMeaning, resultCodeName } from "../base/mod.ts";

/** What is known about a failed request. */
export interface ClientErrorOptions {
  /** True when a write may have been applied. */
  inDoubt?: boolean;
  /** Node that was asked last. */
  node?: string | undefined;
  /** What led to it. */
  cause?: unknown;
}

/** Common ground of the client's errors. */
export abstract class ClientError extends Error {
  /** True when the request was a write and may have been applied. */
  readonly inDoubt: boolean;
  /** Node that was asked last, when one was. */
  readonly node: string | undefined;

  /**
   * Completes the message with the doubt.
   *
   * @param message what was attempted and what went wrong
   */
  constructor(message: string, options: ClientErrorOptions = {}) {
    const doubt = options.inDoubt ? " (the write may have been applied)" : "";
    super(message + doubt, options.cause === undefined ? undefined : { cause: options.cause });
    this.inDoubt = options.inDoubt ?? false;
    this.node = options.node;
  }
}

/** A server answered with a result code other than 0. */
export class ServerError extends ClientError {
  /** Name of the class. */
  override readonly name = "ServerError";
  /** The code; see `ResultCode`. */
  readonly resultCode: number;

  /**
   * Makes the message from the code.
   *
   * @param resultCode the code from the wire
   * @param options node, doubt, and the server's own words when it sent some
   */
  constructor(resultCode: number, options: ClientErrorOptions & { detail?: string } = {}) {
    const from = options.node === undefined ? "The server" : `Node ${options.node}`;
    const detail = options.detail ? `: ${options.detail}` : "";
    super(
      `${from} answered ${resultCode} ${resultCodeName(resultCode)}, ${
        resultCodeMeaning(resultCode)
      }${detail}`,
      options,
    );
    this.resultCode = resultCode;
  }
}

/** A request did not finish within its time. */
export class TimeoutError extends ClientError {
  /** Name of the class. */
  override readonly name = "TimeoutError";
}

/** No connection could be had, or it broke before the reply was complete, or the reply was damaged. */
export class ConnectionError extends ClientError {
  /** Name of the class. */
  override readonly name = "ConnectionError";
}
