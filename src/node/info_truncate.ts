/**
 * Info commands that remove many records at once, or undo it. A truncation sets a mark: records last updated up to it are gone for
 * clients at once, and are removed in the background. Source: wire-protocol reference, section 9.10.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S, SET_NAME_SIZE_MAX, TTL_MAX_S } from "../base/mod.ts";
import { SMD_MODULE } from "../wire/mod.ts";
import type { PendingAnswer } from "./info_pending.ts";
import { type InfoContext, type InfoRow, OK, type Parameter, safeText } from "./info_row.ts";
import type { AerieNode } from "./node.ts";
import { truncateKey } from "./smd_truncate.ts";

const NS_PER_MS = 1_000_000n;
const EPOCH_MS = BigInt(CITRUSLEAF_EPOCH_S) * 1000n;
/** Decimal digits of the largest unsigned 64-bit number. */
const LUT_SIZE_MAX = 20;

/** What `truncate` does when it names no set. */
interface TruncateForm {
  /** `truncate-namespace` takes no set. */
  wholeNamespace: boolean;
}

function truncate(context: InfoContext, form: TruncateForm): string | PendingAnswer {
  const { node } = context;
  const name = context.namespaceName();
  if (name.error !== undefined) return name.error;
  const setName = setParameter(context, form);
  if (setName?.error !== undefined) return setName.error;
  const lut = lutMs(context, node.namespaces[0].store.nowMs());
  if (typeof lut === "string") return lut;
  const namespace = node.namespace(name.value);
  const where = `{${safeText(name.value)}}${setName === undefined ? "" : ` set ${safeText(setName.value)}`}`;
  if (namespace === undefined) {
    node.ports.log.write("warning", "truncate", `${where} asked to be truncated, but is not on this node`);
  } else {
    node.ports.log.write("info", "truncate", `${where} truncating to ${lut}`);
  }
  // What nobody has written to has nothing to remove, here; another node may have records of it.
  const hasSet = setName === undefined || namespace?.store.sets.byName(setName.value) !== undefined;
  if ((namespace === undefined || !hasSet) && isOnItsOwn(node)) return OK;
  return context.keep(SMD_MODULE.TRUNCATE, truncateKey(name.value, setName?.value), String(lut));
}

function undoTruncate(context: InfoContext, form: TruncateForm): string | PendingAnswer {
  const { value: namespace, error } = context.namespace();
  if (error !== undefined) return error;
  const setName = setParameter(context, form);
  if (setName?.error !== undefined) return setName.error;
  const { store } = namespace;
  const set = setName === undefined ? undefined : store.sets.byName(setName.value);
  if (setName !== undefined && set === undefined && isOnItsOwn(context.node)) return OK;
  return context.keep(SMD_MODULE.TRUNCATE, truncateKey(namespace.settings.name, setName?.value), null);
}

/** Whether there are no other nodes: one that is alone and looks for others, or had some, may be cut off from them. */
function isOnItsOwn({ cluster, namespaces, settings }: AerieNode): boolean {
  const looksForOthers = settings.network.heartbeat.mode === "multicast" ||
    (cluster.heartbeat?.seeds.length ?? 0) > 0;
  return cluster.size === 1 && !looksForOthers &&
    !namespaces.some(({ partitions }) => partitions.mayHaveOtherCopies(0));
}

/** The set that is named, undefined for the whole namespace. */
function setParameter(context: InfoContext, { wholeNamespace }: TruncateForm): Parameter | undefined {
  if (context.get("set") === undefined) return undefined;
  if (wholeNamespace) return { error: "ERROR:4:unexpected set name" };
  return context.need("set", { sizeMaxBytes: SET_NAME_SIZE_MAX });
}

/** The mark in ms since 2010, or an error. */
function lutMs(context: InfoContext, nowMs: number): number | string {
  if (context.get("lut") === undefined) return nowMs;
  const { value, error } = context.need("lut", { sizeMaxBytes: LUT_SIZE_MAX });
  if (error !== undefined) return error;
  if (!/^\d+$/.test(value)) return "ERROR:4:'lut' is not a number";
  const lut = Number(BigInt(value) / NS_PER_MS - EPOCH_MS);
  if (lut <= 0) return "ERROR:4:would truncate to 0";
  return lut > nowMs ? "ERROR:4:would truncate in the future" : lut;
}

function resetEviction(context: InfoContext): string | PendingAnswer {
  const { value: namespace, error } = context.namespace();
  if (error !== undefined) return error;
  const ttl = context.get("ttl");
  if (ttl !== undefined && (!/^\d{1,9}$/.test(ttl) || Number(ttl) > TTL_MAX_S)) return "ERROR:4:bad ttl";
  const ttlS = Number(ttl ?? 0);
  const voidTime = ttlS === 0 ? null : String(Math.floor(namespace.store.nowMs() / 1000) + ttlS);
  return context.keep(SMD_MODULE.EVICT, namespace.settings.name, voidTime);
}

const SET_FORM: TruncateForm = { wholeNamespace: false };
const NAMESPACE_FORM: TruncateForm = { wholeNamespace: true };

/** See the module's text. */
export const truncateCommands: readonly InfoRow[] = [
  {
    name: "truncate",
    parameters: "namespace=NS[;set=SET][;lut=NANOSECONDS-SINCE-1970]",
    reply: "ok | ERROR:4:would truncate in the future | ERROR:4:would truncate to 0",
    doc: "remove the records of a set or namespace that were last updated up to a time, by default now",
    askedBy: "clients, asadm",
    permission: "truncate",
    answer: (context) => truncate(context, SET_FORM),
  },
  {
    name: "truncate-undo",
    parameters: "namespace=NS[;set=SET]",
    reply: "ok",
    doc: "forget the mark: records that are not removed yet come back",
    askedBy: "asadm",
    permission: "truncate",
    answer: (context) => undoTruncate(context, SET_FORM),
  },
  {
    name: "truncate-namespace",
    parameters: "namespace=NS[;lut=NANOSECONDS-SINCE-1970]",
    reply: "ok | ERROR:4:unexpected set name | as truncate",
    doc: "remove the records of a namespace that were last updated up to a time, by default now",
    askedBy: "clients, asadm",
    permission: "truncate",
    answer: (context) => truncate(context, NAMESPACE_FORM),
  },
  {
    name: "truncate-namespace-undo",
    parameters: "namespace=NS",
    reply: "ok",
    doc: "forget the mark: records that are not removed yet come back",
    askedBy: "asadm",
    permission: "truncate",
    answer: (context) => undoTruncate(context, NAMESPACE_FORM),
  },
  {
    name: "eviction-reset",
    parameters: "namespace=NS[;ttl=SECONDS]",
    reply: "ok | ERROR:4:bad ttl",
    doc: "forget how deep evictions of all nodes went, or let them evict records with less time to live",
    askedBy: "asadm",
    permission: "evict-admin",
    answer: resetEviction,
  },
];
