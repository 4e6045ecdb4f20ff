import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT, partitionId, toHex, writeU32 } from "../base/mod.ts";
import { EntryRef } from "./entry.ts";
import { PrimaryIndex } from "./index.ts";
import { TestRandom } from "./testing.ts";

/** The place of a digest in its partition's order, as text that sorts the same way. */
function orderKey(digest: Uint8Array, sprigBits: number): string {
  const prefix = ((digest[2] << 8) | digest[3]) >>> (16 - sprigBits);
  return prefix.toString(16).padStart(4, "0") + toHex(digest, 4) + toHex(digest, 0, 4);
}

/** An index and what it should be. */
class Model {
  readonly index: PrimaryIndex;
  readonly digests = new Map<string, Uint8Array>();
  readonly #entry = new EntryRef();
  readonly #sprigBits: number;

  constructor(sprigsPerPartition: number) {
    this.#sprigBits = Math.log2(sprigsPerPartition);
    this.index = new PrimaryIndex({ sprigsPerPartition, seeds: [7, 11] });
  }

  insert(digest: Uint8Array, mark: number): void {
    const key = toHex(digest);
    assertEquals(this.index.find(digest, 0, this.#entry), this.digests.has(key));
    if (this.digests.has(key)) return;
    this.index.insert(digest, 0, this.#entry);
    assertEquals(this.#entry.location, 0);
    assertEquals(this.#entry.lastUpdateMs, 0);
    this.#entry.setLocation(mark, 3);
    this.digests.set(key, digest);
  }

  remove(digest: Uint8Array): void {
    if (!this.digests.delete(toHex(digest))) return;
    this.index.remove(digest, 0);
    assertEquals(this.index.find(digest, 0, this.#entry), false);
  }

  /** All digests of a partition in the order in which the index must give them. */
  sorted(partition: number): string[] {
    return [...this.digests.values()].filter((digest) => partitionId(digest) === partition)
      .map((digest) => [orderKey(digest, this.#sprigBits), toHex(digest)])
      .sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([, hex]) => hex);
  }

  walked(partition: number, after?: Uint8Array, countMax = Infinity): string[] {
    const found: string[] = [];
    const digest = new Uint8Array(20);
    this.index.forEach(partition, after, (entry) => {
      entry.copyDigest(digest, 0);
      assert(entry.hasDigest(digest, 0));
      found.push(toHex(digest));
      return found.length < countMax;
    });
    return found;
  }

  check(partitions: Iterable<number>): void {
    assertEquals(this.index.entryCount, this.digests.size);
    for (const partition of partitions) {
      const expected = this.sorted(partition);
      assertEquals(this.index.partitionEntryCounts[partition], expected.length);
      assertEquals(this.walked(partition), expected);
    }
  }
}

describe("PrimaryIndex", () => {
  for (const sprigs of [1, 16, 256]) {
    it(`insert(), find(), remove() and forEach() agree with a sorted map when there are ${sprigs} sprigs`, () => {
      const random = new TestRandom(sprigs);
      const model = new Model(sprigs);
      const pool: Uint8Array[] = [];
      for (let number = 0; number < 400; number++) {
        const digest = new Uint8Array(20);
        random.fill(digest);
        digest[0] = random.below(3);
        digest[1] = 0;
        if (number % 3 === 0) digest.fill(9, 2, 16);
        pool.push(digest);
      }
      for (let step = 0; step < 6000; step++) {
        const digest = pool[random.below(pool.length)];
        if (random.below(5) < 3) model.insert(digest, step + 1);
        else model.remove(digest);
        if (step % 500 === 0) model.check([0, 1, 2, 3]);
      }
      model.check([0, 1, 2, 3]);
    });

    it(`forEach() goes on after a digest, there or gone, when there are ${sprigs} sprigs`, () => {
      const random = new TestRandom(99);
      const model = new Model(sprigs);
      const digests: Uint8Array[] = [];
      for (let number = 0; number < 300; number++) {
        const digest = new Uint8Array(20);
        random.fill(digest);
        digest[0] = 5;
        digest[1] = 0xf0;
        digests.push(digest);
        model.insert(digest, number + 1);
      }
      const partition = partitionId(digests[0]);
      const sorted = model.sorted(partition);
      const byHex = new Map(digests.map((digest) => [toHex(digest), digest]));
      for (let place = 0; place < sorted.length; place += 17) {
        const after = byHex.get(sorted[place])!;
        assertEquals(model.walked(partition, after), sorted.slice(place + 1));
        model.remove(after);
        assertEquals(model.walked(partition, after), sorted.slice(place + 1));
        model.insert(after, 1);
      }
      assertEquals(model.walked(partition, undefined, 10), sorted.slice(0, 10));
    });
  }

  it("find() stays fast when digests are chosen to share everything but one word", () => {
    // One word at a time varies; a balance that ignored any of them would make a list of 20,000 entries.
    for (const word of [0, 2, 3, 4]) {
      const index = new PrimaryIndex({ sprigsPerPartition: 256, seeds: [123, 456] });
      const entry = new EntryRef();
      const digest = new Uint8Array(20).fill(1);
      for (let number = 0; number < 20_000; number++) {
        // Partition and sprig are in the first word: the rest of it varies only where they don't.
        if (word === 0) writeU32(digest, 0, ((number << 4) & 0xf000) << 4 | 0x0100_0000 | (number & 0xff));
        else writeU32(digest, word * 4, number);
        if (!index.find(digest, 0, entry)) index.insert(digest, 0, entry);
      }
      assert(index.depth(digest, 0) < 60, `word ${word}: depth ${index.depth(digest, 0)}`);
    }
  });

  it("insert() gives handles out again when entries were removed", () => {
    const model = new Model(16);
    const random = new TestRandom(3);
    const digests = Array.from({ length: 1000 }, () => {
      const digest = new Uint8Array(20);
      random.fill(digest);
      return digest;
    });
    for (let round = 0; round < 5; round++) {
      digests.forEach((digest, number) => model.insert(digest, number + 1));
      digests.forEach((digest) => model.remove(digest));
    }
    assertEquals(model.index.entryCount, 0);
    assert(model.index.handleCount <= 1000, `${model.index.handleCount} handles for 1000 entries`);
    model.check(Array.from({ length: PARTITION_COUNT }, (_, partition) => partition));
  });
});

describe("EntryRef", () => {
  it("keeps every field at its largest value without touching its neighbours", () => {
    const entry = new EntryRef();
    entry.setLocation(0xffff_ffff, 0x7ffff);
    entry.setVoidTime(0xffff_ffff);
    entry.setVersion(2 ** 40 - 1, 0xffff, 0xff);
    entry.setSetId(4095);
    assertEquals(
      [entry.location, entry.sizeUnits, entry.voidTime, entry.lastUpdateMs, entry.generation, entry.flags],
      [0xffff_ffff, 0x7ffff, 0xffff_ffff, 2 ** 40 - 1, 0xffff, 0xff],
    );
    assertEquals(entry.setId, 4095);
    entry.setVersion(2 ** 32 + 5, 1, 0);
    assertEquals([entry.lastUpdateMs, entry.generation, entry.isTombstone], [2 ** 32 + 5, 1, false]);
    entry.setSetId(0);
    assertEquals(entry.setId, 0);
  });
});
