/**
 * The indexes of one namespace: made, renamed and removed as the cluster-wide metadata says, and kept exact by every
 * change of a record, in the turn in which it happens. A namespace without indexes does not listen to changes at all.
 *
 * An entry stays as long as its record has an index entry, whether clients see the record or not: who reads an index
 * asks the store whether the record is live.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, equalBytes, readU32LE, SLICE_MAX_MS } from "../base/mod.ts";
import type { Clock, RecordChange } from "../port/mod.ts";
import { BinTable, type Element, isGeometryLoaded, isNumberParticle } from "../record/mod.ts";
import {
  BackgroundRunner,
  type BackgroundTask,
  type EntryRef,
  FlatRecord,
  type NamespaceStore,
  NO_SET,
  type SetInfo,
  SLICE_PAUSE_MS,
} from "../storage/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { IndexBuild } from "./build.ts";
import { definitionKey, type IndexDefinition, type ValueDefinition } from "./definition.ts";
import { KeyList } from "./key_list.ts";
import { NodePool } from "./node_pool.ts";
import { RecordValues } from "./record_values.ts";
import { type SecondaryIndex, SetIndex, ValueIndex } from "./secondary_index.ts";
import { TreeKey } from "./tree_key.ts";
import { hashed, hashValue } from "./value_hash.ts";

/** Indexes of one namespace, as the stock server limits them. */
export const INDEX_COUNT_MAX = 256;
/** Nodes of a removed index that are given back in one slice. */
const DISPOSED_PER_SLICE = 512;
const DIGEST_TAIL_AT = 16;

/** What a query looks for an index by. */
export interface IndexWanted {
  /** Set that the query names; indexes of the whole namespace serve it too. */
  setName: string | undefined;
  /** Bin; undefined for an expression. */
  binName: string | undefined;
  /** Particle type. */
  type: number;
  /** What of the value is indexed. */
  collection: number;
  /** Msgpack of the context. */
  context: Uint8Array | undefined;
  /** Msgpack of the expression. */
  expression: Uint8Array | undefined;
}

/** What is counted about queries for GeoJSON regions. */
export interface GeoQueryStats {
  /** Queries. */
  reqs: number;
  /** Cells of their coverings. */
  cells: number;
  /** Points that were within. */
  points: number;
  /** Points of the same cells that were not. */
  falsepos: number;
}

/** Indexes of one namespace. */
export class NamespaceIndexes {
  /** What is counted about queries for GeoJSON regions. */
  readonly geoStats: GeoQueryStats = { reqs: 0, cells: 0, points: 0, falsepos: 0 };
  readonly #store: NamespaceStore;
  readonly #clock: Clock;
  readonly #runner: BackgroundRunner;
  readonly #valuePool = new NodePool();
  readonly #setPool = new NodePool();
  readonly #indexes: SecondaryIndex[] = [];
  readonly #builds = new Map<SecondaryIndex, IndexBuild>();
  /** Indexes that concern the records of a set, by its id; forgotten when indexes change. */
  readonly #bySetId: SecondaryIndex[][] = [];
  readonly #values = new RecordValues();
  readonly #oldFlat = new FlatRecord();
  readonly #newFlat = new FlatRecord();
  readonly #oldTable: BinTable;
  readonly #newTable: BinTable;
  readonly #oldKeys = new KeyList();
  readonly #newKeys = new KeyList();
  readonly #key = new TreeKey();
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);
  #keys = this.#newKeys;

  /** @param options the records and the time */
  constructor(options: { store: NamespaceStore; clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#runner = new BackgroundRunner(options.clock);
    options.store.otherIndexesUsedBytes = () => this.usedBytes + this.setIndexUsedBytes;
    this.#oldTable = new BinTable(32, options.store.hashSeed);
    this.#newTable = new BinTable(32, options.store.hashSeed);
  }

  /** Indexes of values in order of their creation, then those of sets. */
  list(): SecondaryIndex[] {
    const isSet = (index: SecondaryIndex) => index instanceof SetIndex;
    return [...this.#indexes.filter((index) => !isSet(index)), ...this.#indexes.filter(isSet)];
  }

  /** Indexes of a set, those of the whole namespace not counted. */
  countOf(setName: string): number {
    return this.#indexes.filter((index) =>
      index instanceof ValueIndex && index.definition.setName === setName
    )
      .length;
  }

  /** Memory of the indexes of values, in bytes. */
  get usedBytes(): number {
    return this.#valuePool.usedBytes;
  }

  /** Memory of the indexes of sets, in bytes. */
  get setIndexUsedBytes(): number {
    return this.#setPool.usedBytes;
  }

  /** An index by name. */
  byName(name: string): SecondaryIndex | undefined {
    return this.#indexes.find((index) => index.name === name);
  }

  /** An index by the key of its definition. */
  byKey(key: string): SecondaryIndex | undefined {
    return this.#indexes.find((index) => index.key === key);
  }

  /** The index of values that serves a query: that of its set, else that of the namespace. */
  find(wanted: IndexWanted): ValueIndex | undefined {
    const serves = (index: SecondaryIndex, setName: string | undefined): index is ValueIndex =>
      index instanceof ValueIndex && index.definition.setName === setName &&
      isWanted(index.definition, wanted);
    const { setName } = wanted;
    const ofSet = this.#indexes.find((index): index is ValueIndex => serves(index, setName));
    if (ofSet !== undefined || setName === undefined) return ofSet;
    return this.#indexes.find((index): index is ValueIndex => serves(index, undefined));
  }

  /** The index of a set; undefined when there is none, ready or not. */
  setIndex(setName: string): SetIndex | undefined {
    return this.#indexes.find((index): index is SetIndex =>
      index instanceof SetIndex && index.definition.setName === setName
    );
  }

  /**
   * Makes an index and begins to build it, or gives the one of this definition another name. An index of another
   * definition that has the name is removed.
   *
   * @param definition has been checked
   */
  create(definition: IndexDefinition, name: string): void {
    const key = definitionKey(this.#store.settings.name, definition);
    const named = this.byName(name);
    if (named !== undefined && named.key !== key) this.remove(named.key);
    const known = this.byKey(key);
    if (known !== undefined) {
      known.name = name;
      if (known instanceof SetIndex) known.isConfigured = false;
      return;
    }
    this.#add(this.#make(definition, { name, key }));
  }

  /** Removes an index by the key of its definition; false when there is none. */
  remove(key: string): boolean {
    const index = this.byKey(key);
    if (index === undefined) return false;
    this.#builds.get(index)?.cancel();
    this.#builds.delete(index);
    this.#indexes.splice(this.#indexes.indexOf(index), 1);
    this.#bySetId.length = 0;
    if (this.#indexes.length === 0) this.#store.changes.unsubscribe(this.#onChange);
    index.isReady = false;
    this.#runner.start({ step: () => index.tree.dispose(DISPOSED_PER_SLICE) ? undefined : SLICE_PAUSE_MS });
    this.followSettings();
    return true;
  }

  /** Makes and removes the indexes of sets that the configuration asks for; called when it may have changed. */
  followSettings(): void {
    const { sets, name: namespaceName } = this.#store.settings;
    for (const index of this.list()) {
      if (!(index instanceof SetIndex) || !index.isConfigured) continue;
      if (sets.get(index.definition.setName)?.enableIndex !== true) this.remove(index.key);
    }
    for (const [setName, { enableIndex }] of sets) {
      if (!enableIndex || this.setIndex(setName) !== undefined) continue;
      const definition = { kind: "set", setName } as const;
      const key = definitionKey(namespaceName, definition);
      const parts = { pool: this.#setPool, primary: this.#store.index, isConfigured: true };
      this.#add(new SetIndex(definition, { name: "", key }, parts));
    }
  }

  /** Stops all that is built where it is. */
  stop(): void {
    this.#runner.stop();
    for (const build of this.#builds.values()) build.cancel();
  }

  #make(definition: IndexDefinition, names: { name: string; key: string }): SecondaryIndex {
    const primary = this.#store.index;
    if (definition.kind === "value") {
      return new ValueIndex(definition, names, { pool: this.#valuePool, primary });
    }
    return new SetIndex(definition, names, { pool: this.#setPool, primary, isConfigured: false });
  }

  #add(index: SecondaryIndex): void {
    if (this.#indexes.length === 0) this.#store.changes.subscribe(this.#onChange);
    this.#indexes.push(index);
    this.#bySetId.length = 0;
    this.#build(index);
  }

  /** Builds all indexes from the records that are there: after a start that has told nobody of them. */
  rebuild(): void {
    for (const index of this.#indexes) {
      this.#builds.get(index)?.cancel();
      index.isReady = false;
      index.hasGaps = false;
      index.loadPct = 0;
      this.#build(index);
    }
  }

  #build(index: SecondaryIndex): void {
    const build = new IndexBuild(index, {
      store: this.#store,
      clock: this.#clock,
      add: (built, entry) => this.#addRecord(built, entry),
      resume: (task: BackgroundTask) => this.#runner.start(task),
    });
    this.#builds.set(index, build);
    // Few records are taken in at once, so that the index can be used by the next request.
    const nowMs = this.#clock.monotonicMs();
    if (build.step(this.#clock, nowMs + SLICE_MAX_MS) !== undefined) this.#runner.start(build);
  }

  /** Adds a record that the walk of a build has met; its bytes are in the store's `flat`. */
  #addRecord(index: SecondaryIndex, entry: EntryRef): void {
    const key = this.#key;
    entry.copyDigest(this.#digest, 0);
    key.setRecord(this.#digest, 0, entry.handle);
    if (index instanceof ValueIndex) {
      const { flat } = this.#store;
      this.#newTable.reset(flat.bytes, flat.bytes);
      flat.loadBins(this.#newTable);
      this.#collect(index, this.#newTable, this.#newKeys);
    } else {
      this.#newKeys.clear();
      this.#newKeys.add(0, this.#store.index.sprigOf(this.#digest, 0));
    }
    index.add(key, this.#newKeys);
  }

  /** Takes in a change of a record. */
  readonly #onChange = (change: RecordChange): void => {
    const key = this.#key;
    key.setRecord(change.digest, change.digestAt, change.handle);
    this.#digest.set(change.digest.subarray(change.digestAt, change.digestAt + DIGEST_SIZE_BYTES));
    if (change.existed && change.old === undefined) return this.#changeUnknown(change);
    const oldSet = this.#open(change.old, this.#oldFlat, this.#oldTable);
    const newSet = this.#open(change.new, this.#newFlat, this.#newTable);
    const oldIndexes = oldSet < 0 ? NO_INDEXES : this.#ofSet(oldSet);
    const newIndexes = newSet < 0 ? NO_INDEXES : this.#ofSet(newSet);
    for (const index of oldIndexes) {
      const stays = oldSet === newSet || newIndexes.includes(index);
      this.#changeIn(index, { wasIn: true, isIn: stays });
    }
    if (oldSet === newSet) return;
    for (const index of newIndexes) {
      if (!oldIndexes.includes(index)) this.#changeIn(index, { wasIn: false, isIn: true });
    }
  };

  /** Takes in a change of a record whose former bytes are not at hand: where it was the indexes themselves tell. */
  #changeUnknown(change: RecordChange): void {
    const newSet = this.#open(change.new, this.#newFlat, this.#newTable);
    const newIndexes = newSet < 0 ? NO_INDEXES : this.#ofSet(newSet);
    const newKeys = this.#newKeys;
    for (const index of this.#indexes) {
      index.tree.valuesOf(this.#key, this.#oldKeys);
      newKeys.clear();
      if (newIndexes.includes(index)) this.#fill(index, this.#newTable, newKeys);
      index.change(this.#key, this.#oldKeys, newKeys);
    }
  }

  /** Opens a record that has bins; the id of its set, -1 when there is no record or only a tombstone. */
  #open(bytes: Uint8Array | undefined, flat: FlatRecord, table: BinTable): number {
    if (bytes === undefined) return -1;
    flat.open(bytes, 0);
    if (flat.binCount === 0) return -1;
    table.reset(bytes, bytes);
    flat.loadBins(table);
    if (flat.setAt < 0) return NO_SET;
    return this.#store.sets.find(bytes, flat.setAt, flat.setSize)?.id ?? NO_SET;
  }

  #ofSet(id: number): readonly SecondaryIndex[] {
    return this.#bySetId[id] ??= this.#indexes.filter((index) => concerns(index, this.#store.sets.byId(id)));
  }

  #changeIn(index: SecondaryIndex, { wasIn, isIn }: { wasIn: boolean; isIn: boolean }): void {
    const oldKeys = this.#oldKeys;
    const newKeys = this.#newKeys;
    oldKeys.clear();
    newKeys.clear();
    if (index instanceof ValueIndex) {
      if (wasIn && isIn && !index.hasGaps && this.#isBinUnchanged(index)) return;
    } else if (wasIn && isIn) {
      return;
    }
    if (wasIn) this.#fill(index, this.#oldTable, oldKeys);
    if (isIn) this.#fill(index, this.#newTable, newKeys);
    index.change(this.#key, oldKeys, newKeys);
  }

  /** Fills a list with what a record is in an index under. */
  #fill(index: SecondaryIndex, table: BinTable, keys: KeyList): void {
    if (!(index instanceof ValueIndex)) return keys.add(0, this.#store.index.sprigOf(this.#digest, 0));
    // Before geometry is there nothing is taken in: the walk that builds the index has not begun.
    if (!index.isReady && index.needsGeometry && !isGeometryLoaded()) return;
    this.#collect(index, table, keys);
  }

  /** Whether the index's bin is the same before and after. */
  #isBinUnchanged({ binName, definition }: ValueIndex): boolean {
    if (definition.binName === undefined) return false;
    const before = this.#oldTable;
    const after = this.#newTable;
    const from = before.find(binName, 0, binName.length);
    const to = after.find(binName, 0, binName.length);
    if (from < 0 || to < 0) return from === to;
    if (before.type[from] !== after.type[to]) return false;
    if (isNumberParticle(after.type[to])) {
      return before.high[from] === after.high[to] && before.low[from] === after.low[to];
    }
    const sizeBytes = after.valueSize[to];
    return before.valueSize[from] === sizeBytes && equalBytes(
      before.valueBuffer(from),
      before.valueAt[from],
      after.valueBuffer(to),
      after.valueAt[to],
      sizeBytes,
    );
  }

  /** Fills a list with the values under which a record is in an index. */
  #collect(index: ValueIndex, table: BinTable, keys: KeyList): void {
    keys.clear();
    this.#keys = keys;
    const digestTail = readU32LE(this.#digest, DIGEST_TAIL_AT);
    this.#values.forEach(index, { table, digestTail }, this.#addValue);
    keys.sort();
  }

  readonly #addValue = (element: Element): void => {
    const keys = this.#keys;
    if (element.type === PARTICLE.INTEGER) return keys.add(element.high, element.low);
    if (element.type === PARTICLE.GEOJSON) {
      const values = this.#values;
      values.forEachCell(element, () => values.shape(element), (high, low) => keys.add(high, low));
      return;
    }
    hashValue(element.bytes, element.at, element.size);
    keys.add(hashed.high, hashed.low);
  };
}

const NO_INDEXES: readonly SecondaryIndex[] = [];

function concerns({ definition }: SecondaryIndex, set: SetInfo | undefined): boolean {
  return definition.setName === undefined || definition.setName === set?.name;
}

function isWanted(definition: ValueDefinition, wanted: IndexWanted): boolean {
  return definition.type === wanted.type && definition.collection === wanted.collection &&
    definition.binName === wanted.binName && isSame(definition.context, wanted.context) &&
    isSame(definition.expression, wanted.expression);
}

function isSame(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.length === right.length && equalBytes(left, 0, right, 0, left.length);
}
