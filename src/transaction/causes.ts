/**
 * Why writes are refused, for the log: each cause with the phase it is found in and what to change.
 *
 * @module
 */

import { ResultCode } from "../base/mod.ts";
import type { RefusalCause } from "./refusal_log.ts";

/** Causes that a person should hear of. */
export const CAUSE = {
  ttlWithoutExpiry: {
    code: ResultCode.FORBIDDEN,
    phase: "ttl",
    text:
      "TTL sent while nsup-period is 0, so nothing would ever expire; set nsup-period, or allow-ttl-without-nsup",
  },
  stopWrites: {
    code: ResultCode.OUT_OF_SPACE,
    phase: "stop-writes",
    text:
      'writes are stopped; the line "client writes are stopped" above says why and what to do, and so does /status',
  },
  clockSkew: {
    code: ResultCode.FORBIDDEN,
    phase: "clock skew",
    text: "the clocks of the cluster are too far apart to tell which write is newer; set them",
  },
  clientWrites: {
    code: ResultCode.FORBIDDEN,
    phase: "gate",
    text: "reject-non-xdr-writes is set: the namespace takes only what another cluster ships",
  },
  shippedWrites: {
    code: ResultCode.FORBIDDEN,
    phase: "gate",
    text: "reject-xdr-writes is set: the namespace takes nothing that another cluster ships",
  },
  outOfSpace: {
    code: ResultCode.OUT_OF_SPACE,
    phase: "storage",
    text:
      "data-size is used up, or no block of the files is free; delete, truncate or let records expire, or give more",
  },
  deviceOverload: {
    code: ResultCode.DEVICE_OVERLOAD,
    phase: "storage",
    text: "more waits to be written than max-write-cache; the device is slower than the load, or faulty",
  },
  keyBusy: {
    code: ResultCode.KEY_BUSY,
    phase: "in-flight",
    text: "too many writes wait for one record; spread the load or raise transaction-pending-limit",
  },
  setCountLimit: {
    code: ResultCode.FORBIDDEN,
    phase: "set limit",
    text: "the set has as many records as stop-writes-count allows",
  },
  setSizeLimit: {
    code: ResultCode.FORBIDDEN,
    phase: "set limit",
    text: "the set's records take as much as stop-writes-size allows",
  },
  tooManySets: {
    code: ResultCode.FORBIDDEN,
    phase: "set",
    text: "the namespace has 4095 sets already, the most there can be; use fewer sets",
  },
  timeout: {
    code: ResultCode.TIMEOUT,
    phase: "queue",
    text:
      "the request's time was over before it could run; the node is overloaded, or transaction-max-ms too short",
  },
  suspendedTimeout: {
    code: ResultCode.TIMEOUT,
    phase: "suspended",
    text: "the request waited for its record longer than its time; nothing was changed",
  },
  inDoubt: {
    code: ResultCode.TIMEOUT,
    phase: "replicas",
    text:
      "not all replicas confirmed the write in time, so it is in doubt; they are mended when they can be reached",
  },
  proxyTimeout: {
    code: ResultCode.TIMEOUT,
    phase: "proxy",
    text: "the node that serves the record did not answer in time; a write is in doubt",
  },
} as const satisfies Record<string, RefusalCause>;
