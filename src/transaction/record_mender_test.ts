import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ResultCode } from "../base/mod.ts";
import { EntryRef, LOADED } from "../storage/mod.ts";
import { testDigest } from "../storage/testing.ts";
import { INFO2 } from "../wire/mod.ts";
import { TestCluster } from "./peer_testing.ts";
import { writeInteger } from "./testing.ts";

const RECORD = 1;

describe("RecordMender", () => {
  it("makes a tombstone that can't be read anew from its entry, and asks nobody", () => {
    const it = new TestCluster();
    const master = it.master(RECORD);
    it.run(master, { record: RECORD, set: "s", info2: INFO2.WRITE, ops: [writeInteger("a", 5)] });
    const gone = it.run(master, { record: RECORD, set: "s", info2: INFO2.WRITE | INFO2.DELETE });
    assertEquals(gone.code, ResultCode.OK);
    it.takeSent();
    const { store } = master.test.namespace;
    const entry = new EntryRef();
    assert(store.find(testDigest(RECORD), 0, entry));
    const { location, generation, lastUpdateMs } = entry;
    assertEquals(store.mender!.mend(entry, undefined), LOADED.HERE);
    assertNotEquals(entry.location, location);
    assertEquals([entry.isTombstone, entry.generation, entry.lastUpdateMs], [true, generation, lastUpdateMs]);
    assertEquals(master.flat(RECORD), it.proles(RECORD)[0].flat(RECORD));
    assertEquals(it.takeSent(), []);
  });
});
