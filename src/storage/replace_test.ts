import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ByteBuffer, plantBug, toHex, writeU16, writeU32LE } from "../base/mod.ts";
import { BinTable } from "../record/mod.ts";
import { PendingDevice } from "./device.ts";
import { EntryRef } from "./entry.ts";
import { encodeFlat, FLAT_GENERATION_AT, setFlatLastUpdate } from "./flat.ts";
import { measureFlat } from "./flat_check.ts";
import { REPLACED, type Replaced, type ReplaceOptions, replaceRecord } from "./replace.ts";
import { testDigest, TestRandom, testSettings, TestStore } from "./testing.ts";

const NOBODY = { wake: () => {} };

function replace(it: TestStore, bytes: Uint8Array, options: Partial<ReplaceOptions> = {}): Replaced {
  return replaceRecord(it.store, { bytes, at: 0, end: bytes.length }, {
    rule: "policy",
    origin: "replica",
    waiter: NOBODY,
    ...options,
  });
}

/** The flat record under a number, without padding. */
function flatOf(it: TestStore, number: number): Uint8Array {
  const entry = new EntryRef();
  assert(it.store.find(testDigest(number), 0, entry) && it.store.load(entry, NOBODY));
  const { bytes, at, sizeUnits } = it.store.flat;
  return bytes.slice(at, at + measureFlat(bytes, at, at + sizeUnits * 16));
}

interface Copy {
  generation: number;
  lutMs: number;
  value?: number;
}

/** A flat record under number 1 with a generation, a time, and bytes of `value`. */
function copy({ generation, lutMs, value = 1 }: Copy): Uint8Array {
  const source = new TestStore();
  source.put(1);
  const bytes = flatOf(source, 1);
  bytes.fill(value, bytes.length - 8);
  bytes[FLAT_GENERATION_AT] = generation;
  bytes[FLAT_GENERATION_AT + 1] = generation >>> 8;
  setFlatLastUpdate(bytes, 0, lutMs);
  return bytes;
}

function tombstone({ generation, lutMs }: Copy): Uint8Array {
  const out = new ByteBuffer();
  const meta = {
    generation,
    lastUpdateMs: lutMs,
    voidTime: 0,
    set: new Uint8Array(0),
    key: undefined,
    treeId: 0,
  };
  encodeFlat(out, testDigest(1), 0, meta, new BinTable());
  return out.toBytes();
}

function storeWith(first: Copy, policy: "generation" | "last-update-time" = "generation"): TestStore {
  const it = new TestStore({ settings: testSettings({ conflictResolutionPolicy: policy }) });
  assertEquals(replace(it, copy(first)), REPLACED.APPLIED);
  return it;
}

const LUT = 500_000_000_000;

describe("replaceRecord()", () => {
  it("stores what is not there, with every field, and publishes it", () => {
    const source = new TestStore();
    source.put(1, { set: "people", ttlS: 100 });
    const target = new TestStore();
    const origins: string[] = [];
    target.store.changes.subscribe(({ origin, old }) => origins.push(`${origin} ${old?.length}`));
    assertEquals(replace(target, flatOf(source, 1), { origin: "migration" }), REPLACED.APPLIED);
    assertEquals(flatOf(target, 1), flatOf(source, 1));
    assertEquals(target.store.sets.byName("people")?.objects, 1);
    assertEquals(origins, ["migration undefined"]);
  });

  it("lets the larger generation win under policy generation when copies are divergent", () => {
    const it = storeWith({ generation: 3, lutMs: LUT + 9 });
    assertEquals(replace(it, copy({ generation: 4, lutMs: LUT })), REPLACED.APPLIED);
    assertEquals(replace(it, copy({ generation: 3, lutMs: LUT + 99 })), REPLACED.LOCAL_BETTER);
    assertEquals(replace(it, copy({ generation: 4, lutMs: LUT + 1 })), REPLACED.APPLIED);
  });

  it("lets the later time win under rule time, whatever the generations", () => {
    const it = storeWith({ generation: 60, lutMs: LUT });
    assertEquals(
      replace(it, copy({ generation: 1, lutMs: LUT + 1 }), { rule: "time" }),
      REPLACED.APPLIED,
    );
    assertEquals(
      replace(it, copy({ generation: 60, lutMs: LUT }), { rule: "time" }),
      REPLACED.LOCAL_BETTER,
    );
  });

  it("lets the later time win of replica writes", () => {
    const it = storeWith({ generation: 60, lutMs: LUT });
    assertEquals(replace(it, copy({ generation: 1, lutMs: LUT + 1 }), { rule: "replica" }), REPLACED.APPLIED);
    assertEquals(
      replace(it, copy({ generation: 99, lutMs: LUT }), { rule: "replica" }),
      REPLACED.LOCAL_BETTER,
    );
  });

  it("compares generations with wrap-around under policy last-update-time", () => {
    const it = storeWith({ generation: 0xffff, lutMs: LUT }, "last-update-time");
    assertEquals(replace(it, copy({ generation: 2, lutMs: LUT })), REPLACED.APPLIED);
    assertEquals(replace(it, copy({ generation: 0xfffe, lutMs: LUT })), REPLACED.LOCAL_BETTER);
  });

  it("comes to the same bytes on both sides when generation and time are equal", () => {
    const [small, large] = [5, 6].map((value) => ({ generation: 2, lutMs: LUT, value }));
    const one = storeWith(small);
    const two = storeWith(large);
    assertEquals(replace(one, copy(large)), REPLACED.APPLIED);
    assertEquals(replace(two, copy(small)), REPLACED.LOCAL_BETTER);
    assertEquals(flatOf(one, 1), flatOf(two, 1));
    assertEquals(replace(one, copy(large)), REPLACED.SAME);
  });

  it("takes padding and the sender's tree id for no difference", () => {
    const it = storeWith({ generation: 2, lutMs: LUT });
    const same = new Uint8Array(64 + 16);
    same.set(copy({ generation: 2, lutMs: LUT }));
    same[7] |= 0x0c;
    assertEquals(replace(it, same), REPLACED.SAME);
  });

  it("lets tombstones win and lose like records", () => {
    const source = new TestStore();
    source.put(1);
    const record = flatOf(source, 1);
    source.put(1, { tombstone: true });
    const tombstone = flatOf(source, 1);
    const it = new TestStore();
    assertEquals(replace(it, record), REPLACED.APPLIED);
    assertEquals(replace(it, tombstone), REPLACED.APPLIED);
    assertEquals(it.get(1), undefined);
    assertEquals(it.store.tombstoneCount, 1);
    assertEquals(replace(it, record), REPLACED.LOCAL_BETTER);
  });

  it("does not bring back what a truncation covers", () => {
    const it = new TestStore();
    it.store.truncate(undefined, LUT + 5);
    assertEquals(replace(it, copy({ generation: 2, lutMs: LUT + 5 })), REPLACED.TRUNCATED);
    assert(!it.has(1));
    assertEquals(replace(it, copy({ generation: 2, lutMs: LUT + 6 })), REPLACED.APPLIED);
  });

  it("removes what a covered record of a source that has everything was to replace", () => {
    const covered = copy({ generation: 9, lutMs: LUT });
    for (const rule of ["successor", "policy", "time", "replica"] as const) {
      const it = storeWith({ generation: 2, lutMs: LUT + 9 });
      it.store.beginWriteEpoch();
      it.store.truncate(undefined, LUT + 5);
      assertEquals(replace(it, covered, { rule, origin: "migration" }), REPLACED.TRUNCATED);
      assertEquals(it.has(1), rule !== "successor", rule);
    }
    const written = new TestStore();
    assertEquals(
      replace(written, copy({ generation: 2, lutMs: LUT + 9 }), { rule: "replica" }),
      REPLACED.APPLIED,
    );
    written.store.truncate(undefined, LUT + 5);
    assertEquals(replace(written, covered, { rule: "successor" }), REPLACED.TRUNCATED);
    assert(written.has(1));
  });

  it("is suspended until the stored bytes are here when they must decide", () => {
    let isReady = false;
    const it = new TestStore({ wrapDevice: (device, clock) => new PendingDevice(device, clock) });
    replace(it, copy({ generation: 2, lutMs: LUT }));
    const later = copy({ generation: 2, lutMs: LUT, value: 9 });
    const waiter = { wake: () => (isReady = replace(it, later) === REPLACED.APPLIED, undefined) };
    assertEquals(replace(it, later, { waiter }), REPLACED.SUSPENDED);
    while (it.clock.step());
    assert(isReady);
  });

  it("refuses every damaged record and changes nothing", () => {
    const it = new TestStore();
    const good = copy({ generation: 2, lutMs: LUT });
    for (let end = 0; end < good.length; end++) {
      assertEquals(replace(it, good.slice(0, end)), REPLACED.MALFORMED, `${end} bytes`);
    }
    const noGeneration = good.slice();
    writeU16(noGeneration, FLAT_GENERATION_AT, 0);
    assertEquals(replace(it, noGeneration), REPLACED.MALFORMED);
    const compressed = good.slice();
    compressed[6] |= 0x80;
    assertEquals(replace(it, compressed), REPLACED.MALFORMED);
    const huge = good.slice();
    writeU32LE(huge, huge.length - 12, 0xffff_fff0);
    assertEquals(replace(it, huge), REPLACED.MALFORMED);
    assertEquals(it.store.objectCount, 0);
  });

  it("reads no byte outside of a record whose bytes are noise", () => {
    const random = new TestRandom(5);
    const good = copy({ generation: 2, lutMs: LUT });
    const it = new TestStore();
    for (let round = 0; round < 3000; round++) {
      const bytes = good.slice();
      for (let count = 0; count < 3; count++) bytes[8 + 20 + random.below(bytes.length - 28)] = random.u32();
      const outcome = replace(it, bytes);
      if (outcome === REPLACED.APPLIED) it.get(1);
    }
  });

  it("diverges when the tie break is planted to be wrong", () => {
    const [small, large] = [5, 6].map((value) => ({ generation: 2, lutMs: LUT, value }));
    const one = storeWith(small);
    plantBug("wrongTieBreak");
    try {
      assertEquals(replace(one, copy(large)), REPLACED.LOCAL_BETTER);
    } finally {
      plantBug(undefined);
    }
  });

  it("comes to the same record in whatever order, and how often, the copies of a merge meet", () => {
    const random = new TestRandom(5);
    const rules = [["time", "generation"], ["policy", "generation"], ["policy", "last-update-time"]] as const;
    for (let round = 0; round < 45; round++) {
      const [rule, policy] = rules[round % rules.length];
      const isSuperseded = random.below(3) === 0;
      const own = copy({ generation: 1 + random.below(9), lutMs: LUT + random.below(9), value: 250 });
      const copies = Array.from({ length: 2 + random.below(4) }, () =>
        copy({
          generation: 1 + random.below(4),
          lutMs: LUT + random.below(4),
          value: 1 + random.below(3),
        }));
      const results = Array.from({ length: 4 }, () => {
        const it = new TestStore({ settings: testSettings({ conflictResolutionPolicy: policy }) });
        assertEquals(replace(it, own, { rule: "replica" }), REPLACED.APPLIED);
        it.store.beginWriteEpoch();
        const order = [...copies, ...copies].toSorted(() => random.below(3) - 1);
        for (const bytes of order) replace(it, bytes, { rule, isSuperseded });
        return toHex(flatOf(it, 1));
      });
      assertEquals(new Set(results).size, 1, `round ${round}`);
      if (isSuperseded) assert(results[0] !== toHex(own));
    }
  });

  it("lets a tombstone that may have been forgotten when a record was written not win by its generation", () => {
    const settings = testSettings({ conflictResolutionPolicy: "generation", tombRaiderEligibleAge: 10 });
    for (const [laterMs, isOutlived] of [[5000, false], [5001, true]] as const) {
      for (const order of [[0, 1], [1, 0]]) {
        const copies = [
          tombstone({ generation: 9, lutMs: LUT }),
          copy({ generation: 1, lutMs: LUT + laterMs }),
        ];
        const it = new TestStore({ settings });
        assertEquals(replace(it, copies[order[0]], { rule: "replica" }), REPLACED.APPLIED);
        it.store.beginWriteEpoch();
        replace(it, copies[order[1]], { rule: "policy" });
        const entry = new EntryRef();
        assert(it.store.find(testDigest(1), 0, entry));
        assertEquals([entry.isTombstone, entry.generation], isOutlived ? [false, 1] : [true, 9]);
      }
    }
  });

  it("lets a record that a truncation covers, and that is not swept yet, win nothing", () => {
    const it = storeWith({ generation: 60, lutMs: LUT });
    it.store.truncate(undefined, LUT + 1);
    assertEquals(replace(it, copy({ generation: 1, lutMs: LUT + 2 })), REPLACED.APPLIED);
    assertEquals(replace(it, copy({ generation: 70, lutMs: LUT + 1 })), REPLACED.TRUNCATED);
  });

  it("lets what was written in the present cluster lose by time alone", () => {
    const it = storeWith({ generation: 9, lutMs: LUT });
    it.store.beginWriteEpoch();
    assertEquals(replace(it, copy({ generation: 1, lutMs: LUT + 5 }), { rule: "replica" }), REPLACED.APPLIED);
    for (
      const options of [{ rule: "policy" }, { rule: "policy", isSuperseded: true }, {
        rule: "successor",
      }] as const
    ) {
      assertEquals(replace(it, copy({ generation: 60, lutMs: LUT + 4 }), options), REPLACED.LOCAL_BETTER);
    }
  });

  it("takes what a successor has, but for what was written since", () => {
    const it = storeWith({ generation: 9, lutMs: LUT });
    it.store.beginWriteEpoch();
    assertEquals(
      replace(it, copy({ generation: 1, lutMs: LUT - 5 }), { rule: "successor" }),
      REPLACED.APPLIED,
    );
    assertEquals(
      replace(it, copy({ generation: 9, lutMs: LUT - 6 }), { rule: "successor" }),
      REPLACED.LOCAL_BETTER,
    );
  });
});
