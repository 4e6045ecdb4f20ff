import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromHex, partitionId, toHex } from "../base/mod.ts";
import { EntryRef, PrimaryIndex } from "../storage/mod.ts";
import { testDigest, TestRandom } from "../storage/testing.ts";
import { NodePool } from "./node_pool.ts";
import { IndexTree } from "./tree.ts";
import { flipSign, TreeKey } from "./tree_key.ts";

/** A tree beside a plain list of the same entries. */
class Pair {
  readonly primary = new PrimaryIndex({ sprigsPerPartition: 4, seeds: [1, 2] });
  readonly pool = new NodePool();
  readonly tree = new IndexTree(this.pool, this.primary);
  readonly key = new TreeKey();
  readonly model = new Map<string, { partition: number; value: bigint; order: string }>();
  readonly #entry = new EntryRef();

  /** Sets the key to record and value; the record is there. */
  #aim(digest: Uint8Array, value: bigint): void {
    if (!this.primary.find(digest, 0, this.#entry)) this.primary.insert(digest, 0, this.#entry);
    this.key.setRecord(digest, 0, this.#entry.handle);
    this.#setValue(value);
  }

  #setValue(value: bigint): void {
    this.key.setValue(flipSign(Number(BigInt.asUintN(64, value) >> 32n)), Number(value & 0xffff_ffffn));
  }

  insert(digest: Uint8Array, value: bigint): void {
    this.#aim(digest, value);
    const name = `${toHex(digest)}/${value}`;
    assertEquals(this.tree.insert(this.key), !this.model.has(name));
    const order = toHex(digest, 4, 20) + toHex(digest, 0, 4);
    this.model.set(name, { partition: partitionId(digest, 0), value, order });
  }

  remove(digest: Uint8Array, value: bigint): void {
    this.#aim(digest, value);
    assertEquals(this.tree.remove(this.key), this.model.delete(`${toHex(digest)}/${value}`));
  }

  /** Entries of a partition between two values, after a place, as `value/digest`. */
  scan(
    partition: number,
    from: bigint,
    to: bigint,
    { after, countMax = Infinity }: { after?: Uint8Array; countMax?: number } = {},
  ): string[] {
    const { key } = this;
    key.setStart(partition, 0, 0);
    if (after !== undefined) key.setRecord(after, 0, 0);
    this.#setValue(from);
    const last = { high: flipSign(Number(BigInt.asUintN(64, to) >> 32n)), low: Number(to & 0xffff_ffffn) };
    const found: string[] = [];
    const bytes = new Uint8Array(20);
    this.tree.forEach(key, { after: after !== undefined, last }, (handle, high, low) => {
      this.primary.moveTo(this.#entry, handle);
      this.#entry.copyDigest(bytes, 0);
      const value = BigInt.asIntN(64, (BigInt(flipSign(high)) << 32n) | BigInt(low));
      found.push(`${value}/${toHex(bytes)}`);
      return found.length < countMax;
    });
    return found;
  }

  expected(partition: number, from: bigint, to: bigint): string[] {
    return [...this.model.entries()]
      .filter(([, entry]) => entry.partition === partition && entry.value >= from && entry.value <= to)
      .sort(([, a], [, b]) => a.value < b.value ? -1 : a.value > b.value ? 1 : a.order < b.order ? -1 : 1)
      .map(([name, { value }]) => `${value}/${name.split("/")[0]}`);
  }
}

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/** Digests of few partitions, so that each has many. */
function digestOf(number: number): Uint8Array {
  const digest = testDigest(number);
  digest[0] = number % 3;
  digest[1] = 0;
  // Many share the bits that entries keep of a digest.
  if (number % 2 === 0) digest.fill(7, 4, 7);
  return digest;
}

Deno.test("IndexTree holds what was inserted and not removed, in order, under random histories", () => {
  const steps = fc.array(
    fc.record({
      record: fc.integer({ min: 0, max: 199 }),
      value: fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.bigInt({ min: MIN, max: MAX })),
      isInsert: fc.boolean(),
    }),
    { minLength: 200, maxLength: 1200, size: "max" },
  );
  fc.assert(
    fc.property(steps, fc.bigInt({ min: -4n, max: 4n }), (history, from) => {
      const pair = new Pair();
      const seen: [Uint8Array, bigint][] = [];
      for (const { record, value, isInsert } of history) {
        const digest = digestOf(record);
        if (isInsert) {
          pair.insert(digest, value);
          seen.push([digest, value]);
        } else if (seen.length > 0) {
          pair.remove(...seen.splice(record % seen.length, 1)[0]);
        }
      }
      pair.tree.check();
      assertEquals(pair.tree.entryCount, pair.model.size);
      for (let partition = 0; partition < 3; partition++) {
        assertEquals(pair.scan(partition, MIN, MAX), pair.expected(partition, MIN, MAX));
        assertEquals(pair.scan(partition, from, 4n), pair.expected(partition, from, 4n));
      }
    }),
    { numRuns: 40, seed: 1 },
  );
});

Deno.test("IndexTree holds rising values of one record after the other among others, and loses them again", () => {
  const runs = fc.array(
    fc.record({
      record: fc.nat({ max: 40 }),
      from: fc.integer({ min: -200, max: 4000 }),
      step: fc.integer({ min: -3, max: 9 }),
      count: fc.nat({ max: 400 }),
      isInsert: fc.boolean(),
    }),
    { minLength: 4, maxLength: 30 },
  );
  fc.assert(
    fc.property(runs, (history) => {
      const pair = new Pair();
      for (const { record, from, step, count, isInsert } of history) {
        const digest = digestOf(record);
        for (let at = 0; at < count; at++) {
          const value = BigInt(from + at * step);
          if (isInsert) pair.insert(digest, value);
          else pair.remove(digest, value);
        }
      }
      pair.tree.check();
      for (let partition = 0; partition < 3; partition++) {
        assertEquals(pair.scan(partition, MIN, MAX), pair.expected(partition, MIN, MAX));
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("IndexTree.forEach() goes on after a value and a digest, whether or not they are still there", () => {
  const pair = new Pair();
  for (let record = 0; record < 3000; record++) pair.insert(digestOf(record), BigInt(record % 7) - 3n);
  const all = pair.expected(1, MIN, MAX);
  const found: string[] = [];
  let part = pair.scan(1, MIN, MAX, { countMax: 17 });
  while (part.length > 0) {
    found.push(...part);
    const [value, digest] = part.at(-1)!.split("/");
    pair.remove(fromHex(digest), BigInt(value));
    part = pair.scan(1, BigInt(value), MAX, { countMax: 17, after: fromHex(digest) });
  }
  assertEquals(found, all);
});

Deno.test("IndexTree gives its nodes back when entries are removed, and when it is disposed of", () => {
  const pair = new Pair();
  const random = new TestRandom(5);
  const entries = Array.from(
    { length: 20_000 },
    (_, record) => [digestOf(record), BigInt(random.u32())] as const,
  );
  for (const [digest, value] of entries) pair.insert(digest, value);
  pair.tree.check();
  const bytesPerEntry = pair.tree.usedBytes / entries.length;
  assert(bytesPerEntry < 26, `An entry takes ${bytesPerEntry} bytes`);
  for (const [digest, value] of entries.slice(0, 19_000)) pair.remove(digest, value);
  pair.tree.check();
  assert(pair.tree.usedBytes < 1000 * 16 * 5, `1,000 entries take ${pair.tree.usedBytes} bytes`);
  for (const [digest, value] of entries.slice(19_000)) pair.remove(digest, value);
  assertEquals(pair.pool.usedCount, 0);
  for (const [digest, value] of entries) pair.insert(digest, value);
  while (!pair.tree.dispose(10));
  assertEquals([pair.pool.usedCount, pair.tree.entryCount], [0, 0]);
});

Deno.test("IndexTree fills its leaves when values only grow", () => {
  const pair = new Pair();
  const digest = digestOf(1);
  for (let value = 0n; value < 20_000n; value++) pair.insert(digest, value);
  const bytesPerEntry = pair.tree.usedBytes / 20_000;
  assert(bytesPerEntry < 18, `An entry takes ${bytesPerEntry} bytes`);
});
