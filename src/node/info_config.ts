/**
 * Info commands that read and change the configuration. Source: wire-protocol reference, section 9.11;
 * server-operations reference, section 4.
 *
 * @module
 */

import { type ConfigChange, formatValue, getConfig, setConfig, setConfigReply } from "../config/mod.ts";
import { type InfoContext, type InfoRow, OK } from "./info_row.ts";
import type { AerieNode } from "./node.ts";

function readConfig(context: InfoContext): string {
  const id = context.get("id");
  if (id !== undefined) context.usedDeprecatedForm = true;
  return getConfig(context.node.settings, {
    context: context.get("context"),
    namespace: context.get("namespace"),
    id,
    set: context.get("set"),
    dc: context.get("dc"),
  });
}

function changeConfig({ node, command }: InfoContext): string {
  const pairs = command.parameters.split(";").filter((part) => part !== "").map((part) => {
    const equals = part.indexOf("=");
    return equals < 0 ? [part, ""] as const : [part.slice(0, equals), part.slice(equals + 1)] as const;
  });
  if (isHeartbeatReset(pairs)) {
    node.cluster.resetHeartbeat();
    return OK;
  }
  const problem = presentProblem(node, pairs);
  if (problem !== undefined) return `ERROR:4:invalid set-config parameter: ${problem}`;
  const result = setConfig(node.settings, pairs);
  if (result.ok) {
    result.changed.forEach((change) => logChange(node, change));
    node.cluster.settingsChanged();
    for (const { indexes } of node.namespaces) indexes.followSettings();
  }
  return setConfigReply(result);
}

/** What the machine, or the cluster as it is now, has against a change. */
function presentProblem(
  { ports, cluster }: AerieNode,
  pairs: readonly (readonly [name: string, value: string])[],
): string | undefined {
  for (const [name, value] of pairs) {
    if (name === "compression" && value === "zstd" && !ports.compute.hasZstd()) {
      return "compression is zstd, which this runtime does not have, use lz4";
    }
    if (name === "min-cluster-size" && Number(value) > cluster.size) {
      return `min-cluster-size is "${value}", but the cluster has ${cluster.size} ` +
        `${cluster.size === 1 ? "node" : "nodes"} now and would be given up; let it grow first`;
    }
  }
  return undefined;
}

/** `protocol reset` is an act and no value: all peers are forgotten and found again. */
function isHeartbeatReset(pairs: readonly (readonly [name: string, value: string])[]): boolean {
  const values = new Map(pairs);
  return pairs.length === 2 && values.get("context") === "network" &&
    values.get("heartbeat.protocol") === "reset";
}

/** Tells the log; most who use a setting read it again and again. */
function logChange(node: AerieNode, change: ConfigChange): void {
  const { namespace, set, name, option, before, after } = change;
  const owner = [namespace, set].filter((part) => part !== undefined).map((part) => `{${part}} `).join("");
  node.ports.log.write(
    "info",
    "config",
    `${owner}${name} changed from ${formatValue(option, before)} to ${formatValue(option, after)}`,
  );
}

/** See the module's text. */
export const configCommands: readonly InfoRow[] = [
  {
    name: "get-config",
    parameters: "[context=service|network|namespace|security|xdr[;namespace=NS[;set=SET]]]",
    reply: "NAME=VALUE;... | ERROR:4:invalid context",
    doc: "the present configuration",
    askedBy: "asadm, exporter, asbackup, asrestore, asconfig",
    answer: readConfig,
  },
  {
    name: "set-config",
    parameters: "context=service|network|namespace[;namespace=NS[;set=SET]];NAME=VALUE",
    reply: "ok | ERROR:4:invalid set-config parameter: ...",
    doc: "change the configuration until the next start",
    askedBy: "asadm, operators",
    permission: "set-config",
    answer: changeConfig,
  },
  {
    name: "config-get",
    parameters: "as get-config",
    reply: "as get-config",
    doc: "the present configuration",
    askedBy: "old tools",
    deprecated: "get-config",
    hidden: true,
    answer: readConfig,
  },
  {
    name: "config-set",
    parameters: "as set-config",
    reply: "as set-config",
    doc: "change the configuration until the next start",
    askedBy: "old tools",
    permission: "set-config",
    deprecated: "set-config",
    hidden: true,
    answer: changeConfig,
  },
];
