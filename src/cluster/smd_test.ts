import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { utf8, utf8Decode } from "../base/mod.ts";
import { createPlatform } from "../platform/mod.ts";
import { SMD_MODULE } from "../wire/mod.ts";
import { labNodeId } from "./clustering_testing.ts";
import { Smd } from "./smd.ts";
import { SmdLab } from "./smd_testing.ts";
import { changeItem, mergeContents, mergeItems } from "./smd_merge.ts";
import { decodeSmdFile, encodeSmdFile, SmdStore } from "./smd_store.ts";
import {
  SMD_KEY_SIZE_MAX,
  SMD_REQUEST_COUNT_MAX,
  type SmdContent,
  type SmdEffect,
  type SmdStoredItem,
} from "./smd_types.ts";

const { TRUNCATE, SINDEX, EVICT } = SMD_MODULE;

function item(value: string | null, generation: number, timestampMs: number): SmdStoredItem {
  return { key: "k", value, generation, timestampMs };
}

Deno.test("mergeItems() takes the winner of the module's rule, whatever the order", () => {
  const cases: [number, SmdStoredItem[], SmdStoredItem][] = [
    [TRUNCATE, [item("5", 1, 9), item("7", 1, 3)], item("7", 1, 9)],
    [TRUNCATE, [item("5", 4, 9), item("70", 1, 3)], item("70", 4, 9)],
    [EVICT, [item("5", 4, 9), item("70", 1, 3)], item("70", 4, 9)],
    [SINDEX, [item("5", 4, 9), item("70", 1, 99)], item("5", 4, 9)],
    [SINDEX, [item("5", 1, 9), item("4", 1, 10)], item("4", 1, 10)],
    [SINDEX, [item("b", 1, 9), item("a", 1, 9)], item("b", 1, 9)],
    [SINDEX, [item(null, 2, 9), item("a", 1, 10)], item(null, 2, 9)],
    // An undone truncation stays undone when a node that was away has the mark yet, ...
    [TRUNCATE, [item(null, 2, 9), item("7", 1, 3)], item(null, 2, 9)],
    // ... and does not undo what was set after it.
    [TRUNCATE, [item(null, 2, 9), item("70", 1, 3), item("8", 3, 12)], item("8", 3, 12)],
  ];
  for (const [module, items, wanted] of cases) {
    assertEquals(mergeItems(module, items), wanted);
    assertEquals(mergeItems(module, items.toReversed()), wanted);
  }
});

Deno.test("mergeContents() keeps keys that only one side has", () => {
  const a = { items: [{ ...item("1", 1, 1), key: "a" }, { ...item("1", 1, 1), key: "both" }] };
  const b = { items: [{ ...item("2", 1, 1), key: "b" }, { ...item("2", 2, 1), key: "both" }] };
  const merged = mergeContents(SINDEX, [a, b]).map(({ key, value }) => [key, value]).sort();
  assertEquals(merged, [["a", "1"], ["b", "2"], ["both", "2"]]);
});

Deno.test("changeItem() counts generations, and its time never goes back", () => {
  const before = item("5", 3, 1000);
  assertEquals(changeItem(SINDEX, { key: "k", value: "x" }, { before, nowMs: 10 }), item("x", 4, 1001));
  assertEquals(
    changeItem(SINDEX, { key: "k", value: "x" }, { before: undefined, nowMs: 10 }),
    item("x", 1, 10),
  );
  assertEquals(changeItem(EVICT, { key: "k", value: "2" }, { before, nowMs: 2000 }), item("2", 4, 2000));
});

Deno.test("changeItem() changes nothing when there is nothing to delete or a mark would go back", () => {
  const before = item("500", 3, 1000);
  const deleted = item(null, 3, 1000);
  assertEquals(changeItem(TRUNCATE, { key: "k", value: "400" }, { before, nowMs: 2000 }), undefined);
  assertEquals(changeItem(TRUNCATE, { key: "k", value: "500" }, { before, nowMs: 2000 }), undefined);
  assertEquals(changeItem(TRUNCATE, { key: "k", value: null }, { before: undefined, nowMs: 1 }), undefined);
  assertEquals(changeItem(TRUNCATE, { key: "k", value: null }, { before: deleted, nowMs: 1 }), undefined);
  const again = changeItem(TRUNCATE, { key: "k", value: "400" }, { before: deleted, nowMs: 2000 });
  assertEquals(again, item("400", 4, 2000));
});

const CONTENT: SmdContent = {
  version: { clusterKey: 0xfcc0_1128_305, transactionId: 3 },
  items: [item('quote " and line\n', 1, 532_911_577_377), { ...item(null, 2, 5), key: "a" }],
};

Deno.test("encodeSmdFile() writes what decodeSmdFile() reads, one item per line", () => {
  const text = utf8Decode(encodeSmdFile(CONTENT));
  assertEquals(text.split("\n").length, 4);
  assertEquals(text.split("\n")[1], ' {"key":"a","value":null,"generation":2,"timestamp":5},');
  const { version, items } = decodeSmdFile(utf8(text));
  assertEquals([version, items.toReversed()], [CONTENT.version, [...CONTENT.items]]);
  assertEquals(decodeSmdFile(utf8("[[0,0]]")), { version: { clusterKey: 0, transactionId: 0 }, items: [] });
});

Deno.test("decodeSmdFile() says what is wrong", () => {
  const cases: [string, string][] = [
    ["", "not JSON"],
    ["[[1,2],", "not JSON"],
    ["{}", "expected a list"],
    ["[]", "expected a list"],
    ["[[1]]", "the version is [1]"],
    ["[[1,-2]]", "the version is [1,-2]"],
    ["[[1,2],null]", "item 0 is null"],
    ['[[1,2],{"key":"a","value":5,"generation":1,"timestamp":1}]', "item 0 is"],
    ['[[1,2],{"key":"a","value":"5","generation":4294967296,"timestamp":1}]', "item 0 is"],
    ['[[1,2],{"key":"a","value":"5","generation":1}]', "item 0 is"],
  ];
  for (const [text, problem] of cases) assertThrows(() => decodeSmdFile(utf8(text)), Error, problem);
});

Deno.test("SmdStore reads what it saved, nothing where there is no file, and refuses what it can't understand", async () => {
  const { disk } = await createPlatform();
  const folder = await Deno.makeTempDir();
  try {
    const store = new SmdStore(disk, folder);
    assertEquals(await store.load([TRUNCATE, SINDEX]), new Map());
    await store.save(TRUNCATE, CONTENT);
    assertEquals(store.path(TRUNCATE), `${folder}/smd/truncate.smd`);
    const kept = await store.load([TRUNCATE, SINDEX]);
    assertEquals([...kept.keys()], [TRUNCATE]);
    assertEquals(kept.get(TRUNCATE)!.version, CONTENT.version);
    await Deno.writeTextFile(store.path(SINDEX), "nonsense");
    await assertRejects(() => store.load([TRUNCATE, SINDEX]), Error, "sindex.smd");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function done(effects: SmdEffect[]): string[] {
  return effects.flatMap((effect) =>
    effect.kind === "set-done" ? [`${effect.request} ${effect.result}`] : []
  );
}

Deno.test("Smd refuses unknown modules, keys that are too large, and too many sets at once", () => {
  const smd = new Smd({ self: labNodeId(1), timestampMs: () => 1 });
  const set = { kind: "set", module: TRUNCATE, key: "test", value: "5" } as const;
  assertEquals(done(smd.step({ ...set, request: 1, module: 1 }, 0)), ["1 refused"]);
  assertEquals(done(smd.step({ ...set, request: 2, key: "k".repeat(SMD_KEY_SIZE_MAX + 1) }, 0)), [
    "2 refused",
  ]);
  for (let request = 0; request < SMD_REQUEST_COUNT_MAX; request++) {
    assertEquals(done(smd.step({ ...set, request }, 0)), []);
  }
  assertEquals(done(smd.step({ ...set, request: 999 }, 0)), ["999 refused"]);
});

Deno.test("Smd gives up a set when no cluster forms in time", () => {
  const smd = new Smd({ self: labNodeId(1), timestampMs: () => 1 });
  const set = { kind: "set", module: TRUNCATE, key: "test", value: "5", timeoutMs: 700 } as const;
  assertEquals(done(smd.step({ ...set, request: 1 }, 100)), []);
  assertEquals(smd.nextTickMs, 800);
  assertEquals(done(smd.step({ kind: "tick" }, 800)), ["1 timeout"]);
  assertEquals(smd.nextTickMs, Infinity);
});

Deno.test("Smd takes no notice of strangers, other clusters and modules that it does not have", () => {
  const self = labNodeId(1);
  const principal = labNodeId(3);
  const smd = new Smd({ self, timestampMs: () => 1 });
  smd.step({ kind: "cluster-changed", clusterKey: 7, succession: [principal, self] }, 0);
  const change = {
    type: "smd",
    kind: "set-from-principal",
    clusterKey: 7,
    module: TRUNCATE,
    transactionId: 1,
    item: item("5", 1, 1),
  } as const;
  const receive = (from: string, message: typeof change | Record<string, unknown>) =>
    smd.step({ kind: "message", from, message: message as typeof change }, 1)
      .filter(({ kind }) => kind === "apply" || kind === "send");
  assertEquals(receive(labNodeId(9), change), []);
  assertEquals(receive(principal, { ...change, clusterKey: 8 }), []);
  assertEquals(receive(principal, { ...change, module: 7 }), []);
  assertEquals(receive(principal, change).map(({ kind }) => kind), ["apply"]);
});

describe("truncations that members tell in an exchange", () => {
  const KEY = "test|demo";
  const set = (lab: SmdLab, n: number, value: string | null) => {
    lab.set(n, { module: TRUNCATE, key: KEY, value });
    lab.run(1000);
  };
  const held = (lab: SmdLab) => [1, 2, 3].map((n) => lab.node(n).applied.get(`${TRUNCATE} ${KEY}`));

  /** Three nodes, of which the third was alone while the others, or it, set a mark. */
  function parted(): SmdLab {
    const lab = new SmdLab(3);
    for (const n of [1, 2, 3]) lab.start(n);
    lab.cluster([1, 2, 3]);
    lab.run(1000);
    lab.cluster([1, 2]);
    lab.cluster([3]);
    lab.run(1000);
    return lab;
  }

  it("hold on all of them before any message of the new cluster", () => {
    const lab = parted();
    set(lab, 3, "40");
    set(lab, 1, "50");
    lab.conditions.lossRate = 1;
    lab.cluster([1, 2, 3], 0, true);
    lab.run(1);
    assertEquals(held(lab), ["50", "50", "50"]);
  });

  it("stay undone when they were, and set when that was later", () => {
    for (const [value, holds] of [[null, undefined], ["60", "60"]] as const) {
      const lab = parted();
      set(lab, 3, "40");
      set(lab, 1, "30");
      set(lab, 1, null);
      if (value !== null) set(lab, 1, value);
      lab.cluster([1, 2, 3], 0, true);
      lab.run(1);
      assertEquals(held(lab), [holds, holds, holds]);
    }
  });

  it("give equal versions to equal contents alone, when nodes with others leave before the merge", () => {
    const lab = parted();
    set(lab, 3, "40");
    set(lab, 1, "50");
    const [before] = [lab.node(1).smd.content(TRUNCATE)!.version];
    lab.conditions.lossRate = 1;
    lab.cluster([2, 3], 0, true);
    lab.run(1000);
    const [two, three] = [2, 3].map((n) => lab.node(n).smd.content(TRUNCATE)!);
    assertEquals(two.items, three.items);
    assertEquals(two.version, before);
    assertNotEquals(three.version, before);
    lab.conditions.lossRate = 0;
    lab.cluster([1, 2, 3]);
    lab.run(5000);
    assertEquals(held(lab), ["50", "50", "50"]);
    const contents = [1, 2, 3].map((n) => JSON.stringify(lab.node(n).smd.content(TRUNCATE)));
    assertEquals(new Set(contents).size, 1);
  });

  it("change nothing where all have the same", () => {
    const lab = parted();
    set(lab, 1, "50");
    lab.cluster([1, 2], 0, true);
    lab.run(1000);
    const { version } = lab.node(1).smd.content(TRUNCATE)!;
    lab.cluster([1, 2], 0, true);
    lab.run(1000);
    assertEquals(lab.node(1).smd.content(TRUNCATE)!.version, version);
  });
});
