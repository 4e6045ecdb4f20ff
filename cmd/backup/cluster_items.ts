/**
 * Secondary indexes and Lua modules between a cluster and a backup, by info commands.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "../../src/base/mod.ts";
import type { AerieClient } from "../../src/client/mod.ts";
import { askInfo, infoFields, infoParts, infoValueOrEmpty } from "../info_fields.ts";
import type { AsbIndex, AsbIndexType, AsbModule } from "./asb.ts";

const TIMEOUT_MS = 5000;
/** What a node answers that does not have the namespace. */
const UNKNOWN_NAMESPACE = "type=unknown";

const INDEX_TYPES: Readonly<Record<string, AsbIndexType>> = {
  default: "N",
  list: "L",
  mapkeys: "K",
  mapvalues: "V",
};
const DATA_TYPES: Readonly<Record<string, string>> = {
  numeric: "N",
  string: "S",
  geo2dsphere: "G",
  blob: "B",
};

/**
 * Records of a namespace, replicas not counted; 0 when the cluster does not say.
 *
 * @throws {Error} when the cluster has no such namespace
 */
export async function countRecords(client: AerieClient, namespace: string): Promise<number> {
  const answers = [...(await client.infoAll(`namespace/${namespace}`, { timeoutMs: TIMEOUT_MS })).values()];
  if (answers.every((text) => text === UNKNOWN_NAMESPACE)) {
    const known = infoParts(await askInfo(client, "namespaces"), ";").join(", ");
    throw new Error(`the cluster has no namespace "${namespace}"; it has ${known}`);
  }
  let count = 0;
  for (const text of answers) count += Number(/(?:^|;)master_objects=(\d+)/.exec(text)?.[1] ?? 0);
  return count;
}

/** Indexes of a namespace, and names of those that the format can't hold. */
export async function readIndexes(
  client: AerieClient,
  namespace: string,
): Promise<{ indexes: AsbIndex[]; skipped: string[] }> {
  const indexes: AsbIndex[] = [];
  const skipped: string[] = [];
  for (const entry of infoParts(await askInfo(client, `sindex-list:namespace=${namespace};b64=true`), ";")) {
    const fields = infoFields(entry, ":");
    const name = fields.get("indexname") ?? "";
    const type = INDEX_TYPES[fields.get("indextype") ?? ""];
    const dataType = DATA_TYPES[fields.get("type") ?? ""];
    const bin = infoValueOrEmpty(fields.get("bin"));
    const expression = infoValueOrEmpty(fields.get("exp"));
    if (type === undefined || dataType === undefined || bin === "" && expression === "") {
      skipped.push(name);
      continue;
    }
    const context = infoValueOrEmpty(fields.get("context"));
    indexes.push({
      kind: "index",
      namespace,
      set: infoValueOrEmpty(fields.get("set")),
      name,
      type,
      bin,
      dataType,
      context: context === "" ? undefined : context,
      expression: expression === "" ? undefined : expression,
    });
  }
  return { indexes, skipped };
}

/** @throws {Error} when there are no indexes of the type of this one */
export function checkIndex({ name, dataType }: AsbIndex): void {
  if (wordOf(DATA_TYPES, dataType) === undefined) {
    throw new Error(`index ${name} has the unknown type "${dataType}"`);
  }
}

function wordOf(table: Readonly<Record<string, string>>, code: string): string | undefined {
  return Object.keys(table).find((name) => table[name] === code);
}

/** Makes an index, unless it is there. */
export async function createIndex(client: AerieClient, index: AsbIndex, namespace: string): Promise<void> {
  checkIndex(index);
  const options = [
    `namespace=${namespace}`,
    ...(index.set === "" ? [] : [`set=${index.set}`]),
    `indexname=${index.name}`,
    ...(index.type === "N" ? [] : [`indextype=${wordOf(INDEX_TYPES, index.type)}`]),
    ...(index.context === undefined ? [] : [`context=${index.context}`]),
    index.expression === undefined ? `bin=${index.bin}` : `exp=${index.expression}`,
    `type=${wordOf(DATA_TYPES, index.dataType)}`,
  ];
  await askInfo(client, `sindex-create:${options.join(";")}`);
}

/** All Lua modules. */
export async function readModules(client: AerieClient): Promise<AsbModule[]> {
  const modules: AsbModule[] = [];
  for (const entry of infoParts(await askInfo(client, "udf-list"), ";")) {
    const name = infoFields(entry, ",").get("filename");
    if (name === undefined) continue;
    const content = decodeBase64(
      infoFields(await askInfo(client, `udf-get:filename=${name};`), ";").get("content") ?? "",
    );
    if (content === undefined) throw new Error(`the server sent module ${name} in a form that is no base64`);
    modules.push({ kind: "module", name, content });
  }
  return modules;
}

/** Registers a Lua module. */
export async function registerModule(client: AerieClient, module: AsbModule): Promise<void> {
  const content = encodeBase64(module.content);
  await askInfo(
    client,
    `udf-put:filename=${module.name};content=${content};content-len=${content.length};udf-type=LUA;`,
  );
}
