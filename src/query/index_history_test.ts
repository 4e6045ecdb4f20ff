import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { utf8 } from "../base/mod.ts";
import { bin, encodeTerm, type Term, TestMap } from "../record/testing.ts";
import { COLLECTION, type IndexDefinition } from "../sindex/mod.ts";
import { PendingDevice } from "../storage/mod.ts";
import { FIELD, PARTICLE } from "../wire/mod.ts";
import {
  createIndex,
  definitionOf,
  integersOf,
  removeAll,
  removeRecord,
  storeRecord,
  type TestValue,
  valueOf,
} from "./index_testing.ts";
import { digestsOf, testDigests, TestQueries, type TestQuery } from "./testing.ts";

const RECORD_COUNT = 40;
const STEP_COUNT_MAX = 150;
const VALUE_MAX = 12;

/** One step of a history. */
type Step =
  | { do: "store"; number: number; value: number; inSet: boolean; ttlS: number }
  | { do: "remove"; number: number }
  | { do: "truncate" }
  | { do: "wait"; ms: number }
  | { do: "create"; which: number }
  | { do: "drop"; which: number };

interface Modelled {
  value: number;
  inSet: boolean;
  expiresMs: number;
}

/** The bins of a record: all made of one number. */
function binsOf(value: number): Record<string, TestValue> {
  const list: Term[] = [value, value + 1, "x", value, [value + 2]];
  const entries: [Term, Term][] = [[value, value + 5], [value + 1, "v" + value], ["k", [value]]];
  const bins: Record<string, TestValue> = {
    n: value,
    s: `text${value}`,
    l: list,
    m: new TestMap(entries),
    other: 1,
  };
  if (value % 5 === 0) delete bins.n;
  if (value % 7 === 0) bins.l = value;
  return bins;
}

/** What is indexed, which query asks for it, and which values a record made of a number has in it. */
interface Case {
  name: string;
  definition: IndexDefinition;
  query: (from: number, to: number) => TestQuery;
  values: (value: number) => number[];
}

const nOf = (value: number) => value % 5 === 0 ? [] : [value];
const listOf = (value: number) => value % 7 === 0 ? [] : [value, value + 1];
const collection = (type: number): TestQuery => ({ fields: [[FIELD.INDEX_TYPE, Uint8Array.of(type)]] });
const EXPRESSION = encodeTerm([20, bin(2, "n"), 100]);
const CONTEXT = encodeTerm([0x10, 4]);

const CASES: Case[] = [
  {
    name: "number",
    definition: definitionOf(),
    query: (from, to) => integersOf("n", [from, to]),
    values: nOf,
  },
  {
    name: "number of a set",
    definition: definitionOf({ setName: "demo" }),
    query: (from, to) => integersOf("n", [from, to], { set: "demo" }),
    values: nOf,
  },
  {
    name: "list",
    definition: definitionOf({ binName: "l", collection: COLLECTION.LIST }),
    query: (from, to) => integersOf("l", [from, to], collection(COLLECTION.LIST)),
    values: listOf,
  },
  {
    name: "map keys",
    definition: definitionOf({ binName: "m", collection: COLLECTION.MAP_KEYS }),
    query: (from, to) => integersOf("m", [from, to], collection(COLLECTION.MAP_KEYS)),
    values: (value) => [value, value + 1],
  },
  {
    name: "map values",
    definition: definitionOf({ binName: "m", collection: COLLECTION.MAP_VALUES }),
    query: (from, to) => integersOf("m", [from, to], collection(COLLECTION.MAP_VALUES)),
    values: (value) => [value + 5],
  },
  {
    name: "inside a list",
    definition: definitionOf({ binName: "l", collection: COLLECTION.LIST, context: CONTEXT }),
    query: (from, to) =>
      integersOf("l", [from, to], {
        fields: [[FIELD.INDEX_TYPE, Uint8Array.of(COLLECTION.LIST)], [FIELD.INDEX_CONTEXT, CONTEXT]],
      }),
    values: (value) => value % 7 === 0 ? [] : [value + 2],
  },
  {
    name: "expression",
    definition: definitionOf({ binName: undefined, expression: EXPRESSION }),
    query: (from, to) =>
      integersOf("", [from + 100, to + 100], { fields: [[FIELD.INDEX_EXPRESSION, EXPRESSION]] }),
    values: nOf,
  },
  {
    name: "text",
    definition: definitionOf({ binName: "s", type: PARTICLE.STRING }),
    query: (from) => valueOf("s", `text${from}`),
    values: (value) => [value],
  },
];

/** A namespace and a model of it. */
class History {
  readonly queries: TestQueries;
  readonly model = new Map<number, Modelled>();
  readonly made = new Set<number>();

  constructor(isPending: boolean, hidesOld: boolean) {
    this.queries = new TestQueries(
      isPending ? { wrapDevice: (inner, clock) => new PendingDevice(inner, clock) } : {},
    );
    this.queries.records.clock.readCostMs = 0.3;
    // What a device does whose records nobody has read: this subscriber comes before the indexes.
    if (hidesOld) this.queries.namespace.store.changes.subscribe((change) => void (change.old = undefined));
  }

  get #nowMs(): number {
    return this.queries.namespace.store.nowMs();
  }

  apply(step: Step): void {
    const { queries, model } = this;
    const { clock } = queries.records;
    const { indexes, store } = queries.namespace;
    switch (step.do) {
      case "store": {
        const { inSet, number, ttlS, value } = step;
        // A record keeps its set as long as it lives.
        if (model.get(number)?.inSet === !inSet) removeRecord(queries, number);
        const set = inSet ? { set: "demo" } : {};
        assertEquals(storeRecord(queries, number, { ...set, ttlS, bins: binsOf(value) }), 0);
        const seconds = Math.floor(this.#nowMs / 1000) + ttlS;
        model.set(number, { value, inSet, expiresMs: ttlS === 0 ? Infinity : (seconds + 1) * 1000 - 1 });
        return;
      }
      case "remove":
        removeRecord(queries, step.number);
        model.delete(step.number);
        return;
      case "truncate": {
        const set = store.sets.find(utf8("demo"), 0, 4);
        if (set === undefined) return;
        // Last update times run ahead of a clock that stands still, by 1 ms for each write.
        clock.advance(STEP_COUNT_MAX + 1);
        store.truncate(set, this.#nowMs - 1);
        for (const [number, { inSet }] of model) if (inSet) model.delete(number);
        return;
      }
      case "wait":
        return clock.advance(step.ms);
      case "create":
        this.made.add(step.which);
        return indexes.create(CASES[step.which].definition, CASES[step.which].name);
      case "drop":
        this.made.delete(step.which);
        indexes.remove(indexes.byName(CASES[step.which].name)?.key ?? "");
    }
  }

  /** Builds what is not ready yet and compares each index with a look at all records. */
  check(from: number, to: number): void {
    for (const which of this.made) createIndex(this.queries, CASES[which].name, CASES[which].definition);
    // From here on time stands still, so that no record expires between the look at the model and the query.
    this.queries.records.clock.readCostMs = 0;
    for (const which of this.made) {
      const { definition, name, query, values } = CASES[which];
      this.queries.namespace.indexes.byName(name)!.tree.check();
      const isText = definition.kind === "value" && definition.type === PARTICLE.STRING;
      const wanted = [...this.model].filter(([, { expiresMs, inSet, value }]) => {
        const isIn = definition.setName === undefined || inSet;
        const found = values(value).some((each) => each >= from && each <= (isText ? from : to));
        return isIn && found && expiresMs >= this.#nowMs;
      });
      const got = digestsOf(this.queries.query(query(from, to))).sort();
      assertEquals(got, testDigests(wanted.map(([number]) => number)), `${name} from ${from} to ${to}`);
    }
  }

  /** Removes everything: nothing may be left in the indexes. */
  end(): void {
    removeAll(this.queries);
    for (const index of this.queries.namespace.indexes.list()) {
      assertEquals([index.name, index.tree.entryCount, index.tree.usedBytes], [index.name, 0, 0]);
      assertEquals([index.name, index.recordCount], [index.name, 0]);
    }
  }
}

const number = fc.integer({ min: 0, max: RECORD_COUNT - 1 });
const which = fc.integer({ min: 0, max: CASES.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("store" as const),
      number,
      value: fc.integer({ min: 0, max: VALUE_MAX }),
      inSet: fc.boolean(),
      ttlS: fc.constantFrom(0, 0, 2, 5),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("remove" as const), number }) },
  { weight: 1, arbitrary: fc.constant({ do: "truncate" as const }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(0, 0, 1, 1, 2, 3, 1500) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("create" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop" as const), which }) },
);

for (const [isPending, hidesOld] of [[false, false], [true, false], [false, true]]) {
  const device = hidesOld
    ? "without former bytes"
    : isPending
    ? "with a device that answers later"
    : "in memory";
  Deno.test(`queries by index find what a look at all records finds, under random histories, ${device}`, () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 20, maxLength: STEP_COUNT_MAX, size: "max" }),
        fc.integer({ min: -1, max: VALUE_MAX }),
        fc.integer({ min: 0, max: VALUE_MAX }),
        (steps, from, count) => {
          const history = new History(isPending, hidesOld);
          for (const each of steps) history.apply(each);
          history.check(from, from + count);
          history.end();
        },
      ),
      { numRuns: isPending || hidesOld ? 30 : 60, seed: 7 },
    );
  });
}
