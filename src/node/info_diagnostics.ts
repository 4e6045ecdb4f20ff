/**
 * Info commands for people who look for faults. Those that dump write to the log and answer `ok`. Source: wire-protocol
 * reference, sections 9.11 and 9.12.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, encodeBase64, fromHex } from "../base/mod.ts";
import { EntryRef, LOADED, type NamespaceStore, UNIT_SIZE_BYTES } from "../storage/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { clockLines, clusterLines, fabricLines, heartbeatLines, skewLines } from "./info_cluster_dumps.ts";
import { type InfoContext, type InfoRow, OK, safeText } from "./info_row.ts";
import type { AerieNode } from "./node.ts";

const SMD_MODULES = ["evict", "masking", "roster", "security", "sindex", "truncate", "UDF", "XDR"];

/** One dump: its log context and what it writes, line by line. */
interface Dump {
  name: string;
  context: string;
  doc: string;
  lines: (node: AerieNode) => string[];
}

const dumps: readonly Dump[] = [
  {
    name: "dump-cluster",
    context: "clustering",
    doc: "members and key of the cluster",
    lines: clusterLines,
  },
  { name: "dump-fabric", context: "fabric", doc: "channels to other nodes", lines: fabricLines },
  { name: "dump-hb", context: "hb", doc: "pulses of other nodes", lines: heartbeatLines },
  { name: "dump-hlc", context: "hlc", doc: "clock", lines: clockLines },
  {
    name: "dump-migrates",
    context: "migrate",
    doc: "migrations",
    lines: ({ migrator }) => migrator.describe(),
  },
  {
    name: "dump-rw",
    context: "rw",
    doc: "requests that are suspended",
    lines: ({ namespaces }) =>
      namespaces.map(({ settings, inFlight }) => `{${settings.name}} ${inFlight.heldCount} records held`),
  },
  { name: "dump-skew", context: "skew", doc: "clocks of the cluster", lines: skewLines },
  {
    name: "dump-wb-summary",
    context: "storage",
    doc: "write blocks",
    lines: ({ namespaces }) => namespaces.map(blockLine),
  },
  { name: "jem-stats", context: "alloc", doc: "memory of the process", lines: memoryLines },
];

function blockLine({ settings, store: { space } }: Namespace): string {
  const used = space.blockCountMax - space.freeBlockCount;
  return `{${settings.name}} blocks: ${used} of ${space.blockCountMax} in use, ${space.sparseBlockCount} sparse, ` +
    `${space.defragmentedBlocks} emptied so far; records take ${space.usedBytes} bytes`;
}

function memoryLines({ ports }: AerieNode): string[] {
  return [
    Object.entries(ports.host.memory()).map(([name, value]) => `${name} ${value}`).join(", "),
  ];
}

function dumpRow({ name, context, doc, lines }: Dump): InfoRow {
  return {
    name,
    reply: "ok",
    doc: `writes into the log: ${doc}`,
    askedBy: "people who look for faults",
    permission: "logging-ctrl",
    answer: ({ node }) => {
      for (const line of lines(node)) node.ports.log.write("info", context, line);
      return OK;
    },
  };
}

/** Finds the record that a command names by the hexadecimal of its digest. */
function findRecord(context: InfoContext): { namespace: Namespace; entry: EntryRef } | string {
  const { value: namespace, error } = context.namespace();
  if (error !== undefined) return error;
  const keyd = context.need("keyd", { sizeMaxBytes: DIGEST_SIZE_BYTES * 2 });
  if (keyd.error !== undefined) return keyd.error;
  if (!/^[0-9a-fA-F]{40}$/.test(keyd.value)) return "ERROR:4:'keyd' is not 40 hexadecimal digits";
  const entry = new EntryRef();
  return namespace.store.find(fromHex(keyd.value), 0, entry)
    ? { namespace, entry }
    : "ERROR:2:record not found";
}

function recordMeta({ namespace, entry }: { namespace: Namespace; entry: EntryRef }): string {
  const { store, settings } = namespace;
  const set = safeText(store.sets.byId(entry.setId)?.name ?? "null");
  return `namespace=${settings.name};set=${set};generation=${entry.generation};` +
    `last-update-time=${entry.lastUpdateMs};void-time=${entry.voidTime};tombstone=${entry.isTombstone};` +
    `live=${store.isLive(entry, store.nowMs())};units=${entry.sizeUnits}`;
}

function debugRecordMeta(context: InfoContext): string {
  const found = findRecord(context);
  return typeof found === "string" ? found : recordMeta(found);
}

function debugRecord(context: InfoContext): string {
  const found = findRecord(context);
  if (typeof found === "string") return found;
  const { store } = found.namespace;
  const meta = recordMeta(found);
  const loaded = store.load(found.entry, { wake() {} });
  if (loaded === LOADED.PENDING) return "ERROR:9:the record is being read, ask again";
  if (loaded === LOADED.FAILED) return "ERROR:1:the record can't be read, the log says why";
  return `${meta};flat=${encodeBase64(flatBytes(store))}`;
}

function flatBytes({ flat }: NamespaceStore): Uint8Array {
  return flat.bytes.subarray(flat.at, flat.at + flat.sizeUnits * UNIT_SIZE_BYTES);
}

function showSmd(context: InfoContext): string {
  const { value, error } = context.need("module");
  if (error !== undefined) return error;
  if (!SMD_MODULES.includes(value)) return "ERROR:4:unknown module";
  const items = value === "truncate" ? truncateMarks(context.node) : [];
  return items.length === 0 ? "<empty>" : items.join(";");
}

function truncateMarks({ namespaces }: AerieNode): string[] {
  return namespaces.flatMap(({ settings, store }) => {
    const sets = [...store.sets].filter((set) => set.truncateLutMs > 0);
    return [
      ...(store.truncateLutMs > 0 ? [`${settings.name}=${store.truncateLutMs}`] : []),
      ...sets.map((set) => `${settings.name}|${safeText(set.name)}=${set.truncateLutMs}`),
    ];
  });
}

function sessionsText({ node }: InfoContext): string {
  const { sessions } = node.listeners;
  const busy = [...sessions].filter((session) => !session.isIdle).length;
  return `event-loop:connections=${sessions.size}:busy=${busy}`;
}

/** See the module's text. */
export const diagnosticCommands: readonly InfoRow[] = [
  ...dumps.map(dumpRow),
  {
    name: "thread-traces",
    reply: "event-loop:connections=N:busy=N",
    doc: "what the one event loop is busy with",
    askedBy: "people who look for faults",
    answer: sessionsText,
  },
  {
    name: "debug-record",
    parameters: "namespace=NS;keyd=DIGEST",
    reply: "NAME=VALUE;...;flat=BASE64 | ERROR:2:record not found",
    doc: "what is stored of a record",
    askedBy: "people who look for faults",
    permission: "record-info",
    answer: debugRecord,
  },
  {
    name: "debug-record-meta",
    parameters: "namespace=NS;keyd=DIGEST",
    reply: "NAME=VALUE;... | ERROR:2:record not found",
    doc: "what the index says of a record",
    askedBy: "people who look for faults",
    permission: "record-info",
    answer: debugRecordMeta,
  },
  {
    name: "smd-show",
    parameters: "module=MODULE",
    reply: "KEY=VALUE;... | <empty>",
    doc: "cluster-wide metadata of a module; of a node alone, its truncation marks",
    askedBy: "people who look for faults",
    hidden: true,
    answer: showSmd,
  },
  {
    name: "smd-info",
    reply: "MODULE:items=N;...",
    doc: "modules of cluster-wide metadata",
    askedBy: "people who look for faults",
    hidden: true,
    answer: ({ node }) =>
      SMD_MODULES.map((name) => `${name}:items=${name === "truncate" ? truncateMarks(node).length : 0}`).join(
        ";",
      ),
  },
];
