import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { PARTICLE } from "../wire/mod.ts";
import { COLLECTION, definitionKey, type IndexDefinition, parseDefinitionKey } from "./definition.ts";

const PLAIN: IndexDefinition = {
  kind: "value",
  setName: "demo",
  binName: "i",
  type: PARTICLE.INTEGER,
  collection: COLLECTION.DEFAULT,
  context: undefined,
  expression: undefined,
};

Deno.test("definitionKey() writes the key that a stock server sends", () => {
  assertEquals(definitionKey("test", PLAIN), "test|demo|i|.|I");
});

Deno.test("parseDefinitionKey() reads what definitionKey() writes", () => {
  const name = fc.stringMatching(/^[^|]{1,14}$/);
  const value = fc.record({
    kind: fc.constant("value" as const),
    setName: fc.option(name, { nil: undefined }),
    type: fc.constantFrom(PARTICLE.INTEGER, PARTICLE.STRING, PARTICLE.BLOB, PARTICLE.GEOJSON),
    collection: fc.integer({ min: 0, max: 3 }),
  });
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  const ofBin = fc.tuple(value, name, fc.option(bytes, { nil: undefined }))
    .map(([rest, binName, context]) => ({ ...rest, binName, context, expression: undefined }));
  const ofExpression = fc.tuple(value, bytes)
    .map(([rest, expression]) => ({ ...rest, binName: undefined, context: undefined, expression }));
  const ofSet = name.map((setName) => ({ kind: "set" as const, setName }));
  fc.assert(fc.property(fc.oneof(ofBin, ofExpression, ofSet), (definition) => {
    const parsed = parseDefinitionKey(definitionKey("test", definition));
    assertEquals(parsed, { namespaceName: "test", definition });
  }));
});

Deno.test("parseDefinitionKey() refuses what is no key", () => {
  const keys = [
    "",
    "test",
    "test|demo|i|.",
    "test|demo|i|X|I",
    "test|demo|i|.|X",
    "test|demo||.|I",
    "test|||S|.",
  ];
  keys.push("test|demo|i|xAA==|.|I", "test|demo|i|c***|.|I", "test|demo||cAA==|.|I", "a|b|c|d|e|f|g");
  for (const key of keys) assertEquals(parseDefinitionKey(key), undefined, key);
  fc.assert(fc.property(fc.string(), (key) => void parseDefinitionKey(key)));
});
