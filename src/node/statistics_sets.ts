/**
 * What a set counts and how it is configured, under the stock server's names and in its order: the answer to `sets`,
 * and the `aerospike_sets_*` metrics. Source: wire-protocol reference, section 9.6.
 *
 * @module
 */

import { defaultSet } from "../config/mod.ts";
import type { SetInfo } from "../storage/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import type { Statistic } from "./statistics.ts";

/** A set and what it counts. */
export type CountedSet = Pick<
  SetInfo,
  "name" | "objects" | "tombstones" | "dataUsedBytes" | "truncateLutMs" | "truncating"
>;

/** All statistics of a set, in the stock server's order. */
export function setStatistics(namespace: Namespace, set: CountedSet): Statistic[] {
  const settings = namespace.settings.sets.get(set.name) ?? DEFAULTS;
  return [
    ["objects", set.objects],
    ["tombstones", set.tombstones],
    ["data_used_bytes", set.dataUsedBytes],
    ["truncate_lut", set.truncateLutMs],
    ["sindexes", namespace.indexes.countOf(set.name)],
    ["index_populating", namespace.indexes.setIndex(set.name)?.isReady === false],
    ["truncating", set.truncating],
    ["default-read-touch-ttl-pct", settings.defaultReadTouchTtlPct],
    ["default-ttl", settings.defaultTtl],
    ["disable-eviction", settings.disableEviction],
    ["enable-index", settings.enableIndex],
    ["stop-writes-count", settings.stopWritesCount],
    ["stop-writes-size", settings.stopWritesSize],
  ];
}

const DEFAULTS = defaultSet();

/** What is counted of a set that is configured and has had no record yet. */
const NOTHING = { objects: 0, tombstones: 0, dataUsedBytes: 0, truncateLutMs: 0, truncating: false };

/** Sets of a namespace: those that had records, then those that are only configured. */
export function setsOf({ store, settings }: Namespace): CountedSet[] {
  const configured = [...settings.sets.keys()].filter((name) => store.sets.byName(name) === undefined);
  return [...store.sets, ...configured.map((name) => ({ name, ...NOTHING }))];
}

/** A set as one `:`-joined record. */
export function setText(namespace: Namespace, set: CountedSet): string {
  return setStatistics(namespace, set).map(([name, value]) => `${name}=${value}`).join(":");
}
