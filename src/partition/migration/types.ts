/**
 * What migrations need from the node, and what they count.
 *
 * @module
 */

import type { ExchangeResult, FabricTarget, SendResult } from "../../cluster/mod.ts";
import type { NamespaceSettings, ServiceSettings } from "../../config/mod.ts";
import type { Ports } from "../../port/mod.ts";
import type { NamespaceStore } from "../../storage/mod.ts";
import type { MigrateMessage } from "../../wire/mod.ts";
import type { PartitionTable } from "../table.ts";

/** A namespace, as migrations see it. */
export interface MigrationNamespace {
  readonly settings: NamespaceSettings;
  readonly store: NamespaceStore;
  readonly partitions: PartitionTable;
}

/** Messages to peers; the methods are those of `Fabric`. */
export interface MigrationFabric {
  /** Sends a message; the message's views are copied before it returns. */
  send(target: FabricTarget, message: MigrateMessage): SendResult;
  /** Whether a sender should wait for `onDrain`. */
  isOverloaded(target: FabricTarget): boolean;
  /** Collects messages until {@linkcode MigrationFabric.release}. */
  hold(): void;
  /** Sends what was collected. */
  release(): void;
}

/** Options of the service that migrations follow; read again and again. */
export type MigrationSettings = Pick<
  ServiceSettings,
  "migrateThreads" | "migrateMaxNumIncoming" | "migrateFillDelay"
>;

/** Names a partition of a namespace. */
export interface PartitionOf {
  readonly namespace: MigrationNamespace;
  readonly partition: number;
}

/** What a `Migrator` is made of. */
export interface MigratorOptions {
  readonly ports: Pick<Ports, "clock" | "random" | "log">;
  readonly settings: MigrationSettings;
  readonly namespaces: readonly MigrationNamespace[];
  readonly fabric: MigrationFabric;
  /**
   * Calls `done` once everything that was stored in the partition so far is as durable as the namespace promises: at once
   * for one in memory. Absent: at once.
   */
  readonly whenFlushed?: (at: PartitionOf, done: () => void) => void;
  /**
   * Calls `done` once no write of the partition waits for its replicas any more; the partition takes no new ones then.
   * Absent: at once.
   */
  readonly whenWritesEnded?: (at: PartitionOf, done: () => void) => void;
  /** Called when all migrations of this node have ended. */
  readonly onComplete?: () => void;
}

/** What migrations need to know of a committed exchange. */
export type MigrationView = Pick<ExchangeResult, "clusterKey" | "capabilities" | "succession">;

/** Counters of one namespace; the names are the stock server's in camel case. */
export class MigrationStatistics {
  /** Transfers to others that the last rebalance asked for. */
  txInitial = 0;
  /** Those that have not ended. */
  txRemaining = 0;
  /** Those that run now. */
  txActive = 0;
  /** Those that have not ended and that a final master waits for. */
  txLeadRemaining = 0;
  /** Transfers that the receiver did not expect. */
  txImbalance = 0;
  /** Transfers from others that the last rebalance asked for. */
  rxInitial = 0;
  /** Those that have not ended. */
  rxRemaining = 0;
  /** Those that run now. */
  rxActive = 0;
  /** Signals that were sent and not answered. */
  signalsActive = 0;
  /** Signals that were not answered, sent or not. */
  signalsRemaining = 0;
  /** Partitions that nobody had at the last rebalance. */
  freshPartitions = 0;
  /** Records sent, without repetitions. */
  recordsTransmitted = 0;
  /** Records that were not sent because the receiver had the same. */
  recordsSkipped = 0;
  /** Records that were not sent because they could not be read. */
  recordsUnreadable = 0;
  /** Records that came. */
  recordReceives = 0;
  /** Records sent again. */
  recordRetransmits = 0;
  /** Records that came and were refused because they could not be what they claimed. */
  recordsRefused = 0;
  /** Records that receivers removed because this node, which has everything, has them no longer. */
  recordsRemoved = 0;
  /** Records of copies that were given up. */
  recordsDropped = 0;

  /** Notes what a rebalance asks for; what ran before is over. */
  begin(
    plan: { readonly tx: number; readonly txLead: number; readonly rx: number; readonly signals: number },
  ): void {
    this.txInitial = this.txRemaining = plan.tx;
    this.txLeadRemaining = plan.txLead;
    this.rxInitial = this.rxRemaining = plan.rx;
    this.signalsRemaining = plan.signals;
    this.endRunning();
  }

  /** Nothing runs any more. */
  endRunning(): void {
    this.txActive = 0;
    this.rxActive = 0;
    this.signalsActive = 0;
  }

  /** Transfers and signals that have not ended. */
  get remaining(): number {
    return this.txRemaining + this.rxRemaining + this.signalsRemaining;
  }

  /** Share of the transfers that have ended, in percent. */
  get completePct(): number {
    const initial = this.txInitial + this.rxInitial;
    return initial === 0 ? 100 : 100 * (1 - (this.txRemaining + this.rxRemaining) / initial);
  }
}
