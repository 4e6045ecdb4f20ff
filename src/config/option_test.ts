import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { pathText } from "./assignment.ts";
import { allContexts, type ContextSpec } from "./contexts.ts";
import { editDistance, nearestName } from "./nearest.ts";
import { obsoleteNames } from "./obsolete.ts";
import { kebabCase, type Option, pluralName } from "./option.ts";
import { bareSettings, defaultSettings } from "./settings.ts";
import { deviceStorageOptions, memoryStorageOptions } from "./storage_options.ts";
import { parseValue, sameValue } from "./value.ts";
import { settingEntries } from "./walk.ts";

const rows: [ContextSpec, Option][] = allContexts().flatMap((context) =>
  context.table.rows.map((row): [ContextSpec, Option] => [context, row])
);

describe("the option table", () => {
  it("has a field that is the name in camel case, in the plural for lists", () => {
    for (const [context, row] of rows) {
      if (context.lineKeyword !== undefined) continue;
      const name = row.type === "list" ? pluralName(row.name) : row.name;
      assertEquals(kebabCase(row.field), name, `${context.path} ${row.name}`);
    }
  });

  it("has a default that its own row accepts, for every number that is on", () => {
    for (const [context, row] of rows) {
      if (typeof row.default !== "number" || row.status === "unsupported" || row.default === 0) continue;
      const parsed = parseValue(row, String(row.default));
      assert(parsed.ok && sameValue(parsed.value, row.default), `${context.path} ${row.name} ${row.default}`);
    }
  });

  it("has one short line of words for every row and a range that is not empty", () => {
    for (const [context, row] of rows) {
      assertMatch(row.doc, /^[^\n]{4,160}$/, `${context.path} ${row.name}`);
      if (row.range) assert(row.range[0] < row.range[1], `${context.path} ${row.name}`);
    }
  });

  it("lists no obsolete name as an option", () => {
    const names = new Set(rows.map(([, row]) => row.name));
    assertEquals([...obsoleteNames.keys()].filter((name) => names.has(name)), []);
  });

  it("gives both storage engines devices and files with shadows", () => {
    for (const table of [memoryStorageOptions, deviceStorageOptions]) {
      assertEquals(["device", "file"].map((name) => table.byName.get(name)?.wordsMax), [2, 2]);
    }
  });

  it("describes every field of the settings, and nothing else", () => {
    const settings = defaultSettings();
    settings.namespaces[0].sets.set("s", { ...setDefaults });
    settings.network.admin = { ...bareSettings().network.service };
    const seen = new Map<string, string[]>();
    for (const { path, option } of settingEntries(settings)) {
      const key = pathText(path);
      seen.set(key, [...(seen.get(key) ?? []), option.field]);
    }
    const { namespaces: [namespace], network, service, modLua } = settings;
    const fields = (value: object) => Object.keys(value).sort();
    const table = (key: string) => seen.get(key)?.toSorted();
    assertEquals(table("service"), fields(service));
    assertEquals(table("mod-lua"), fields(modLua));
    for (const name of ["service", "heartbeat", "fabric", "info", "http"] as const) {
      assertEquals(table(`network.${name}`), fields(network[name]!));
    }
    const structure = ["geo2dsphereWithin", "indexType", "name", "sets", "sindexType", "storage"];
    assertEquals(table("namespace.test"), fields(namespace).filter((field) => !structure.includes(field)));
    assertEquals(table("namespace.test.geo2dsphere-within"), fields(namespace.geo2dsphereWithin));
    const memoryFields = table("namespace.test.storage-engine")!;
    namespace.storage.kind = "device";
    const deviceFields = settingEntries(settings)
      .filter(({ path }) => pathText(path) === "namespace.test.storage-engine").map(({ option }) =>
        option.field
      );
    assertEquals(
      [...new Set([...memoryFields, ...deviceFields])].sort(),
      fields(namespace.storage).filter((field) => field !== "kind"),
    );
    assertEquals(table("namespace.test.set.s"), fields(setDefaults));
  });
});

const setDefaults = {
  defaultReadTouchTtlPct: 0,
  defaultTtl: 0,
  disableEviction: false,
  enableIndex: false,
  stopWritesCount: 0,
  stopWritesSize: 0,
};

describe("nearestName()", () => {
  const names = ["proto-fd-max", "proto-fd-idle-ms", "port", "data-size"];
  const cases: [string, string | undefined][] = [
    ["proto-fd-mx", "proto-fd-max"],
    ["proto_fd_max", "proto-fd-max"],
    ["prot", "port"],
    ["Data-Size", "data-size"],
    ["zebra-crossing", undefined],
    ["", undefined],
    ["x".repeat(1000), undefined],
  ];
  for (const [name, nearest] of cases) {
    it(`finds ${nearest} for ${JSON.stringify(name.slice(0, 20))}`, () =>
      assertEquals(nearestName(name, names), nearest));
  }
});

describe("editDistance()", () => {
  it("counts changes, insertions, removals and swaps as one", () => {
    assertEquals(["", "abd", "abcd", "ab", "bac", "abc"].map((to) => editDistance("abc", to)), [
      3,
      1,
      1,
      1,
      1,
      0,
    ]);
  });
});
