/**
 * Helpers for tests of queries by index: records with bins of any type, indexes, and ranges.
 *
 * @module
 */

import { ByteBuffer, DIGEST_SIZE_BYTES, partitionId, utf8 } from "../base/mod.ts";
import { encodeTerm, type Term, TestMap } from "../record/testing.ts";
import { COLLECTION, type IndexDefinition, type ValueDefinition } from "../sindex/mod.ts";
import { EntryRef } from "../storage/mod.ts";
import { testDigest } from "../storage/testing.ts";
import { FIELD, INFO2, PARTICLE, RequestWriter } from "../wire/mod.ts";
import { scanOf, type TestQueries, type TestQuery } from "./testing.ts";

/** A value of a bin; lists are lists, texts are strings. */
export type TestValue = number | bigint | string | Uint8Array | TestMap | readonly Term[] | TestGeo;

/** A GeoJSON value. */
export class TestGeo {
  /** @param json text */
  constructor(readonly json: string) {}
}

function particleOf(value: TestValue): { type: number; bytes: Uint8Array } {
  if (typeof value === "number" || typeof value === "bigint") {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, BigInt(value));
    return { type: PARTICLE.INTEGER, bytes };
  }
  if (typeof value === "string") return { type: PARTICLE.STRING, bytes: utf8(value) };
  if (value instanceof Uint8Array) return { type: PARTICLE.BLOB, bytes: value };
  if (value instanceof TestMap) return { type: PARTICLE.MAP, bytes: encodeTerm(value) };
  if (value instanceof TestGeo) {
    return { type: PARTICLE.GEOJSON, bytes: Uint8Array.of(0, 0, 0, ...utf8(value.json)) };
  }
  return { type: PARTICLE.LIST, bytes: encodeTerm(value) };
}

/** Stores a record in place of what the number had; a result code. */
export function storeRecord(
  queries: TestQueries,
  number: number,
  record: { set?: string; ttlS?: number; bins: Record<string, TestValue> },
): number {
  const writer = new RequestWriter(new ByteBuffer());
  writer.begin({ info1: 0, info2: INFO2.WRITE, info3: 0x10, recordTtl: record.ttlS ?? 0 });
  writer.textField(FIELD.NAMESPACE, "test");
  if (record.set !== undefined) writer.textField(FIELD.SET, record.set);
  writer.field(FIELD.DIGEST, testDigest(number));
  for (const [name, value] of Object.entries(record.bins)) {
    const { type, bytes } = particleOf(value);
    const at = writer.beginOp(2, name);
    writer.buffer.append(bytes);
    writer.endOp(at, type);
  }
  writer.finish();
  return queries.write(writer.buffer.toBytes());
}

/** Removes a record as a client does; a result code. */
export function removeRecord(queries: TestQueries, number: number): number {
  const writer = new RequestWriter(new ByteBuffer());
  writer.begin({ info1: 0, info2: INFO2.WRITE | INFO2.DELETE, info3: 0, recordTtl: 0 });
  writer.textField(FIELD.NAMESPACE, "test");
  writer.field(FIELD.DIGEST, testDigest(number));
  writer.finish();
  return queries.write(writer.buffer.toBytes());
}

/** Removes all records, those too that clients don't see. */
export function removeAll({ namespace: { store } }: TestQueries): void {
  const digests: Uint8Array[] = [];
  for (let partition = 0; partition < 4096; partition++) {
    store.index.forEach(partition, undefined, (entry) => {
      const digest = new Uint8Array(DIGEST_SIZE_BYTES);
      entry.copyDigest(digest, 0);
      digests.push(digest);
      return true;
    });
  }
  const entry = new EntryRef();
  for (const digest of digests) {
    if (store.find(digest, 0, entry)) store.remove(digest, 0, entry, "expiry");
  }
}

/** An index of integers in bin `n`, with changes. */
export function definitionOf(changes: Partial<ValueDefinition> = {}): ValueDefinition {
  return {
    kind: "value",
    setName: undefined,
    binName: "n",
    type: PARTICLE.INTEGER,
    collection: COLLECTION.DEFAULT,
    context: undefined,
    expression: undefined,
    ...changes,
  };
}

/** Makes an index and waits until it is built. */
export function createIndex(queries: TestQueries, name: string, definition: IndexDefinition): void {
  queries.namespace.indexes.create(definition, name);
  const { clock } = queries.records;
  for (let count = 0; queries.namespace.indexes.byName(name)?.isReady === false; count++) {
    if (count > 100_000 || !clock.step()) throw new Error(`The index ${name} is not built in the end`);
  }
}

/** The bytes of field INDEX_RANGE. */
export function encodeRange(binName: string, type: number, begin: Uint8Array, end = begin): Uint8Array {
  const out = new ByteBuffer(64);
  out.appendU8(1);
  const name = utf8(binName);
  out.appendU8(name.length);
  out.append(name);
  out.appendU8(type);
  for (const value of [begin, end]) {
    out.appendU32(value.length);
    out.append(value);
  }
  return out.toBytes();
}

/** A query for integers of a bin. */
export function integersOf(
  binName: string,
  [from, to]: readonly [number | bigint, number | bigint],
  changes: TestQuery = {},
): TestQuery {
  const range = encodeRange(binName, PARTICLE.INTEGER, particleOf(from).bytes, particleOf(to).bytes);
  return queryOf(range, changes);
}

/** A query for one value of a bin: a text, a blob, a GeoJSON text. */
export function valueOf(
  binName: string,
  value: string | Uint8Array | TestGeo,
  changes: TestQuery = {},
): TestQuery {
  const bytes = value instanceof TestGeo ? utf8(value.json) : particleOf(value).bytes;
  return queryOf(encodeRange(binName, particleOf(value).type, bytes), changes);
}

function queryOf(range: Uint8Array, changes: TestQuery): TestQuery {
  const fields: [number, Uint8Array][] = [[FIELD.INDEX_RANGE, range], ...(changes.fields ?? [])];
  return scanOf({ ...changes, fields });
}

/** The partition of a record. */
export function partitionOf(number: number): number {
  return partitionId(testDigest(number), 0);
}
