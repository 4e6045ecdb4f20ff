/**
 * What goes into the cluster-wide metadata (SMD) and what comes out of it, and its times and limits. Plain data; the
 * messages are those of the wire codec. Source: clustering reference, section 17; the recorded stock cluster.
 *
 * @module
 */

import { SMD_MODULE, type SmdItem, type SmdMessage, type SmdModuleVersion } from "../wire/mod.ts";
import type { NodeId } from "./node_id.ts";

/** A complete item: one that was set once has a generation and a time. */
export type SmdStoredItem = Required<SmdItem>;

/** The last committed change of a module: the cluster and its number there; zeros when there was none. */
export type SmdVersion = Omit<SmdModuleVersion, "module">;

/** No change ever. */
export const SMD_NO_VERSION: SmdVersion = { clusterKey: 0, transactionId: 0 };

/** All of one module. */
export interface SmdContent {
  /** Last committed change. */
  readonly version: SmdVersion;
  /** Items in no particular order, deleted ones included. */
  readonly items: readonly SmdStoredItem[];
}

/** What a member has told of a module. */
export interface SmdTold {
  /** One of `SMD_MODULE`. */
  readonly module: number;
  /** Some or all of its items. */
  readonly items: readonly SmdStoredItem[];
}

/** The modules of a stock Community node; it knows no others. */
export const SMD_COMMUNITY_MODULES: readonly number[] = [
  SMD_MODULE.EVICT,
  SMD_MODULE.SINDEX,
  SMD_MODULE.TRUNCATE,
  SMD_MODULE.UDF,
];

/** Names of the modules, by number; also of their files. */
export const SMD_MODULE_NAMES: readonly string[] = [
  "evict",
  "roster",
  "security",
  "sindex",
  "truncate",
  "UDF",
  "XDR",
  "masking",
];

/** How a request to set an item ended. */
export type SmdSetResult =
  /** All members have it. */
  | "ok"
  /** It was not tried: too many requests, or key or value too large. */
  | "refused"
  /** Not confirmed in time; it may have happened, or happen yet. */
  | "timeout";

/** What the metadata reacts to. */
export type SmdEvent =
  | {
    /** Time passed: `nextTickMs` was reached. More often is harmless. */
    readonly kind: "tick";
  }
  | {
    /** The exchange committed a cluster. */
    readonly kind: "cluster-changed";
    /** Its key, not 0. */
    readonly clusterKey: number;
    /** Its members; the first is the principal. */
    readonly succession: readonly NodeId[];
    /** What members have told of modules in the exchange: it is merged here before anything else happens. */
    readonly told?: readonly SmdTold[];
  }
  | {
    /** The node belongs to no cluster. Sets wait. */
    readonly kind: "orphaned";
  }
  | { readonly kind: "message"; readonly from: NodeId; readonly message: SmdMessage }
  | {
    /** Somebody on this node wants an item set. */
    readonly kind: "set";
    /** Comes back in the effect `set-done`; the caller's own numbering. */
    readonly request: number;
    readonly module: number;
    readonly key: string;
    /** Null deletes the item. */
    readonly value: string | null;
    /** How long to try; {@linkcode SMD_SET_TIMEOUT_MS} by default. */
    readonly timeoutMs?: number;
  }
  | {
    /**
     * The attempt to keep a module is over. A node whose disk refuses takes part all the same (the failure is the
     * caller's to log): others have the content, and a node that restarts without it gets it from them.
     */
    readonly kind: "persisted";
    readonly module: number;
    /** Of the effect, or of a later one of the same module. */
    readonly revision: number;
  };

/** Things that are counted. */
export type SmdStatistic =
  | "sets_done"
  | "sets_timed_out"
  | "sets_refused"
  | "merges"
  | "retransmits"
  | "messages_other_cluster"
  | "messages_unexpected";

/** What the caller has to do, in this order. */
export type SmdEffect =
  | { readonly kind: "send"; readonly to: readonly NodeId[]; readonly message: SmdMessage }
  | {
    /** These items of the module are new: act on them. Several changes of one item may come as one. */
    readonly kind: "apply";
    readonly module: number;
    readonly items: readonly SmdStoredItem[];
  }
  | {
    /** Keep the module's content, which `Smd.content` tells, as one step; then report `persisted`. */
    readonly kind: "persist";
    readonly module: number;
    readonly revision: number;
  }
  | { readonly kind: "set-done"; readonly request: number; readonly result: SmdSetResult }
  | { readonly kind: "log"; readonly level: "warning" | "info" | "debug"; readonly text: string }
  | { readonly kind: "count"; readonly statistic: SmdStatistic };

/** From a cluster change to the report of versions: the principal has applied the change by then. */
export const SMD_REPORT_DELAY_MS = 50;
/** How often the principal repeats what was not answered. */
export const SMD_PRINCIPAL_RETRANSMIT_MS = 3000;
/** How often the originator of a set repeats it. */
export const SMD_ORIGINATOR_RETRANSMIT_MS = 100;
/** How long a set is tried by default. */
export const SMD_SET_TIMEOUT_MS = 2000;

/** Sets of this node that are under way; an operator's commands, never client traffic. */
export const SMD_REQUEST_COUNT_MAX = 256;
/** Sets that wait at the principal, per module; further ones are refused and tried again by who wants them. */
export const SMD_QUEUE_COUNT_MAX = 1024;
/** Finished sets per module that the principal knows again when the confirmation got lost. */
export const SMD_DONE_COUNT_MAX = 1024;
/** Longest key: definitions of indexes with long contexts. */
export const SMD_KEY_SIZE_MAX = 16 * 1024;
/** Longest value: a UDF module of 1 MiB in base64, with room. */
export const SMD_VALUE_SIZE_MAX = 4 * 1024 * 1024;
