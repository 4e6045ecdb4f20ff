import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { utf8, utf8Decode } from "../base/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { BinTable, SOURCE } from "./bin_table.ts";

const NAME_COUNT = 60;
const NAME_SIZE = 3;
/** All names of the tests, one after the other: `b00`, `b01`, … */
const NAMES = utf8(
  Array.from({ length: NAME_COUNT }, (_, index) => `b${String(index).padStart(2, "0")}`).join(""),
);

/** A table, and the bins that should be in it, in order. */
class Model {
  readonly table = new BinTable(2);
  readonly bins: { name: number; value: number }[] = [];

  constructor() {
    this.table.reset(NAMES, NAMES);
  }

  find(name: number): number {
    return this.table.find(NAMES, name * NAME_SIZE, NAME_SIZE);
  }

  set(name: number, value: number): void {
    const row = this.find(name);
    const place = this.bins.findIndex((bin) => bin.name === name);
    assertEquals(row, place);
    const target = row >= 0 ? row : this.table.add(name % 2, name * NAME_SIZE, NAME_SIZE);
    this.table.setNumber(target, PARTICLE.INTEGER, 0, value);
    if (place >= 0) this.bins[place].value = value;
    else this.bins.push({ name, value });
  }

  remove(name: number): void {
    const place = this.bins.findIndex((bin) => bin.name === name);
    assertEquals(this.find(name), place);
    if (place < 0) return;
    this.table.remove(place);
    const last = this.bins.pop()!;
    if (place < this.bins.length) this.bins[place] = last;
  }

  clear(): void {
    this.table.clear();
    this.bins.length = 0;
  }

  check(): void {
    const { table, bins } = this;
    assertEquals([table.rowCount, table.binCount], [bins.length, bins.length]);
    bins.forEach(({ name, value }, row) => {
      assertEquals([table.nameAt[row], table.low[row]], [name * NAME_SIZE, value]);
      assertEquals(this.find(name), row);
    });
  }
}

describe("BinTable", () => {
  it("finds, adds and removes bins like a list of names, small or wide", () => {
    const name = fc.nat({ max: NAME_COUNT - 1 });
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("set"), name, value: fc.nat() }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove"), name, value: fc.constant(0) }) },
      { weight: 1, arbitrary: fc.constant({ kind: "clear", name: 0, value: 0 }) },
    );
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { maxLength: 300, size: "max" }), (startsWide, steps) => {
        const model = new Model();
        if (startsWide) { for (let index = 0; index < NAME_COUNT; index++) model.set(index, index); }
        for (const { kind, name, value } of steps) {
          if (kind === "set") model.set(name, value);
          else if (kind === "remove") model.remove(name);
          else model.clear();
        }
        model.check();
      }),
    );
  });

  it("holds the most bins that a record may have", () => {
    const count = 32_767;
    const names = utf8(Array.from({ length: count }, (_, index) => String(index).padStart(5, "0")).join(""));
    const table = new BinTable();
    table.reset(names, names);
    for (let index = 0; index < count; index++) {
      assertEquals(table.find(names, index * 5, 5), -1);
      table.setNumber(table.add(SOURCE.REQUEST, index * 5, 5), PARTICLE.INTEGER, 0, index);
    }
    for (let index = 0; index < count; index++) table.remove(table.find(names, index * 5, 5));
    assertEquals([table.rowCount, table.binCount], [0, 0]);
  });

  it("finds names that collide under another seed without walking all of them", () => {
    // Names whose hashes from the usual seed agree in the bits that choose a slot.
    const names: string[] = [];
    for (let number = 0; names.length < 600; number++) {
      const name = number.toString(36).padStart(6, "0");
      let hash = 0x811c9dc5 | 0;
      for (let at = 0; at < 6; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
      if (((hash ^ (hash >>> 15)) & 0x7ff) === 0) names.push(name);
    }
    const bytes = utf8(names.join(""));
    const probesOf = (seed?: number) => {
      const table = new BinTable(32, seed);
      table.reset(bytes, bytes);
      names.forEach((_, index) =>
        table.setNumber(table.add(SOURCE.REQUEST, index * 6, 6), PARTICLE.INTEGER, 0, index)
      );
      names.forEach((_, index) => assertEquals(table.find(bytes, index * 6, 6), index));
      return table.probeCount;
    };
    assert(probesOf() > 100_000);
    assert(probesOf(0x1234_5678) < 10_000);
  });

  it("extends integers of 1, 2 and 4 bytes with zeros", () => {
    const request = new Uint8Array([0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8]);
    const table = new BinTable();
    table.reset(request, request);
    const row = table.add(SOURCE.REQUEST, 0, 1);
    const wire = new Uint8Array(8);
    const value = (size: number) => {
      table.setFromRequest(row, PARTICLE.INTEGER, 0, size);
      table.writeWire(row, wire, 0);
      return [...wire];
    };
    assertEquals(value(1), [0, 0, 0, 0, 0, 0, 0, 0xff]);
    assertEquals(value(2), [0, 0, 0, 0, 0, 0, 0xff, 0xfe]);
    assertEquals(value(4), [0, 0, 0, 0, 0xff, 0xfe, 0xfd, 0xfc]);
    assertEquals(value(8), [...request]);
  });

  it("keeps names and values apart by the buffer that they are in", () => {
    const table = new BinTable();
    table.reset(utf8("stored"), utf8("request"));
    const at = table.scratch.reserve(7);
    table.scratch.appendText("scratch");
    const texts = [SOURCE.STORED, SOURCE.REQUEST, SOURCE.SCRATCH].map((source) => {
      const row = table.add(SOURCE.STORED, source, 1);
      table.setRange(row, PARTICLE.STRING, source, source === SOURCE.SCRATCH ? at : 0, 6);
      const wire = new Uint8Array(table.wireSize(row));
      table.writeWire(row, wire, 0);
      return utf8Decode(wire);
    });
    assertEquals(texts, ["stored", "reques", "scratc"]);
  });

  it("lets a value be changed in place only when it is the end of scratch and belongs to one row", () => {
    const table = new BinTable();
    table.reset(utf8("stored"), utf8("request"));
    table.scratch.appendText("firstsecond");
    const rows = [0, 1].map((nameAt) => table.add(SOURCE.STORED, nameAt, 1));
    const owns = () => rows.map((row) => table.ownsScratchEnd(row));
    table.setRange(rows[0], PARTICLE.BLOB, SOURCE.STORED, 5, 6);
    table.setRange(rows[1], PARTICLE.BLOB, SOURCE.SCRATCH, 5, 6);
    assertEquals(owns(), [false, true]);
    table.setRange(rows[0], PARTICLE.BLOB, SOURCE.SCRATCH, 0, 5);
    assertEquals(owns(), [false, true]);
    table.setRange(rows[0], PARTICLE.BLOB, SOURCE.SCRATCH, 0, 6);
    assertEquals(owns(), [false, false]);
    table.setNumber(rows[1], PARTICLE.INTEGER, 0, 1);
    assertEquals(owns(), [false, false]);
  });
});
