/**
 * What goes into the exchange and what comes out of it. Source: clustering reference, section 9.
 *
 * @module
 */

import type { ExchangeMessage, ExchangeNamespace, TruncationItem } from "../wire/mod.ts";
import type { NodeId } from "./node_id.ts";

/** Longest time between two ticks of the exchange. */
export const EXCHANGE_TICK_MS = 75;

/** Smallest compatibility id that a member may have; releases below can't be in one cluster with this one. */
export const COMPATIBILITY_ID_MIN = 6;

/**
 * Bits of the capability word: what an aerie node does beyond the stock protocol. A feature is on when every member of
 * the committed exchange has its bit; a stock member has none. Bits are added at the end and never used again.
 */
export const CAPABILITY = {
  /** Migration that sends what differs alone. */
  DELTA_MIGRATION: 1 << 0,
  /** Copies avoid sharing a host. */
  HOST_SPREAD: 1 << 1,
  /** More copies than hosts are wanted. */
  SHARED_HOSTS: 1 << 2,
  /** Racks, active rack, uniform balance, quiesced nodes. */
  PLACEMENT: 1 << 3,
  /** Deletes leave tombstones that replicas and migrations carry. */
  TOMBSTONES: 1 << 4,
  /** Deaths are confirmed by members. */
  FAST_DEATH: 1 << 5,
  /** More than 8 nodes. */
  LARGE_CLUSTER: 1 << 6,
  /** Records carry the persisted indexes of their lists and maps. */
  PERSISTED_INDEX: 1 << 7,
  /** Members tell where their copies come from, and all of them choose the rule of a merge from it. */
  LINEAGE: 1 << 8,
  /** Members tell truncation marks in the exchange, and take those that others tell. */
  TRUNCATIONS: 1 << 9,
} as const;

/** What this node tells in an exchange; its versions must not change until the exchange has been committed. */
export interface ExchangeOwn {
  /** Its namespaces, with versions and settings. */
  readonly namespaces: readonly ExchangeNamespace[];
  /** Bits of {@linkcode CAPABILITY}; undefined makes the node look like a stock one. */
  readonly capabilities: number | undefined;
  /** Random number of the process: 16 hexadecimal digits. */
  readonly incarnation: string | undefined;
  /** Names the machine, at most 64 bytes; undefined when it is not known. */
  readonly host: string | undefined;
  /** Truncations that it knows; undefined makes it tell none. They must not change until the exchange is committed. */
  readonly truncations?: readonly TruncationItem[] | undefined;
}

/** Settings that time the exchange. */
export interface ExchangeSettings {
  /** `heartbeat.interval`. */
  readonly heartbeatIntervalMs: number;
  /** Quantum interval of the clustering. */
  readonly quantumMs: number;
}

/** What the exchange reacts to. */
export type ExchangeEvent =
  | {
    /** Time passed: at least every {@linkcode EXCHANGE_TICK_MS}. */
    readonly kind: "tick";
  }
  | {
    /** Clustering published a new cluster. The caller has stopped migrations before it collected `own`. */
    readonly kind: "cluster-changed";
    readonly clusterKey: number;
    /** Members, largest id first. */
    readonly succession: readonly NodeId[];
    readonly own: ExchangeOwn;
  }
  | {
    /** Clustering published that the node is in no cluster. */
    readonly kind: "orphaned";
  }
  | { readonly kind: "message"; readonly from: NodeId; readonly message: ExchangeMessage }
  | { readonly kind: "settings"; readonly settings: ExchangeSettings };

/** A member in a committed exchange. */
export interface ExchangeMember {
  readonly node: NodeId;
  readonly compatibilityId: number;
  /** Bits of {@linkcode CAPABILITY}; undefined of a stock node. */
  readonly capabilities: number | undefined;
  /** Of an aerie node. */
  readonly incarnation: string | undefined;
  /** Machine that the node runs on; undefined of a stock node. */
  readonly host: string | undefined;
  /** Truncations that it has told, undone ones included; none of a stock node. */
  readonly truncations: readonly TruncationItem[];
  /** By name. */
  readonly namespaces: ReadonlyMap<string, ExchangeNamespace>;
}

/** What all members know and agree on after an exchange. */
export interface ExchangeResult {
  readonly clusterKey: number;
  /** Members, largest id first. */
  readonly succession: readonly NodeId[];
  readonly principal: NodeId;
  /** In the order of `succession`. */
  readonly members: readonly ExchangeMember[];
  readonly compatibilityIdMin: number;
  readonly compatibilityIdMax: number;
  /** Bits of {@linkcode CAPABILITY} that every member has; 0 beside a stock node. */
  readonly capabilities: number;
  /** All members are aerie nodes. */
  readonly allOurs: boolean;
}

/** Things that are counted. */
export type ExchangeStatistic =
  | "exchanges_started"
  | "exchanges_committed"
  | "exchanges_refused"
  | "exchange_data_resent"
  | "exchange_messages_other_cluster"
  | "exchange_messages_refused"
  | "clients_blocked";

/** What the caller has to do, in this order. */
export type ExchangeEffect =
  | {
    /** No migration may go on, start or be accepted until the next commit. */
    readonly kind: "forbid-migrations";
  }
  | { readonly kind: "send"; readonly to: readonly NodeId[]; readonly message: ExchangeMessage }
  | {
    /** From now on others may commit the cluster of these members, before this node hears of it. */
    readonly kind: "ready";
    readonly succession: readonly NodeId[];
  }
  | {
    /** Publish the cluster key, rebalance, allow migrations, tell the others. */
    readonly kind: "commit";
    readonly result: ExchangeResult;
  }
  | {
    /** In no cluster for too long: serve no clients, and note that this node's copies may be old. */
    readonly kind: "block-clients";
  }
  | { readonly kind: "log"; readonly level: "warning" | "info" | "debug"; readonly text: string }
  | { readonly kind: "count"; readonly statistic: ExchangeStatistic };

/** States of the exchange. */
export type ExchangeState = "orphaned" | "exchanging" | "ready-to-commit" | "rest";

/** The exchange as people see it. */
export interface ExchangeView {
  readonly state: ExchangeState;
  /** Cluster of the present or last exchange; 0 is none. */
  readonly clusterKey: number;
  /** Members that have not acknowledged our data. */
  readonly unacked: readonly NodeId[];
  /** Members whose data is missing. */
  readonly missing: readonly NodeId[];
  /** Members that the principal waits for. */
  readonly unready: readonly NodeId[];
  /** Why the exchange can't be committed; empty when it can. */
  readonly problems: readonly string[];
}
