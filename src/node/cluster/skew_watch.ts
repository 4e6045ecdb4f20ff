/**
 * What follows when the clocks of the cluster are too far apart: a warning, and then writes of the namespaces that depend
 * on it are refused. Source: clustering reference, section 7.3.
 *
 * @module
 */

import {
  type NodeId,
  nodeIdForLog,
  type SkewConsequence,
  skewConsequence,
  skewLimits,
} from "../../cluster/mod.ts";
import type { Settings } from "../../config/mod.ts";
import type { Log } from "../../port/mod.ts";
import type { Namespace } from "../../transaction/mod.ts";
import { quantumMs } from "./cluster_settings.ts";

/** What {@linkcode SkewWatch} stands on. */
export interface SkewWatchOptions {
  readonly settings: Settings;
  readonly namespaces: readonly Namespace[];
  readonly log: Log;
}

/** See the head of the file. */
export class SkewWatch {
  readonly #options: SkewWatchOptions;
  readonly #consequences = new Map<Namespace, SkewConsequence>();

  constructor(options: SkewWatchOptions) {
    this.#options = options;
  }

  /** The skew was calculated anew. */
  update({ skewMs, outliers }: { readonly skewMs: number; readonly outliers: readonly NodeId[] }): void {
    const quantum = quantumMs(this.#options.settings);
    for (const namespace of this.#options.namespaces) {
      const { strongConsistency, nsupPeriod } = namespace.settings;
      const limits = skewLimits({ strongConsistency, nsupPeriodS: nsupPeriod }, quantum);
      const consequence = skewConsequence(skewMs, limits);
      const before = this.#consequences.get(namespace) ?? "none";
      if (consequence === before) continue;
      this.#consequences.set(namespace, consequence);
      namespace.store.clockSkewStopsWrites = consequence === "stop-writes";
      this.#tell(namespace, consequence, { skewMs, outliers });
    }
  }

  #tell(
    { settings }: Namespace,
    consequence: SkewConsequence,
    skew: { readonly skewMs: number; readonly outliers: readonly NodeId[] },
  ): void {
    const { log } = this.#options;
    const apart = `{${settings.name}} clocks of the cluster are ${Math.round(skew.skewMs)} ms apart`;
    if (consequence === "none") return log.write("info", "skew", `${apart}: all is well again`);
    const who = skew.outliers.map(nodeIdForLog).join(", ");
    const advice = `set the clocks${who === "" ? "" : `, those of ${who} first`}`;
    const effect = consequence === "warn" ? "writes will be refused if it grows" : "writes are refused";
    log.write("warning", "skew", `${apart}: ${effect}; ${advice}`);
  }
}
