/**
 * What both network implementations share: texts of errors, forms of addresses, and the rule for the size of a read
 * buffer.
 *
 * @module
 */
import type { Address, Network } from "../port/mod.ts";

/** What to do about an operating-system error, by its code, when listening. */
const listenAdvice: Readonly<Record<string, string>> = {
  EADDRINUSE:
    "the address is in use. Stop the program that listens there, or configure another port (0 picks a free one)",
  EACCES:
    "permission denied. Ports below 1024 need the right to bind them; choose a higher port or grant that right",
  EPERM: "the system does not permit it. Check the container's or sandbox's network permissions",
  EADDRNOTAVAIL:
    "no interface of this machine has that address. Use one that `ip address` shows, or 0.0.0.0 or :: for all",
  ENOTFOUND: "the name can't be resolved. Use a numeric address or a name that the resolver knows",
  EAFNOSUPPORT: "this machine does not support that kind of address (IPv6 may be switched off)",
  EMFILE: "too many open files. Raise the limit (ulimit -n)",
};

/** What to do about an operating-system error, by its code, when connecting. */
const connectAdvice: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused: nothing listens there",
  ETIMEDOUT: "no answer in time",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network is unreachable",
  ENOTFOUND: "the name can't be resolved",
  ECONNRESET: "the peer reset the connection",
  EADDRNOTAVAIL: "no local address or port is free to connect from",
  EACCES: "permission denied",
  EMFILE: "too many open files. Raise the limit (ulimit -n)",
};

/** Codes for errors that the runtime names by class only. */
const codeByName: Readonly<Record<string, string>> = {
  AddrInUse: "EADDRINUSE",
  AddrNotAvailable: "EADDRNOTAVAIL",
  PermissionDenied: "EACCES",
  NotCapable: "EPERM",
  ConnectionRefused: "ECONNREFUSED",
  ConnectionReset: "ECONNRESET",
  TimedOut: "ETIMEDOUT",
  NotFound: "ENOTFOUND",
};

/** An error of the operating system with its code. */
export interface CodedError extends Error {
  /** Name of the cause, for example `EADDRINUSE`; `EUNKNOWN` when there is none. */
  code: string;
}

/** The operating system's code of an error, as far as it can be told. */
export function errorCode(error: unknown): string {
  const { code, name, message } = (error ?? {}) as { code?: string; name?: string; message?: string };
  if (typeof code === "string" && code !== "") return code === "EAI_AGAIN" ? "ENOTFOUND" : code;
  if (message !== undefined && /lookup address|getaddrinfo|not known/i.test(message)) return "ENOTFOUND";
  return (name !== undefined ? codeByName[name] : undefined) ?? "EUNKNOWN";
}

/** An address as text; IPv6 addresses in brackets. */
export function addressText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The error that a failed `listen` rejects with. */
export function listenError(host: string, port: number, cause: unknown): CodedError {
  return codedError(`Cannot listen on ${addressText(host, port)}`, listenAdvice, cause);
}

/** The error that a failed `connect` rejects with. */
export function connectError(host: string, port: number, cause: unknown): CodedError {
  return codedError(`Cannot connect to ${addressText(host, port)}`, connectAdvice, cause);
}

/** The error of a `connect` that took longer than it may. */
export function connectTimeoutError(host: string, port: number, timeoutMs: number): CodedError {
  const message = `Cannot connect to ${addressText(host, port)}: no answer within ${timeoutMs} ms`;
  return Object.assign(new Error(message), { code: "ETIMEDOUT" });
}

function codedError(what: string, advice: Readonly<Record<string, string>>, cause: unknown): CodedError {
  const code = errorCode(cause);
  const known = Object.hasOwn(advice, code) ? advice[code] : undefined;
  const reason = known ?? (cause instanceof Error ? cause.message : String(cause));
  const text = code === "EUNKNOWN" ? `${what}: ${reason}` : `${what}: ${reason} (${code})`;
  return Object.assign(new Error(text, { cause }), { code });
}

const MAPPED_PREFIX = "::ffff:";

/** An address in one form: IPv4 addresses that a dual-stack socket reports as `::ffff:a.b.c.d` become `a.b.c.d`. */
export function plainAddress(host: string, port: number): Address {
  const mapped = host.toLowerCase().startsWith(MAPPED_PREFIX) && host.includes(".");
  return { host: mapped ? host.slice(MAPPED_PREFIX.length) : host, port };
}

/**
 * Ends the process the way an uncaught error does: a handler that throws is a bug of the program, and going on with
 * half a state would be worse. Must not be used for anything that a peer or a person can cause.
 */
export function reportBug(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Multicast; its sockets' code is loaded when they are wanted, which they seldom are. */
export const multicast: NonNullable<Network["multicast"]> = async (options, onDatagram) => {
  const { joinMulticast } = await import("./multicast.ts");
  return await joinMulticast(options, onDatagram);
};

/** Read buffer of a connection that is idle or sends small requests: 15,000 of them are 30 MiB. */
export const READ_BUFFER_SIZE_MIN_BYTES = 2 * 1024;

/** Largest read buffer that a connection keeps while it waits for data. */
export const READ_BUFFER_KEPT_SIZE_MAX_BYTES = 16 * 1024;

/** Read buffer while a connection sends as fast as it can; these are shared between connections. */
export const READ_BUFFER_SIZE_MAX_BYTES = 256 * 1024;

/** Spare large read buffers that are kept for the next burst. */
export const READ_BUFFER_SPARE_MAX = 16;

/** Reads in a row that leave most of the buffer empty before it shrinks. */
export const READ_BUFFER_SHRINK_AFTER = 32;

const spareBuffers: Uint8Array[] = [];

/**
 * Chooses the buffer for each read of one connection. A read that fills its buffer grows the next one. A read that
 * does not fill it has emptied the socket: the connection then waits with a small buffer of its own, and a large one
 * goes back to the spare ones, so that no idle connection holds one.
 */
export class ReadBuffer {
  #own = new Uint8Array(READ_BUFFER_SIZE_MIN_BYTES);
  #large: Uint8Array | undefined;
  #smallReads = 0;

  /** The buffer for the next read. */
  get bytes(): Uint8Array {
    return this.#large ?? this.#own;
  }

  /** Must be told how many bytes each read gave, after they have been used. */
  took(countBytes: number): void {
    if (this.#large !== undefined) {
      if (countBytes < this.#large.length) this.release();
    } else if (countBytes === this.#own.length) {
      this.#grow();
    } else if (this.#own.length > READ_BUFFER_SIZE_MIN_BYTES) {
      this.#considerShrinking(countBytes);
    }
  }

  /** Gives a large buffer back. */
  release(): void {
    if (this.#large !== undefined && spareBuffers.length < READ_BUFFER_SPARE_MAX) {
      spareBuffers.push(this.#large);
    }
    this.#large = undefined;
  }

  #grow(): void {
    this.#smallReads = 0;
    if (this.#own.length < READ_BUFFER_KEPT_SIZE_MAX_BYTES) this.#own = new Uint8Array(this.#own.length * 2);
    else this.#large = spareBuffers.pop() ?? new Uint8Array(READ_BUFFER_SIZE_MAX_BYTES);
  }

  #considerShrinking(countBytes: number): void {
    if (countBytes > this.#own.length / 4) {
      this.#smallReads = 0;
    } else if (++this.#smallReads >= READ_BUFFER_SHRINK_AFTER) {
      this.#smallReads = 0;
      this.#own = new Uint8Array(this.#own.length / 2);
    }
  }
}
