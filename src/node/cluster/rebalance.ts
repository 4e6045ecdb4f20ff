/**
 * From the cluster to the namespaces: what a node tells of them in an exchange, and the balance that follows from a
 * committed one.
 *
 * @module
 */

import type { ExchangeOwn, ExchangeResult, NodeId } from "../../cluster/mod.ts";
import type { Log } from "../../port/mod.ts";
import { type Balance, balanceInput, computeBalance, RowHashes } from "../../partition/mod.ts";
import type { Namespace } from "../../transaction/mod.ts";
import { type ExchangeNamespace, REBALANCE_FLAG } from "../../wire/mod.ts";

/** Whether a namespace of this node takes itself out of the replicas. */
export type IsQuiesced = (namespace: Namespace) => boolean;

/** What an exchange is told of the namespaces; versions must not change until it is committed. */
export function exchangeNamespaces(
  namespaces: readonly Namespace[],
  isQuiesced: IsQuiesced,
): ExchangeOwn["namespaces"] {
  return namespaces.map((namespace): ExchangeNamespace => {
    const { settings, partitions } = namespace;
    const flags = (settings.preferUniformBalance ? REBALANCE_FLAG.UNIFORM : 0) |
      (isQuiesced(namespace) ? REBALANCE_FLAG.QUIESCED : 0);
    return {
      name: settings.name,
      versions: partitions.versions.toGroups(),
      lineages: partitions.lineages.toGroups(partitions.versions),
      replicationFactor: settings.replicationFactor,
      rackId: settings.rackId,
      activeRack: settings.activeRack,
      rebalanceFlags: flags,
    };
  });
}

/** Balances of all namespaces of one node. */
export class Rebalancer {
  readonly #self: NodeId;
  readonly #log: Log;
  #hashes: RowHashes | undefined;

  /** @param options whose balances, and who hears of them */
  constructor(options: { readonly self: NodeId; readonly log: Log }) {
    this.#self = options.self;
    this.#log = options.log;
  }

  /** Computes the balance of each namespace and lets its table follow it. */
  apply(result: ExchangeResult, namespaces: readonly Namespace[]): void {
    this.#hashes ??= new RowHashes();
    this.#hashes.keepOnly(result.succession);
    for (const { settings, partitions, store } of namespaces) {
      const input = balanceInput(result, {
        namespace: settings.name,
        self: this.#self,
        hashes: this.#hashes,
      });
      const balance = computeBalance(input);
      store.beginWriteEpoch();
      partitions.apply(balance);
      this.#tell(settings.name, balance);
    }
  }

  #tell(name: string, balance: Balance): void {
    for (const warning of balance.warnings) this.#log.write("warning", "partition", `{${name}} ${warning}`);
    const { emigrations, immigrationCount, signalCount, freshCount } = balance;
    this.#log.write(
      "info",
      "partition",
      `{${name}} rebalanced: expected-migrations (${emigrations.length},${immigrationCount},${signalCount}) ` +
        `fresh-partitions ${freshCount}`,
    );
  }
}
