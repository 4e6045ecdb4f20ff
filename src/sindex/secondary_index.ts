/**
 * One index: what it is of, its entries, and how far it is built.
 *
 * States: building → ready. While it is built every change of a record is taken in as well, so that a record is in it
 * wholly or not at all, and the walk that builds it adds what is not there yet. An index can be ready and have gaps: then
 * the walk comes again, and a change of a record does not mean that what it had before is in the index.
 *
 * @module
 */

import { compileExpression, type ExpProgram } from "../record/mod.ts";
import type { PrimaryIndex } from "../storage/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { Cardinality } from "./cardinality.ts";
import type { IndexDefinition, SetDefinition, ValueDefinition } from "./definition.ts";
import type { KeyList } from "./key_list.ts";
import type { NodePool } from "./node_pool.ts";
import { binNameBytes } from "./record_values.ts";
import { IndexTree } from "./tree.ts";
import type { TreeKey } from "./tree_key.ts";

/** What an index stands on. */
export interface IndexParts {
  /** Room for nodes. */
  pool: NodePool;
  /** The namespace's primary index. */
  primary: PrimaryIndex;
}

/** One index. */
export abstract class SecondaryIndex {
  /** What it is of. */
  abstract readonly definition: IndexDefinition;
  /** Its entries. */
  readonly tree: IndexTree;
  /** Key of its definition. */
  readonly key: string;
  /** Name; two names of one definition are a change of name. */
  name: string;
  /** Whether queries may use it. */
  isReady = false;
  /** Whether the walk has passed records that it could not read. */
  hasGaps = false;
  /** How much of the records the walk that builds it has seen, in whole percent. */
  loadPct = 0;
  /** How long it took to build, in ms. */
  loadMs = 0;
  /** Records that have entries. */
  recordCount = 0;
  readonly #cardinality = new Cardinality();

  /** @param name and key of the definition */
  constructor(names: { name: string; key: string }, parts: IndexParts) {
    this.name = names.name;
    this.key = names.key;
    this.tree = new IndexTree(parts.pool, parts.primary);
  }

  /** Every record that is there is in it. */
  get isWhole(): boolean {
    return this.isReady && !this.hasGaps;
  }

  /** Different values, by estimate. */
  get valueCount(): number {
    return Math.min(this.#cardinality.estimate(), this.tree.entryCount);
  }

  /** Adds the entries of a record that are not there yet. The key holds the record. */
  add(key: TreeKey, values: KeyList): void {
    let isNew = false;
    for (let index = 0; index < values.count; index++) {
      key.setValue(values.high(index), values.low(index));
      if (!this.tree.insert(key)) continue;
      this.#cardinality.add(key.high, key.low);
      isNew = true;
    }
    if (isNew) this.recordCount++;
  }

  /** Takes a record from some values to others; both lists are sorted. The key holds the record. */
  change(key: TreeKey, from: KeyList, to: KeyList): void {
    const { tree } = this;
    let wasThere = false;
    let isThere = false;
    let fromIndex = 0;
    let toIndex = 0;
    while (fromIndex < from.count || toIndex < to.count) {
      const order = compareAt(from, fromIndex, to, toIndex);
      if (order < 0) {
        key.setValue(from.high(fromIndex), from.low(fromIndex));
        if (tree.remove(key)) wasThere = true;
        fromIndex++;
        continue;
      }
      key.setValue(to.high(toIndex), to.low(toIndex));
      isThere = true;
      // A value of both is there already, unless the walk that builds the index has still to come to the record.
      if (order === 0) fromIndex++;
      if (order === 0 && this.isWhole) wasThere = true;
      else if (tree.insert(key)) this.#cardinality.add(key.high, key.low);
      else if (order === 0) wasThere = true;
      toIndex++;
    }
    this.recordCount += Number(isThere) - Number(wasThere);
    if (tree.entryCount === 0) this.#cardinality.clear();
  }
}

function compareAt(from: KeyList, fromIndex: number, to: KeyList, toIndex: number): number {
  if (fromIndex >= from.count) return 1;
  if (toIndex >= to.count) return -1;
  const high = from.high(fromIndex) - to.high(toIndex);
  return high !== 0 ? high : from.low(fromIndex) - to.low(toIndex);
}

/** An index of values. */
export class ValueIndex extends SecondaryIndex {
  /** What it is of. */
  readonly definition: ValueDefinition;
  /** Name of the bin; empty for an expression. */
  readonly binName: Uint8Array;
  /** The expression, compiled. */
  readonly program: ExpProgram | undefined;

  /** @param definition has been checked */
  constructor(definition: ValueDefinition, names: { name: string; key: string }, parts: IndexParts) {
    super(names, parts);
    this.definition = definition;
    this.binName = binNameBytes(definition.binName);
    const program = definition.expression === undefined
      ? undefined
      : compileExpression(definition.expression);
    if (typeof program === "number") {
      throw new TypeError("The expression of an index has been compiled before");
    }
    this.program = program;
  }

  /** Geometry must be loaded before records are looked at: not all values have their cells with them. */
  get needsGeometry(): boolean {
    return this.definition.type === PARTICLE.GEOJSON || this.program?.usesGeometry === true;
  }
}

/** An index of a set's records. */
export class SetIndex extends SecondaryIndex {
  /** What it is of. */
  readonly definition: SetDefinition;
  /** The configuration alone asks for it, no command. */
  isConfigured: boolean;

  /** @param parts besides, whether the configuration alone asks for it */
  constructor(
    definition: SetDefinition,
    names: { name: string; key: string },
    parts: IndexParts & { isConfigured: boolean },
  ) {
    super(names, parts);
    this.definition = definition;
    this.isConfigured = parts.isConfigured;
  }
}
