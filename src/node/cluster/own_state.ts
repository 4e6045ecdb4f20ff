/**
 * What this node tells of itself: capabilities, and whether it wants to hand its partitions to others. Quiescing takes
 * effect with the next exchange, for which `recluster` asks. Source: clustering reference, section 11.4.
 *
 * @module
 */

import { CAPABILITY } from "../../cluster/mod.ts";
import type { ServiceSettings } from "../../config/mod.ts";
import type { TruncationItem } from "../../wire/mod.ts";

/** What this release does beyond the stock protocol. */
const BUILT: number = CAPABILITY.DELTA_MIGRATION | CAPABILITY.HOST_SPREAD |
  CAPABILITY.PLACEMENT | CAPABILITY.LARGE_CLUSTER |
  CAPABILITY.FAST_DEATH | CAPABILITY.TOMBSTONES | CAPABILITY.PERSISTED_INDEX |
  CAPABILITY.LINEAGE | CAPABILITY.TRUNCATIONS;

/** See the head of the file. */
export class OwnState {
  /** `quiesce` was asked for and not undone. */
  isQuiescePending = false;
  /** Bits of the capability word that are not told: the node behaves as an earlier release. Set before the start. */
  withheldCapabilities = 0;
  /** There is no capability word: the node looks like a stock one to the others. Set before the start. */
  tellsNoCapabilities = false;
  /** Truncations that the node knows, of its metadata. */
  truncations: () => readonly TruncationItem[] = () => [];
  readonly #service: Pick<ServiceSettings, "stayQuiesced" | "copiesOnOneHost">;
  #more = 0;

  /** @param service settings, read again and again */
  constructor(service: Pick<ServiceSettings, "stayQuiesced" | "copiesOnOneHost">) {
    this.#service = service;
  }

  /** The capability word: bits of `CAPABILITY`; undefined for none. */
  get capabilities(): number | undefined {
    if (this.tellsNoCapabilities) return undefined;
    const all = BUILT | this.#more | (this.#service.copiesOnOneHost ? CAPABILITY.SHARED_HOSTS : 0);
    return all & ~this.withheldCapabilities;
  }

  /** Whether truncations are told in exchanges, and those of others taken. */
  get tellsTruncations(): boolean {
    return ((this.capabilities ?? 0) & CAPABILITY.TRUNCATIONS) !== 0;
  }

  /** The node takes itself out of the replicas at the next exchange. */
  get isQuiesced(): boolean {
    return this.isQuiescePending || this.#service.stayQuiesced;
  }

  /** Another part of the node can do more; called before the node starts. */
  addCapabilities(bits: number): void {
    this.#more |= bits;
  }
}
