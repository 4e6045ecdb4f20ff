/**
 * From the parameters of `sindex-create` to a definition. Source: collection reference, section 10.2.
 *
 * @module
 */

import { BIN_NAME_SIZE_MAX, decodeBase64, SET_NAME_SIZE_MAX } from "../base/mod.ts";
import { compileExpression, EXP_TYPE, isIndexContext, isNormalized } from "../record/mod.ts";
import {
  COLLECTION,
  COLLECTION_NAMES,
  type IndexDefinition,
  KEY_SEPARATOR,
  TYPE_NAMES,
  type ValueDefinition,
} from "../sindex/mod.ts";
import type { InfoContext } from "./info_row.ts";

const CONTEXT_SIZE_MAX = 2047;
const EXPRESSION_SIZE_MAX = 16_383;
const INDEX_DATA_SIZE_MAX = 63;
const TYPE_CHOICE = "must be one of 'numeric', 'string', 'blob', 'geo2dsphere'";
const COLLECTION_CHOICE = "must be one of 'default', 'list', 'mapkeys', 'mapvalues'";
/** Names of the types of expressions in errors. */
const EXP_TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(EXP_TYPE).map(([name, type]) => [type, name.toLowerCase()]),
);
const EXP_TYPE_OF_INDEX: ReadonlyMap<string, number> = new Map([
  ["numeric", EXP_TYPE.INT],
  ["string", EXP_TYPE.STRING],
  ["blob", EXP_TYPE.BLOB],
  ["geo2dsphere", EXP_TYPE.GEOJSON],
]);

/** A value, or the error in its place. */
type Read<T> = { value: T; error?: never } | { value?: never; error: string };

/** The definition that a command asks for, or the error that says why there is none. */
export function readDefinition(context: InfoContext): Read<IndexDefinition> {
  if (context.get("indextype")?.toLowerCase() === "set") return readSetDefinition(context);
  const set = readSet(context);
  if (set.error !== undefined) return set;
  const collection = readCollection(context);
  if (collection.error !== undefined) return collection;
  const place = readPlace(context);
  if (place.error !== undefined) return place;
  const { binName, type, expression } = place.value;
  const way = readContext(context);
  if (way.error !== undefined) return way;
  const definition: ValueDefinition = {
    kind: "value",
    setName: set.value,
    binName,
    type,
    collection: collection.value,
    context: way.value,
    expression,
  };
  const mismatch = expression === undefined ? undefined : checkExpression(definition);
  return mismatch === undefined ? { value: definition } : { error: mismatch };
}

function readSetDefinition(context: InfoContext): Read<IndexDefinition> {
  for (const name of ["bin", "type", "context", "exp", "indexdata"]) {
    if (context.get(name) === undefined) continue;
    return { error: `ERROR:4:${name} parameter is not supported for set index` };
  }
  const set = readSet(context);
  if (set.error !== undefined) return set;
  if (set.value === undefined) return { error: "ERROR:4:missing 'set'" };
  return { value: { kind: "set", setName: set.value } };
}

function readSet(context: InfoContext): Read<string | undefined> {
  if (context.get("set") === undefined) return { value: undefined };
  const set = context.need("set", { sizeMaxBytes: SET_NAME_SIZE_MAX });
  return set.error !== undefined ? set : checkName("set", set.value);
}

/** Names become parts of a key of the metadata, which must be told apart again. */
function checkName(parameter: string, value: string): Read<string> {
  return value.includes(KEY_SEPARATOR)
    ? { error: `ERROR:4:bad '${parameter}' - an index's ${parameter} may not contain '${KEY_SEPARATOR}'` }
    : { value };
}

function readCollection(context: InfoContext): Read<number> {
  const text = context.get("indextype");
  if (text === undefined) return { value: COLLECTION.DEFAULT };
  const collection = COLLECTION_NAMES.indexOf(text.toLowerCase());
  return collection < 0 ? { error: `ERROR:4:bad 'indextype' - ${COLLECTION_CHOICE}` } : { value: collection };
}

interface Place {
  binName: string | undefined;
  type: number;
  expression: Uint8Array | undefined;
}

/** What is indexed: bin or expression, and its type. */
function readPlace(context: InfoContext): Read<Place> {
  const legacy = context.get("indexdata");
  const hasBin = context.get("bin") !== undefined;
  const hasExpression = context.get("exp") !== undefined;
  if (hasBin && hasExpression) return { error: "ERROR:4:both 'bin' and 'exp' are specified" };
  if (!hasBin && !hasExpression && legacy === undefined) {
    return { error: "ERROR:4:both 'bin' and 'exp' are missing" };
  }
  if (hasExpression && context.get("context") !== undefined) {
    return { error: "ERROR:4:both 'context' and 'exp' are specified" };
  }
  if (!hasBin && !hasExpression) return readIndexData(context);
  const type = readType(context);
  if (type.error !== undefined) return type;
  if (hasExpression) {
    const text = context.need("exp", { sizeMaxBytes: EXPRESSION_SIZE_MAX });
    if (text.error !== undefined) return text;
    const expression = decodeBase64(text.value);
    if (expression === undefined) return { error: "ERROR:4:bad 'exp'" };
    return { value: { binName: undefined, type: type.value, expression } };
  }
  const text = context.need("bin", { sizeMaxBytes: BIN_NAME_SIZE_MAX });
  const bin = text.error !== undefined ? text : checkName("bin", text.value);
  if (bin.error !== undefined) return bin;
  return { value: { binName: bin.value, type: type.value, expression: undefined } };
}

function readType(context: InfoContext): Read<number> {
  const text = context.get("type");
  if (text === undefined) return { error: "ERROR:4:both 'indexdata' and 'type' are missing" };
  const type = typeOf(text);
  return type === undefined ? { error: `ERROR:4:bad 'type' - ${TYPE_CHOICE}` } : { value: type };
}

/** The older form, `indexdata=BIN,TYPE`. */
function readIndexData(context: InfoContext): Read<Place> {
  const text = context.need("indexdata", { sizeMaxBytes: INDEX_DATA_SIZE_MAX });
  if (text.error !== undefined) return text;
  const comma = text.value.indexOf(",");
  if (comma < 0) return { error: "ERROR:4:'indexdata' missing bin type" };
  const binName = text.value.slice(0, comma);
  if (binName === "") return { error: "ERROR:4:'indexdata' missing bin name" };
  if (binName.length > BIN_NAME_SIZE_MAX) return { error: "ERROR:4:'indexdata' bin name too long" };
  const type = typeOf(text.value.slice(comma + 1));
  if (type === undefined) return { error: `ERROR:4:bad 'indexdata' bin type - ${TYPE_CHOICE}` };
  const bin = checkName("indexdata", binName);
  return bin.error !== undefined ? bin : { value: { binName, type, expression: undefined } };
}

function typeOf(text: string): number | undefined {
  for (const [type, name] of TYPE_NAMES) if (name === text.toLowerCase()) return type;
  return undefined;
}

function readContext(context: InfoContext): Read<Uint8Array | undefined> {
  if (context.get("context") === undefined) return { value: undefined };
  const text = context.need("context", { sizeMaxBytes: CONTEXT_SIZE_MAX });
  if (text.error !== undefined) return text;
  const bytes = decodeBase64(text.value);
  if (bytes === undefined) return { error: "ERROR:4:'context' invalid base64" };
  if (!isIndexContext(bytes)) return { error: "ERROR:4:'context' invalid cdt context" };
  return isNormalized(bytes) ? { value: bytes } : { error: "ERROR:4:'context' not normalized msgpack" };
}

/** Checks an expression against what is to be indexed; an error, or undefined. */
function checkExpression({ collection, expression, type }: ValueDefinition): string | undefined {
  const program = compileExpression(expression!);
  if (typeof program === "number" || !program.isIndexable) return "ERROR:4:bad 'exp'";
  const wanted = collection === COLLECTION.DEFAULT
    ? EXP_TYPE_OF_INDEX.get(TYPE_NAMES.get(type)!)!
    : collection === COLLECTION.LIST
    ? EXP_TYPE.LIST
    : EXP_TYPE.MAP;
  if (program.type === wanted) return undefined;
  return `ERROR:4:bad 'exp' - expression type '${expTypeName(program.type)}' does not match expected type '${
    expTypeName(wanted)
  }'`;
}

function expTypeName(type: number): string {
  for (const [name, other] of EXP_TYPE_OF_INDEX) if (other === type) return name;
  return EXP_TYPE_NAMES.get(type) ?? "unknown";
}
