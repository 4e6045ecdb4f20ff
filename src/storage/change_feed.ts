/**
 * Tells subscribers of every change of a record, in the turn in which it happens: secondary indexes, indexes of sets.
 *
 * @module
 */

import { copyBytes, DIGEST_SIZE_BYTES } from "../base/mod.ts";
import type { ChangeOrigin, RecordChange, RecordChangeSubscriber } from "../port/mod.ts";
import type { FlatRecord } from "./flat.ts";
import { NO_LOCATION, type RecordSpace } from "./space.ts";

/** A change of a record, by places: NO_LOCATION where there is, or was, none. */
export interface PlacedChange {
  /** Where the record was. */
  oldLocation: number;
  /** Its size. */
  oldUnits: number;
  /** Where it is. */
  location: number;
  /** Its size. */
  units: number;
  /** Handle of its entry. */
  handle: number;
  /** Cause. */
  origin: ChangeOrigin;
}

/** See the head of the file. */
export class ChangeFeed {
  readonly #space: RecordSpace;
  readonly #subscribers: RecordChangeSubscriber[] = [];
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #change: RecordChange = {
    digest: this.#digest,
    digestAt: 0,
    handle: 0,
    existed: false,
    old: undefined,
    new: undefined,
    origin: "client",
  };

  /** @param space where the records are */
  constructor(space: RecordSpace) {
    this.#space = space;
  }

  /** Whether somebody hears of changes. */
  get isHeard(): boolean {
    return this.#subscribers.length > 0;
  }

  /** Somebody hears of every change from now on. */
  subscribe(subscriber: RecordChangeSubscriber): void {
    this.#subscribers.push(subscriber);
  }

  /** Hears of no more changes; not from within a subscriber. */
  unsubscribe(subscriber: RecordChangeSubscriber): void {
    const place = this.#subscribers.indexOf(subscriber);
    if (place >= 0) this.#subscribers.splice(place, 1);
  }

  /** Tells of a change that has happened; the old record's place is not given back yet. */
  publish(digest: Uint8Array, at: number, placed: PlacedChange): void {
    if (this.#subscribers.length === 0) return;
    copyBytes(digest, at, this.#digest, 0, DIGEST_SIZE_BYTES);
    const change = this.#change;
    change.old = this.#view(placed.oldLocation, placed.oldUnits);
    change.new = this.#view(placed.location, placed.units);
    change.handle = placed.handle;
    change.existed = placed.oldLocation !== NO_LOCATION;
    change.origin = placed.origin;
    for (const subscriber of this.#subscribers) subscriber(change);
  }

  /**
   * Tells of a record that was found at the start.
   *
   * @param record its header
   * @param found its bytes, expanded; the handle of its entry, and whether there was one
   */
  tellFound(
    { bytes, digestAt }: FlatRecord,
    { record, handle, existed }: { record: Uint8Array; handle: number; existed: boolean },
  ): void {
    copyBytes(bytes, digestAt, this.#digest, 0, DIGEST_SIZE_BYTES);
    const change = this.#change;
    change.handle = handle;
    change.existed = existed;
    change.old = undefined;
    change.new = record;
    change.origin = "cold-start";
    for (const subscriber of this.#subscribers) subscriber(change);
  }

  #view(location: number, units: number): Uint8Array | undefined {
    return location === NO_LOCATION ? undefined : this.#space.peek(location, units);
  }
}
