/**
 * Info commands that tell numbers: of the node, its namespaces and sets. Source: wire-protocol reference, section 9.6.
 *
 * @module
 */

import { namespaceLines } from "../config/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { ENTERPRISE_ONLY, type InfoContext, type InfoRow, safeText } from "./info_row.ts";
import { failedBestPractices, nodeStatistics, statisticsText } from "./statistics.ts";
import { namespaceStatistics } from "./statistics_namespace.ts";
import { setsOf, setText } from "./statistics_sets.ts";

/** `namespace/NS`, the older form, or `namespace:namespace=NS`. */
function namespaceAnswer(context: InfoContext): string {
  const { node } = context;
  if (context.isKeyed) {
    const { value, error } = context.namespace();
    return error ?? namespaceText(context, value);
  }
  context.usedDeprecatedForm = true;
  const [name] = context.words;
  if (name === undefined) return "ERROR:20:missing 'namespace'";
  const namespace = node.namespace(name);
  return namespace === undefined ? "type=unknown" : namespaceText(context, namespace);
}

function namespaceText({ node }: InfoContext, namespace: Namespace): string {
  const numbers = statisticsText(namespaceStatistics(node, namespace));
  return `${numbers};${namespaceLines(namespace.settings).join(";")}`;
}

function setsAnswer(context: InfoContext): string {
  const { node } = context;
  const [namespaceName, setName] = context.isKeyed
    ? [context.get("namespace") ?? context.get("ns") ?? "", context.get("set") ?? ""]
    : splitOnce(context.command.parameters);
  if (namespaceName === "") return node.namespaces.map(allSets).join("");
  const namespace = node.namespace(namespaceName);
  if (namespace === undefined) return "ns_type=unknown";
  if (setName === "") return allSets(namespace);
  const set = setsOf(namespace).find(({ name }) => name === setName);
  return set === undefined ? "" : `${setText(namespace, set)};`;
}

/** Namespace and set of `NS/SET`; the set's name may hold slashes. */
function splitOnce(text: string): [string, string] {
  const slash = text.indexOf("/");
  return slash < 0 ? [text, ""] : [text.slice(0, slash), text.slice(slash + 1)];
}

function allSets(namespace: Namespace): string {
  const { name } = namespace.settings;
  return setsOf(namespace).map((set) => `ns=${name}:set=${safeText(set.name)}:${setText(namespace, set)};`)
    .join("");
}

function statsAnswer(context: InfoContext): string {
  const { value, error } = context.need("context");
  if (error !== undefined) return error;
  return value === "xdr" ? ENTERPRISE_ONLY : "ERROR:4:unknown context";
}

/** See the module's text. */
export const statisticsCommands: readonly InfoRow[] = [
  {
    name: "statistics",
    reply: "NAME=VALUE;...",
    doc: "what the node counts and measures",
    askedBy: "asadm, exporter, clients' tests",
    answer: ({ node }) => statisticsText(nodeStatistics(node)),
  },
  {
    name: "namespace",
    parameters: "namespace=NS, or /NS",
    reply: "NAME=VALUE;... | type=unknown",
    doc: "what a namespace counts and measures, then its configuration",
    askedBy: "asadm, exporter, asbackup, asbench",
    answer: namespaceAnswer,
  },
  {
    name: "sets",
    parameters: "[/NS[/SET]]",
    reply: "ns=NS:set=SET:NAME=VALUE:...;... | ns_type=unknown",
    doc: "what sets count, and their configuration",
    askedBy: "asadm, exporter, asbackup",
    answer: setsAnswer,
  },
  {
    name: "get-stats",
    parameters: "context=xdr;dc=DC",
    reply: "ERROR:25:enterprise only",
    doc: "what shipping to another cluster counts",
    askedBy: "asadm, exporter",
    answer: statsAnswer,
  },
  {
    name: "best-practices",
    reply: "failed_best_practices=none | failed_best_practices=CHECK,...",
    doc: "what to change on this machine: memory = namespaces may take more memory than there is",
    askedBy: "asadm",
    answer: ({ node }) => `failed_best_practices=${failedBestPractices(node).join(",") || "none"}`,
  },
  {
    name: "health-outliers",
    reply: "id=DEVICE|NODE:[namespace=NS:]confidence_pct=C:reason=STAT;...",
    doc: "peers and devices that stand out; needs enable-health-check, and others to compare with",
    askedBy: "asadm",
    answer: ({ node }) => node.health.outliersText(),
  },
  {
    name: "health-stats",
    reply: "stat=STAT:value=V[:device=D][:node=N][:namespace=NS];...",
    doc:
      "what health-outliers compares: microseconds and counts of the last 30 ticks; needs enable-health-check",
    askedBy: "people who look for faults",
    answer: ({ node }) => node.health.statsText(),
  },
  {
    name: "index-pressure",
    reply: "empty",
    doc: "memory pressure of indexes on devices, of which there are none",
    askedBy: "exporter",
    answer: () => "",
  },
  {
    name: "physical-devices",
    reply: "empty",
    doc: "devices below the namespaces' files, of which there are none",
    askedBy: "operators",
    answer: () => "",
  },
];
