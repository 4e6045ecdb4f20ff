import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readU32LE, writeU32LE } from "../base/mod.ts";
import { Arena, BLOCK_SIZE_BYTES } from "./arena.ts";
import { NO_LOCATION } from "./space.ts";
import { FLAT_MAGIC, UNIT_SIZE_BYTES } from "./flat.ts";
import { TestRandom } from "./testing.ts";

const BLOCK_UNITS = BLOCK_SIZE_BYTES / UNIT_SIZE_BYTES;
const ID_AT = 8;

/** An arena and the records that should be in it, each with its number in its bytes. */
class Model {
  readonly arena: Arena;
  readonly records = new Map<number, { location: number; units: number }>();
  #nextId = 1;

  constructor(blockCount: number, lowWaterPct = 50) {
    this.arena = new Arena(blockCount * BLOCK_SIZE_BYTES, lowWaterPct);
  }

  get usedUnits(): number {
    let units = 0;
    for (const record of this.records.values()) units += record.units;
    return units;
  }

  add(units: number): number {
    const id = this.#nextId++;
    return this.#place(id, units) ? id : 0;
  }

  remove(id: number): void {
    const { location, units } = this.records.get(id)!;
    this.arena.release(location, units);
    this.records.delete(id);
  }

  /** As a store does: the new place is found before the old one is given back. */
  overwrite(id: number, units: number): boolean {
    const old = this.records.get(id)!;
    if (!this.#place(id, units)) return false;
    this.arena.release(old.location, old.units);
    return true;
  }

  /** Empties one block to its end; false when there is none to be emptied. */
  empty(slotCountMax: number, forRoom = false, between: () => void = () => {}): boolean {
    const block = forRoom ? this.arena.startEmptyingForRoom() : this.arena.startEmptying();
    if (block < 0) return false;
    for (let cursor = 0; cursor >= 0;) {
      cursor = this.arena.sweep(block, cursor, { move: (location) => this.#move(location), slotCountMax });
      between();
    }
    return true;
  }

  /** Every record is where it was put, intact, and no two overlap. */
  check(): void {
    assertEquals(this.arena.usedUnits, this.usedUnits);
    const sorted = [...this.records].sort((a, b) => a[1].location - b[1].location);
    let end = 1;
    for (const [id, { location, units }] of sorted) {
      assert(location >= end, `record ${id} at ${location} overlaps the one before, which ends at ${end}`);
      end = location + units;
      assertEquals(Math.floor(location / BLOCK_UNITS), Math.floor((end - 1) / BLOCK_UNITS));
      const bytes = this.arena.block(location);
      const at = this.arena.offset(location);
      assertEquals(readU32LE(bytes, at + ID_AT), id);
      assertEquals(readU32LE(bytes, at + units * UNIT_SIZE_BYTES - 4), units === 1 ? 0 : id);
    }
  }

  #place(id: number, units: number): boolean {
    const location = this.arena.allocate(units);
    if (location === NO_LOCATION) return false;
    const bytes = this.arena.block(location);
    const at = this.arena.offset(location);
    bytes.fill(0, at, at + units * UNIT_SIZE_BYTES);
    writeU32LE(bytes, at, FLAT_MAGIC);
    writeU32LE(bytes, at + 4, units - 1);
    writeU32LE(bytes, at + ID_AT, id);
    if (units > 1) writeU32LE(bytes, at + units * UNIT_SIZE_BYTES - 4, id);
    this.records.set(id, { location, units });
    return true;
  }

  #move(location: number): boolean {
    const id = readU32LE(this.arena.block(location), this.arena.offset(location) + ID_AT);
    const record = this.records.get(id)!;
    assertEquals(record.location, location);
    return this.overwrite(id, record.units);
  }
}

function fill(model: Model, units: number, countMax = Infinity): number[] {
  const ids: number[] = [];
  while (ids.length < countMax) {
    const id = model.add(units);
    if (id === 0) break;
    ids.push(id);
  }
  return ids;
}

describe("Arena", () => {
  for (const seed of [1, 2, 3]) {
    it(`allocate(), release() and sweep() keep all records apart in a random run (seed ${seed})`, () => {
      const random = new TestRandom(seed);
      const model = new Model(6, 60);
      const ids: number[] = [];
      const sizes = [4, 5, 6, 64, 1000, 1024, 1025, 3000, 20_000, 60_000];
      const change = () => {
        const units = sizes[random.below(sizes.length)] + random.below(3);
        const place = random.below(ids.length || 1);
        const dice = random.below(10);
        if (ids.length === 0 || dice < 5) {
          const id = model.add(units);
          if (id !== 0) ids.push(id);
        } else if (dice < 7) {
          model.overwrite(ids[place], units);
        } else {
          model.remove(ids[place]);
          ids[place] = ids[ids.length - 1];
          ids.pop();
        }
      };
      for (let step = 0; step < 12_000; step++) {
        change();
        if (step % 1500 === 0) {
          model.check();
          model.empty(3, step % 3000 === 0, change);
          model.check();
        }
        // Now and then nearly everything goes, so that blocks fall below the mark.
        if (step % 4000 === 3999) { while (ids.length > 20) model.remove(ids.pop()!); }
      }
      while (model.empty(100));
      model.check();
    });
  }

  it("allocate() never gives out location 0", () => {
    const model = new Model(1);
    assertEquals(model.records.get(model.add(1))!.location, 1);
    const fresh = new Arena(BLOCK_SIZE_BYTES, 50);
    assertEquals(fresh.allocate(BLOCK_UNITS - 1), 1);
    assertEquals(fresh.allocate(1), NO_LOCATION);
  });

  it("allocate() uses the slots of overwritten records again and takes no more memory", () => {
    const model = new Model(8);
    const ids = fill(model, 5, 150_000);
    const blocks = model.arena.mappedBlockCount;
    const random = new TestRandom(4);
    for (let step = 0; step < 450_000; step++) model.overwrite(ids[random.below(ids.length)], 5);
    assertEquals(model.arena.mappedBlockCount, blocks);
    assertEquals(model.arena.usedUnits, 5 * 150_000);
  });

  it("allocate() answers NO_LOCATION when all is used, and has room again after a release", () => {
    const model = new Model(2);
    const ids = fill(model, 1000);
    assertEquals(ids.length, 2 * Math.floor((BLOCK_UNITS - 1) / 1000));
    assertEquals(model.arena.freeBlockCount, 0);
    assertEquals(model.arena.allocate(1000), NO_LOCATION);
    const before = model.arena.usedUnits;
    assertEquals(before, ids.length * 1000);
    model.remove(ids[3]);
    assertEquals(model.add(1000) !== 0, true);
    // A smaller record takes part of a larger slot; the rest is a slot again.
    model.remove(ids[4]);
    assert(model.add(300) !== 0 && model.add(700) !== 0);
    assertEquals(model.add(300), 0);
    model.check();
  });

  it("sweep() empties blocks below the mark and gives their memory back", () => {
    const model = new Model(10);
    const ids = fill(model, 64, 8 * 8000);
    const blocks = model.arena.mappedBlockCount;
    for (let place = 0; place < ids.length; place++) if (place % 5 !== 0) model.remove(ids[place]);
    assert(model.arena.sparseBlockCount >= blocks - 1);
    while (model.empty(500));
    model.check();
    assert(model.arena.mappedBlockCount <= 4, `${model.arena.mappedBlockCount} of ${blocks} blocks are left`);
    assertEquals(model.arena.availableBytes, model.arena.totalBytes - model.arena.usedBytes);
    assert(model.arena.defragmentedBlocks > 4);
    // What was given back can be used again, to the last block.
    const more = fill(model, 64);
    assert(more.length > 6 * 8000);
    model.check();
  });

  it("setLowWater() acts on blocks that were closed before", () => {
    const model = new Model(6, 10);
    const ids = fill(model, 64, 4 * 8192);
    for (let place = 0; place < ids.length; place += 2) model.remove(ids[place]);
    assertEquals(model.empty(500), false);
    model.arena.setLowWater(60);
    assertEquals(model.empty(500), true);
    model.check();
  });

  it("startEmptyingForRoom() makes room for larger records when blocks are scarce but well filled", () => {
    const model = new Model(8);
    const ids = fill(model, 4);
    for (let place = 0; place < ids.length; place += 5) model.remove(ids[place]);
    for (let place = 1; place < ids.length; place += 5) model.remove(ids[place]);
    // 60 % used, 40 % in slots of 4 units: nothing is below the mark, and nothing larger fits.
    assertEquals(model.add(8), 0);
    assertEquals(model.empty(500), false);
    assertEquals(model.empty(500, true), true);
    assert(model.add(8) !== 0);
    model.check();
  });

  it("sweep() joins what it freed when there is no room for the rest", () => {
    const model = new Model(3);
    const small = fill(model, 4, 200_000);
    fill(model, 7);
    for (let place = 0; place < 60_000; place++) model.remove(small[place]);
    assertEquals(model.add(5000), 0);
    assertEquals(model.empty(500, true), true);
    assert(model.add(5000) !== 0);
    // A second try would find nothing new.
    assertEquals(model.empty(500, true), false);
    model.check();
    assertEquals(model.arena.availableBytes, model.arena.totalBytes - model.arena.usedBytes);
  });
});
