/**
 * What an index is of, and how that is written as a key of the cluster-wide metadata (the value is the index's name):
 *
 * | index of        | key                                              |
 * | --------------- | ------------------------------------------------ |
 * | a bin           | `namespace|set|bin|collection|type`              |
 * | inside a bin    | `namespace|set|bin|cCONTEXT|collection|type`     |
 * | an expression   | `namespace|set||eEXPRESSION|collection|type`     |
 * | a set           | `namespace|set||S|.`                             |
 *
 * The set is empty for a whole namespace; context and expression are msgpack in base64; collection is `.` for the value
 * itself, `L` list, `K` map keys, `V` map values; type is `I` numeric, `S` string, `B` blob, `G` geo. The first form is
 * the recorded one of the stock server; no recording shows what it does with the others.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "../base/mod.ts";
import { PARTICLE } from "../wire/mod.ts";

/** What of a value is indexed, as field INDEX_TYPE tells. */
export const COLLECTION = { DEFAULT: 0, LIST: 1, MAP_KEYS: 2, MAP_VALUES: 3 } as const;

/** Names of collections in info commands, by number. */
export const COLLECTION_NAMES: readonly string[] = ["default", "list", "mapkeys", "mapvalues"];

/** Names of types in info commands, by particle type. */
export const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [PARTICLE.INTEGER, "numeric"],
  [PARTICLE.STRING, "string"],
  [PARTICLE.BLOB, "blob"],
  [PARTICLE.GEOJSON, "geo2dsphere"],
]);

/** What an index of values is of. */
export interface ValueDefinition {
  /** An index of values. */
  kind: "value";
  /** Set, undefined for the whole namespace. */
  setName: string | undefined;
  /** Bin, undefined for the value of an expression. */
  binName: string | undefined;
  /** Particle type of what is indexed: INTEGER, STRING, BLOB or GEOJSON. */
  type: number;
  /** What of the value is indexed, one of `COLLECTION`. */
  collection: number;
  /** Msgpack of the way to the value inside the bin. */
  context: Uint8Array | undefined;
  /** Msgpack of the expression. */
  expression: Uint8Array | undefined;
}

/** An index of a set's records. */
export interface SetDefinition {
  /** An index of a set. */
  kind: "set";
  /** Set. */
  setName: string;
}

/** What an index is of. */
export type IndexDefinition = ValueDefinition | SetDefinition;

/** Separates the parts of a key; neither set nor bin of an index may contain it. */
export const KEY_SEPARATOR = "|";

const COLLECTION_LETTERS = ".LKV";
const TYPE_LETTERS: ReadonlyMap<string, number> = new Map([
  ["I", PARTICLE.INTEGER],
  ["S", PARTICLE.STRING],
  ["B", PARTICLE.BLOB],
  ["G", PARTICLE.GEOJSON],
]);
const SET_LETTERS = ["S", "."];

/** The key of a definition; two definitions with one key are the same. */
export function definitionKey(namespaceName: string, definition: IndexDefinition): string {
  const start = [namespaceName, definition.setName ?? ""];
  if (definition.kind === "set") return [...start, "", ...SET_LETTERS].join(KEY_SEPARATOR);
  const { binName, collection, context, expression, type } = definition;
  const inside = context !== undefined
    ? [`c${encodeBase64(context)}`]
    : expression !== undefined
    ? [`e${encodeBase64(expression)}`]
    : [];
  const letter = [...TYPE_LETTERS].find(([, particle]) => particle === type)![0];
  return [...start, binName ?? "", ...inside, COLLECTION_LETTERS[collection], letter].join(KEY_SEPARATOR);
}

/** Namespace and definition of a key; undefined when it is no such key. */
export function parseDefinitionKey(
  key: string,
): { namespaceName: string; definition: IndexDefinition } | undefined {
  const parts = key.split(KEY_SEPARATOR);
  if (parts.length !== 5 && parts.length !== 6) return undefined;
  const [namespaceName, set, bin] = parts;
  const [collectionLetter, typeLetter] = parts.slice(-2);
  if (bin === "" && parts.length === 5) {
    const isSet = set !== "" && collectionLetter === SET_LETTERS[0] && typeLetter === SET_LETTERS[1];
    return isSet ? { namespaceName, definition: { kind: "set", setName: set } } : undefined;
  }
  const type = TYPE_LETTERS.get(typeLetter);
  const collection = collectionLetter.length === 1 ? COLLECTION_LETTERS.indexOf(collectionLetter) : -1;
  if (type === undefined || collection < 0) return undefined;
  const inside = parts.length === 6 ? parts[3] : undefined;
  const bytes = inside === undefined ? undefined : decodeBase64(inside.slice(1));
  if (inside !== undefined && (bytes === undefined || inside[0] !== (bin === "" ? "e" : "c"))) {
    return undefined;
  }
  return {
    namespaceName,
    definition: {
      kind: "value",
      setName: set === "" ? undefined : set,
      binName: bin === "" ? undefined : bin,
      type,
      collection,
      context: bin === "" ? undefined : bytes,
      expression: bin === "" ? bytes : undefined,
    },
  };
}
