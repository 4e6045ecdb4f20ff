/**
 * Secondary indexes and Lua modules between a cluster and a backup, by info commands.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "../../src/base/mod.ts";
import { type AerieClient, parseInfoError } from "../../src/client/mod.ts";
import type { AsbIndex, AsbIndexType, AsbModule } from "./asb.ts";

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

/** Indexes of a namespace, and names of those that the format can't hold. */
export async function readIndexes(
  client: AerieClient,
  namespace: string,
): Promise<{ indexes: AsbIndex[]; skipped: string[] }> {
  const indexes: AsbIndex[] = [];
  const skipped: string[] = [];
  for (const entry of parts(await ask(client, `sindex-list:namespace=${namespace};b64=true`), ";")) {
    const fields = fieldsOf(entry, ":");
    const name = fields.get("indexname") ?? "";
    const type = INDEX_TYPES[fields.get("indextype") ?? ""];
    const dataType = DATA_TYPES[fields.get("type") ?? ""];
    if (type === undefined || dataType === undefined || known(fields.get("bin")) === "") {
      skipped.push(name);
      continue;
    }
    const context = known(fields.get("context"));
    indexes.push({
      kind: "index",
      namespace,
      set: known(fields.get("set")),
      name,
      type,
      bin: known(fields.get("bin")),
      dataType,
      context: context === "" ? undefined : context,
    });
  }
  return { indexes, skipped };
}

/** Makes an index, unless it is there. */
export async function createIndex(client: AerieClient, index: AsbIndex, namespace: string): Promise<void> {
  const word = (table: Readonly<Record<string, string>>, code: string) =>
    Object.keys(table).find((name) => table[name] === code);
  const type = word(DATA_TYPES, index.dataType);
  if (type === undefined) throw new Error(`index ${index.name} has the unknown type "${index.dataType}"`);
  const options = [
    `namespace=${namespace}`,
    ...(index.set === "" ? [] : [`set=${index.set}`]),
    `indexname=${index.name}`,
    ...(index.type === "N" ? [] : [`indextype=${word(INDEX_TYPES, index.type)}`]),
    ...(index.context === undefined ? [] : [`context=${index.context}`]),
    `bin=${index.bin}`,
    `type=${type}`,
  ];
  await ask(client, `sindex-create:${options.join(";")}`);
}

/** All Lua modules. */
export async function readModules(client: AerieClient): Promise<AsbModule[]> {
  const modules: AsbModule[] = [];
  for (const entry of parts(await ask(client, "udf-list"), ";")) {
    const name = fieldsOf(entry, ",").get("filename");
    if (name === undefined) continue;
    const content = decodeBase64(
      fieldsOf(await ask(client, `udf-get:filename=${name};`), ";").get("content") ?? "",
    );
    if (content === undefined) throw new Error(`the server sent module ${name} in a form that is no base64`);
    modules.push({ kind: "module", name, content });
  }
  return modules;
}

/** Registers a Lua module. */
export async function registerModule(client: AerieClient, module: AsbModule): Promise<void> {
  const content = encodeBase64(module.content);
  await ask(
    client,
    `udf-put:filename=${module.name};content=${content};content-len=${content.length};udf-type=LUA;`,
  );
}

async function ask(client: AerieClient, command: string): Promise<string> {
  const answer = await client.info(command, { timeoutMs: 5000 });
  const error = parseInfoError(answer);
  if (error !== undefined) {
    throw new Error(`the server answered ${command.split(/[:;]/)[0]} with: ${error.message}`);
  }
  return answer;
}

function parts(text: string, separator: string): string[] {
  return text.split(separator).filter((part) => part !== "");
}

function fieldsOf(text: string, separator: string): Map<string, string> {
  return new Map(
    parts(text, separator).map((field) => {
      const at = field.indexOf("=");
      return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
    }),
  );
}

function known(value: string | undefined): string {
  return value === undefined || value === "null" ? "" : value;
}
