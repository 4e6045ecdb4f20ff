/**
 * What one request carries through its transaction, and what a namespace offers to it.
 *
 * @module
 */

import { assert, equalBytes, ResultCode, utf8 } from "../base/mod.ts";
import type { NamespaceSettings, ServiceSettings } from "../config/mod.ts";
import type { PartitionTable } from "../partition/mod.ts";
import type { Clock, Log } from "../port/mod.ts";
import { BinTable, ExpScope } from "../record/mod.ts";
import { NamespaceIndexes } from "../sindex/mod.ts";
import {
  EntryRef,
  type NamespaceStore,
  type RecordWrite,
  type SetInfo,
  type Waiter,
} from "../storage/mod.ts";
import type { UdfModules } from "../udf/mod.ts";
import { FIELD, INFO2, RecordRequest, type ReplyWriter } from "../wire/mod.ts";
import type { Deferral } from "./deferral.ts";
import { EntryFacts } from "./filter.ts";
import { InFlightTable } from "./in_flight.ts";
import { PeerStats } from "./peer_stats.ts";
import type { PeerTransactions } from "./peers.ts";
import { RefusalLog } from "./refusal_log.ts";
import { type Kind, ORIGIN, type Origin, RequestStats } from "./stats.ts";

/** One namespace, as transactions see it. */
export class Namespace {
  /** Settings, read again and again. */
  readonly settings: NamespaceSettings;
  /** Settings of the node. */
  readonly service: ServiceSettings;
  /** Name as bytes. */
  readonly nameBytes: Uint8Array;
  /** Records. */
  readonly store: NamespaceStore;
  /** Secondary indexes. */
  readonly indexes: NamespaceIndexes;
  /** Who serves which partition. */
  readonly partitions: PartitionTable;
  /** Functions of users. */
  readonly udf: UdfModules;
  /** Suspended writes. */
  readonly inFlight: InFlightTable;
  /** Counters and histograms. */
  readonly stats: RequestStats = new RequestStats();
  /** What involves other nodes; undefined of a namespace that knows of none. */
  peers: PeerTransactions | undefined;
  /** Counters of what involves other nodes. */
  readonly peerStats: PeerStats = new PeerStats();
  /** Lines about refusals. */
  readonly refusals: RefusalLog;
  /** Time. */
  readonly clock: Clock;
  /** Bins of the record that a transaction of this turn works on. */
  readonly table: BinTable;
  /** Entry of the record that a transaction of this turn works on. */
  readonly entry: EntryRef = new EntryRef();
  /** What is known of that record without its bins. */
  readonly facts: EntryFacts;
  /** That record, as expressions see it. */
  readonly scope: ExpScope;
  /** Record that a transaction of this turn stores. */
  readonly write: RecordWrite;

  /** @param options the parts */
  constructor(
    options: {
      settings: NamespaceSettings;
      service: ServiceSettings;
      store: NamespaceStore;
      partitions: PartitionTable;
      udf: UdfModules;
      clock: Clock;
      log: Log;
    },
  ) {
    this.settings = options.settings;
    this.service = options.service;
    this.nameBytes = utf8(options.settings.name);
    this.store = options.store;
    this.indexes = new NamespaceIndexes({ store: options.store, clock: options.clock });
    this.table = new BinTable(32, options.store.hashSeed);
    this.facts = new EntryFacts(options.store, this.entry);
    this.scope = new ExpScope(this.facts, this.table);
    this.partitions = options.partitions;
    this.udf = options.udf;
    this.clock = options.clock;
    this.write = {
      digest: this.nameBytes,
      digestAt: 0,
      lastUpdateMs: 0,
      generation: 0,
      voidTime: 0,
      set: undefined,
      key: undefined,
      table: this.table,
      origin: "client",
    };
    this.inFlight = new InFlightTable(options.clock);
    this.refusals = new RefusalLog({
      namespace: options.settings.name,
      clock: options.clock,
      log: options.log,
    });
  }

  /** Factor from milliseconds to the unit of latency histograms. */
  get latencyScale(): number {
    return this.service.microsecondHistograms ? 1000 : 1;
  }
}

/** How a transaction's step ended. */
export const STEP = {
  /** The reply is written. */
  DONE: 0,
  /** Nothing is written; the waiter will be woken and the transaction must start again from its request. */
  SUSPENDED: 1,
  /**
   * What was asked is done here, or is being done elsewhere; the reply is held back until `context.takeDeferral()` is
   * settled. The transaction is over and never starts again.
   */
  DEFERRED: 2,
} as const;
/** How a transaction's step ended. */
export type Step = (typeof STEP)[keyof typeof STEP];

/**
 * One request while it runs. Made once per connection or job; the request's bytes stay with their owner, who keeps them
 * until the transaction is done, so that a suspended transaction can start again.
 */
export class TransactionContext {
  /** The request. */
  readonly request: RecordRequest = new RecordRequest();
  /** Where the reply goes. */
  reply: ReplyWriter;
  /** Woken when a suspended transaction may start again. */
  readonly waiter: Waiter;
  /** Client request or row of a batch. */
  origin: Origin = ORIGIN.CLIENT;
  /** Row index of a batch row, else 0. */
  rowIndex = 0;
  /** The set that the request names, undefined for none or one that no record has named yet. */
  set: SetInfo | undefined;
  /** Result code of the message last closed. */
  resultCode: number = ResultCode.OK;
  /** Settles when a deferred transaction's reply may leave. */
  deferral: Deferral | undefined;
  /** The request came from another node, so it is not sent on. */
  isProxied = false;
  /** The request can't be served here, and may not be sent on. */
  isReturned = false;
  /** The digest has an entry; `namespace.entry` points at it. */
  exists = false;
  /** The entry is a record for clients. */
  live = false;

  /** @param options where the reply goes and who is woken */
  constructor(options: { reply: ReplyWriter; waiter: Waiter }) {
    this.reply = options.reply;
    this.waiter = options.waiter;
  }

  /** Offset of the digest in the request's bytes. */
  get digestAt(): number {
    return this.request.fieldAt[FIELD.DIGEST];
  }

  /** The deferral of the step that was DEFERRED. */
  takeDeferral(): Deferral {
    const { deferral } = this;
    assert(deferral !== undefined, "a deferred step leaves its deferral");
    this.deferral = undefined;
    return deferral;
  }

  /** Closes the reply's open message. */
  finish(resultCode: number, generation: number, voidTime: number): void {
    this.resultCode = resultCode;
    this.reply.endMessage(resultCode, generation, voidTime, this.rowIndex);
  }

  /** Throws away what was written into the open message and closes it with a refusal. */
  refuse(resultCode: number, generation: number, voidTime: number): void {
    this.reply.rewindMessage();
    this.finish(resultCode, generation, voidTime);
  }
}

/** Looks for the request's record; `namespace.entry`, `exists`, `live` and `set` tell what is there. */
export function findRecord(context: TransactionContext, namespace: Namespace): void {
  const { request } = context;
  const { store, entry } = namespace;
  context.set = namesSet(request)
    ? store.sets.find(request.bytes, request.fieldAt[FIELD.SET], request.fieldSize[FIELD.SET])
    : undefined;
  context.exists = store.find(request.bytes, context.digestAt, entry);
  // Records without a void-time are the common case, and asking for the time costs as much as finding them.
  const nowMs = context.exists && entry.voidTime !== 0 ? store.nowMs() : 0;
  context.live = context.exists && store.isLive(entry, nowMs);
  namespace.facts.creator = context.live ? undefined : request;
}

/** Whether the generation that a message expects allows it to change a record of generation `stored`, 0 for none. */
export function generationAllows(request: RecordRequest, stored: number): boolean {
  const { info2, generation } = request;
  if ((info2 & INFO2.GENERATION) !== 0 && generation !== stored) return false;
  return (info2 & INFO2.GENERATION_GT) === 0 || generation > stored;
}

/** Size of a set name field that names no set. */
const NO_NAME = 0;

/** Whether the request names a set. */
export function namesSet(request: RecordRequest): boolean {
  return request.has(FIELD.SET) && request.fieldSize[FIELD.SET] !== NO_NAME;
}

/** Whether a request names another set than the record's. A request that names none agrees with all. */
export function setDiffers(context: TransactionContext, entry: EntryRef): boolean {
  if (!namesSet(context.request)) return false;
  return context.set === undefined || context.set.id !== entry.setId;
}

/** Whether the stored key differs from the key that the request carries; without either they agree. */
export function keyDiffers(request: RecordRequest, storedKey: Uint8Array | undefined): boolean {
  if (storedKey === undefined || !request.has(FIELD.KEY)) return false;
  const size = request.fieldSize[FIELD.KEY];
  return size !== storedKey.length ||
    !equalBytes(storedKey, 0, request.bytes, request.fieldAt[FIELD.KEY], size);
}

/** Particle type byte and eight bytes: the only form of an integer key. */
const INTEGER_KEY_SIZE = 9;
const INTEGER_KEY_TYPE = 1;

/** Checks the form of the key that a write carries. */
export function checkKey(request: RecordRequest): ResultCode {
  if (!request.has(FIELD.KEY)) return ResultCode.OK;
  const size = request.fieldSize[FIELD.KEY];
  if (size === 0) return ResultCode.UNSUPPORTED_FEATURE;
  const isInteger = request.bytes[request.fieldAt[FIELD.KEY]] === INTEGER_KEY_TYPE;
  return isInteger && size !== INTEGER_KEY_SIZE ? ResultCode.UNSUPPORTED_FEATURE : ResultCode.OK;
}

/**
 * Ends a transaction that has changed its record: counts it, and sends the record to its other replicas. The reply's
 * message is closed.
 *
 * @returns DONE, or DEFERRED when the reply must wait for them
 */
export function endChange(context: TransactionContext, namespace: Namespace, kind: Kind): Step {
  const { peers, partitions } = namespace;
  if (peers !== undefined && partitions.clusterSize > 1) return peers.replicate(context, namespace, kind);
  namespace.stats.add(context.origin, kind, ResultCode.OK);
  return STEP.DONE;
}

/**
 * Takes what other nodes may know better about a record that is about to be written; it is this transaction's turn.
 *
 * @returns false when the transaction is suspended
 */
export function resolveForWrite(context: TransactionContext, namespace: Namespace, kind: Kind): boolean {
  const { peers, partitions } = namespace;
  return peers === undefined || partitions.clusterSize <= 1 || peers.resolve(context, namespace, kind);
}
