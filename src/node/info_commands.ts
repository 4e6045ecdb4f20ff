/**
 * The table of info commands.
 *
 * @module
 */

import type { InfoCommand } from "../wire/mod.ts";
import type { AerieNode } from "./node.ts";
import type { Session } from "./session.ts";
import { COMPATIBILITY_ID, SERVER_BUILD, SERVER_EDITION, SERVER_FEATURES } from "./version.ts";

/** What a command's answer may draw on. */
export interface InfoContext {
  /** The node that is asked. */
  node: AerieNode;
  /** The connection that asks. */
  session: Session;
  /** The command. */
  command: InfoCommand;
}

/** One info command. */
export interface InfoRow {
  /** What it tells, and to whom. */
  doc: string;
  /** The answer, without line feeds. */
  answer: (context: InfoContext) => string;
}

function base64(bytes: Uint8Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const word = (bytes[at] << 16) | ((left > 1 ? bytes[at + 1] : 0) << 8) | (left > 2 ? bytes[at + 2] : 0);
    text += alphabet[word >>> 18] + alphabet[(word >>> 12) & 63];
    text += left > 1 ? alphabet[(word >>> 6) & 63] : "=";
    text += left > 2 ? alphabet[word & 63] : "=";
  }
  return text;
}

function replicas(node: AerieNode): string {
  return node.namespaces.map((namespace) => {
    const { partitions, settings } = namespace;
    const maps: string[] = [];
    for (let replica = 0; replica < partitions.effectiveReplicationFactor; replica++) {
      maps.push(base64(partitions.bitmap(replica)));
    }
    return `${settings.name}:0,${partitions.effectiveReplicationFactor},${maps.join(",")}`;
  }).join(";");
}

/** Commands by name. */
export const infoCommands: ReadonlyMap<string, InfoRow> = new Map<string, InfoRow>([
  ["node", { doc: "node id; clients", answer: ({ node }) => node.identity.id }],
  ["build", { doc: "release whose protocol is spoken; clients and tools", answer: () => SERVER_BUILD }],
  ["edition", { doc: "edition; tools", answer: () => SERVER_EDITION }],
  ["features", { doc: "feature words; clients", answer: () => SERVER_FEATURES.join(";") }],
  ["compatibility-id", { doc: "peer protocol; tools", answer: () => String(COMPATIBILITY_ID) }],
  ["status", { doc: "health; scripts", answer: () => "ok" }],
  ["cluster-name", { doc: "clients", answer: ({ node }) => node.settings.service.clusterName || "null" }],
  ["namespaces", {
    doc: "names; tools",
    answer: ({ node }) => node.namespaces.map((namespace) => namespace.settings.name).join(";"),
  }],
  ["partition-generation", {
    doc: "changes with the partition map; clients",
    answer: ({ node }) => String(node.namespaces[0]?.partitions.generation ?? -1),
  }],
  ["peers-generation", { doc: "changes with the peers; clients", answer: () => "0" }],
  ["peers-clear-std", { doc: "peers; clients", answer: () => "0,3000,[]" }],
  ["replicas", { doc: "partition map; clients", answer: ({ node }) => replicas(node) }],
]);
