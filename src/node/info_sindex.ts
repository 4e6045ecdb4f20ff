/**
 * Info commands about secondary indexes and indexes of sets. Source: wire-protocol reference, section 9.8; collection
 * reference, sections 10.2 and 10.3.
 *
 * @module
 */

import { encodeBase64 } from "../base/mod.ts";
import {
  COLLECTION_NAMES,
  definitionKey,
  INDEX_COUNT_MAX,
  type SecondaryIndex,
  SetIndex,
  TYPE_NAMES,
  type ValueIndex,
} from "../sindex/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { SMD_MODULE } from "../wire/mod.ts";
import type { PendingAnswer } from "./info_pending.ts";
import { type InfoContext, type InfoRow, OK, safeText } from "./info_row.ts";
import { readDefinition } from "./sindex_request.ts";

const NO_INDEX = "ERROR:201:no index";
const NO_NAMESPACE = "ERROR:20:namespace not found on node";
const INDEX_NAME_SIZE_MAX = 63;

/** `sindex`, `sindex/NS` list; `sindex/NS/INDEX` asks what one counts. */
function listOrCount(context: InfoContext): string {
  const [namespaceName, indexName] = context.words;
  if (indexName === undefined) return listIndexes(context);
  context.usedDeprecatedForm = true;
  const namespace = context.node.namespace(namespaceName);
  return namespace === undefined ? NO_NAMESPACE : statistics(namespace, indexName);
}

/** `sindex-list:[namespace=NS]`, `sindex-list/NS[/INDEX]`. */
function listIndexes(context: InfoContext): string {
  const { node } = context;
  if (context.words.length > 0) {
    context.usedDeprecatedForm = true;
    const namespace = node.namespace(context.words[0]);
    if (namespace === undefined) return NO_NAMESPACE;
    return listOf([namespace], context.words[1]);
  }
  if (context.get("namespace") === undefined && context.get("ns") === undefined) {
    return listOf(node.namespaces);
  }
  const { value: namespace, error } = context.namespace();
  return error ?? listOf([namespace]);
}

/** All indexes, or those of one name. */
function listOf(namespaces: readonly Namespace[], only?: string): string {
  return namespaces.flatMap(({ indexes, settings }) =>
    indexes.list().filter(({ name }) => name !== "" && (only === undefined || name === only))
      .map((index) => listEntry(settings.name, index))
  ).join(";");
}

function listEntry(namespaceName: string, index: SecondaryIndex): string {
  const start = `ns=${namespaceName}:indexname=${safeText(index.name)}`;
  if (index instanceof SetIndex) return `${start}:set=${safeText(index.definition.setName)}:indextype=set`;
  const { definition } = index as ValueIndex;
  const parts = [
    `set=${orNull(definition.setName, safeText)}`,
    `bin=${orNull(definition.binName, safeText)}`,
    `type=${TYPE_NAMES.get(definition.type)}`,
    `indextype=${COLLECTION_NAMES[definition.collection]}`,
    `context=${orNull(definition.context, encodeBase64)}`,
    `exp=${orNull(definition.expression, encodeBase64)}`,
    `state=${index.isReady ? "RW" : "WO"}`,
  ];
  return [start, ...parts].join(":");
}

function orNull<T>(value: T | undefined, print: (value: T) => string): string {
  return value === undefined ? "null" : print(value);
}

/** What an index counts, under the stock server's names and in its order. */
export function sindexStatistics(index: SecondaryIndex): [string, number][] {
  const { tree } = index;
  if (index instanceof SetIndex) {
    return [["entries", tree.entryCount], ["used_bytes", tree.usedBytes], ["load_pct", index.loadPct]];
  }
  return [
    ["entries", tree.entryCount],
    ["used_bytes", tree.usedBytes],
    ["entries_per_bval", Math.floor(tree.entryCount / Math.max(1, index.valueCount))],
    ["entries_per_rec", Math.floor(tree.entryCount / Math.max(1, index.recordCount))],
    ["load_pct", index.loadPct],
    ["load_time", index.loadMs],
    ["stat_gc_recs", 0],
  ];
}

function statistics({ indexes }: Namespace, name: string): string {
  const index = indexes.byName(name);
  if (index === undefined) return NO_INDEX;
  return sindexStatistics(index).map(([key, value]) => `${key}=${value}`).join(";");
}

/** Runs a command on the index that its parameters name. */
function onIndex<Answer extends string | PendingAnswer>(
  context: InfoContext,
  answer: (namespace: Namespace, name: string) => Answer,
): Answer | string {
  const { value: namespace, error } = context.namespace();
  if (error !== undefined) return error;
  const name = context.need("indexname", { sizeMaxBytes: INDEX_NAME_SIZE_MAX });
  return name.error ?? answer(namespace, name.value!);
}

function createIndex(context: InfoContext): string | PendingAnswer {
  const name = context.need("indexname", { sizeMaxBytes: INDEX_NAME_SIZE_MAX });
  if (name.error !== undefined) return name.error;
  if (context.get("namespace") === undefined && context.get("ns") === undefined) {
    return "ERROR:4:missing 'namespace'";
  }
  const { value: namespace, error } = context.namespace();
  if (error !== undefined) return error;
  const definition = readDefinition(context);
  if (definition.error !== undefined) return definition.error;
  const { indexes, settings } = namespace;
  const key = definitionKey(settings.name, definition.value);
  const named = indexes.byName(name.value);
  if (named !== undefined && named.key !== key) {
    return "ERROR:200:'indexname' already exists with different definition";
  }
  if (indexes.byKey(key) === undefined && indexes.list().length >= INDEX_COUNT_MAX) {
    return "ERROR:206:already at sindex definition limit";
  }
  return named === undefined ? context.keep(SMD_MODULE.SINDEX, key, name.value) : OK;
}

function deleteIndex(context: InfoContext): string | PendingAnswer {
  return onIndex(context, ({ indexes }, name) => {
    const index = indexes.byName(name);
    return index === undefined ? OK : context.keep(SMD_MODULE.SINDEX, index.key, null);
  });
}

/** See the module's text. */
export const sindexCommands: readonly InfoRow[] = [
  {
    name: "sindex-list",
    parameters: "[namespace=NS][;b64=true|false]",
    reply:
      "ns=NS:indexname=INDEX:set=SET:bin=BIN:type=TYPE:indextype=TYPE:context=BASE64:exp=BASE64:state=RW|WO;... | " +
      "ns=NS:indexname=INDEX:set=SET:indextype=set;...",
    doc: "secondary indexes, then indexes of sets",
    askedBy: "asadm, exporter, asbackup",
    answer: listIndexes,
  },
  {
    name: "sindex",
    parameters: "[/NS[/INDEX]]",
    reply: "as sindex-list | as sindex-stat",
    doc: "secondary indexes, or what one of them counts",
    askedBy: "clients",
    answer: listOrCount,
  },
  {
    name: "sindex-stat",
    parameters: "namespace=NS;indexname=INDEX",
    reply:
      "entries=N;used_bytes=N;entries_per_bval=N;entries_per_rec=N;load_pct=N;load_time=MS;stat_gc_recs=0 | " +
      "entries=N;used_bytes=N;load_pct=N | ERROR:201:no index",
    doc: "what an index counts; the shorter form is that of an index of a set",
    askedBy: "clients, asadm, exporter",
    answer: (context) => onIndex(context, statistics),
  },
  {
    name: "sindex-exists",
    parameters: "namespace=NS;indexname=INDEX",
    reply: "true | false",
    doc: "whether there is an index of that name",
    askedBy: "clients",
    answer: (context) => onIndex(context, ({ indexes }, name) => String(indexes.byName(name) !== undefined)),
  },
  {
    name: "sindex-create",
    parameters: "namespace=NS[;set=SET];indexname=INDEX[;indextype=default|list|mapkeys|mapvalues|set]" +
      "[;context=BASE64];bin=BIN|exp=BASE64;type=numeric|string|blob|geo2dsphere",
    reply: "ok | ERROR:200:... | ERROR:206:... | ERROR:4:...",
    doc: "create an index, or give one another name",
    askedBy: "clients, asadm, asrestore",
    permission: "sindex-admin",
    answer: createIndex,
  },
  {
    name: "sindex-delete",
    parameters: "namespace=NS[;set=SET];indexname=INDEX",
    reply: "ok, also when there is no such index",
    doc: "remove an index",
    askedBy: "clients, asadm",
    permission: "sindex-admin",
    answer: deleteIndex,
  },
];
