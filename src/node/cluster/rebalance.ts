/**
 * From the cluster to the namespaces: what a node tells of them in an exchange, and the balance that follows from a
 * committed one.
 *
 * A balance takes several milliseconds of CPU, many times that with uniform balance in a large cluster, and a node is one
 * event loop. So it is worked out in slices, while clients are served by the tables as they were. That is nothing new to
 * the protocols: it is the state between an exchange's begin and its commit, which each member reaches and leaves at
 * another time anyhow; versions stand still, migrations are paused, and messages carry the key of the cluster that their
 * sender's tables follow. What was worked out depends on the exchange alone, so nothing can change under it. Then all
 * tables follow in one turn: nobody sees a mix of two clusters. What must not wait (a further change of the cluster, the
 * end of the start) finishes the work at once.
 *
 * @module
 */

import { SLICE_MAX_MS } from "../../base/mod.ts";
import type { ExchangeOwn, ExchangeResult, NodeId } from "../../cluster/mod.ts";
import type { Clock, Log } from "../../port/mod.ts";
import {
  type Balance,
  balanceInputSliced,
  computeBalanceSliced,
  RowHashes,
  runWhole,
  type Sliced,
} from "../../partition/mod.ts";
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

/** Steps of the work in one turn, at most: virtual time does not pass within a turn. */
const STEP_COUNT_MAX = 64;

/** What a {@linkcode Rebalancer} stands on. */
export interface RebalancerOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  readonly namespaces: readonly Namespace[];
  /** The tables follow the balance of an exchange, from this turn on. */
  readonly onFollowed: (result: ExchangeResult) => void;
}

/** Work under way. */
interface Work {
  readonly result: ExchangeResult;
  readonly balances: Sliced<Balance[]>;
}

/** Balances of all namespaces of one node. See the head of the file. */
export class Rebalancer {
  readonly #options: RebalancerOptions;
  readonly #hashes = new RowHashes();
  #work: Work | undefined;

  /** @param options whose balances, and who hears of them */
  constructor(options: RebalancerOptions) {
    this.#options = options;
  }

  /** An exchange is committed whose balance no table follows yet. */
  get isWorking(): boolean {
    return this.#work !== undefined;
  }

  /** Begins to work out the balance of each namespace. */
  begin(result: ExchangeResult): void {
    this.finish();
    const work: Work = { result, balances: this.#compute(result) };
    this.#work = work;
    this.#options.clock.nextTurn(() => this.#slice(work));
  }

  /** Does all that is left at once, and lets the tables follow. */
  finish(): void {
    const work = this.#work;
    if (work !== undefined) this.#follow(work, runWhole(work.balances));
  }

  /** Forgets what was begun. */
  stop(): void {
    this.#work = undefined;
  }

  #slice(work: Work): void {
    if (this.#work !== work) return;
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + SLICE_MAX_MS;
    for (let step = 0; step < STEP_COUNT_MAX; step++) {
      const { done, value } = work.balances.next();
      if (done === true) return this.#follow(work, value);
      if (clock.monotonicMs() >= deadlineMs) break;
    }
    clock.nextTurn(() => this.#slice(work));
  }

  *#compute(result: ExchangeResult): Sliced<Balance[]> {
    const { self, namespaces } = this.#options;
    this.#hashes.keepOnly(result.succession);
    const balances: Balance[] = [];
    for (const { settings } of namespaces) {
      const of = { namespace: settings.name, self, hashes: this.#hashes };
      const input = yield* balanceInputSliced(result, of);
      balances.push(yield* computeBalanceSliced(input));
    }
    return balances;
  }

  #follow({ result }: Work, balances: readonly Balance[]): void {
    this.#work = undefined;
    for (const [at, { settings, partitions, store }] of this.#options.namespaces.entries()) {
      store.beginWriteEpoch();
      partitions.apply(balances[at]);
      this.#tell(settings.name, balances[at]);
    }
    this.#options.onFollowed(result);
  }

  #tell(name: string, balance: Balance): void {
    for (const warning of balance.warnings) {
      this.#options.log.write("warning", "partition", `{${name}} ${warning}`);
    }
    const { emigrations, immigrationCount, signalCount, freshCount } = balance;
    this.#options.log.write(
      "info",
      "partition",
      `{${name}} rebalanced: expected-migrations (${emigrations.length},${immigrationCount},${signalCount}) ` +
        `fresh-partitions ${freshCount}`,
    );
  }
}
