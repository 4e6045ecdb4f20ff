/**
 * Checks that concern more than one option. Source: server-operations reference, section 1.5.
 *
 * @module
 */
import type { Origin } from "./assignment.ts";
import { LOG_SINK_COUNT_MAX, NAMESPACE_COUNT_MAX } from "./contexts.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { NamespaceSettings, Settings } from "./settings.ts";

/** What the checks look at. */
export interface CheckInput {
  /** The settings of all layers together. */
  settings: Settings;
  /** Where values came from, by path. */
  origins: ReadonlyMap<string, Origin>;
  /** Name of the file; undefined when there is none. */
  fileName: string | undefined;
}

/** Everything that single values don't show. */
export function checkSettings(input: CheckInput): Diagnostic[] {
  const { settings } = input;
  return [
    ...checkCounts(input),
    ...settings.namespaces.flatMap((namespace) => checkNamespace(namespace, input)),
    ...checkNodeId(input),
    ...checkPorts(input),
    ...checkCluster(input),
  ];
}

function checkCounts(input: CheckInput): Diagnostic[] {
  const { namespaces, logging } = input.settings;
  const problems: Diagnostic[] = [];
  if (namespaces.length === 0) {
    problems.push(problem(input, "namespace", 'there is none; add a block "namespace NAME {"'));
  }
  if (namespaces.length > NAMESPACE_COUNT_MAX) {
    problems.push(
      problem(input, "namespace", `there are ${namespaces.length}; at most ${NAMESPACE_COUNT_MAX}`),
    );
  }
  if (logging.length > LOG_SINK_COUNT_MAX) {
    problems.push(
      problem(input, "logging", `there are ${logging.length} sinks; at most ${LOG_SINK_COUNT_MAX}`),
    );
  }
  return problems;
}

function checkNamespace(namespace: NamespaceSettings, input: CheckInput): Diagnostic[] {
  const problems: Diagnostic[] = [];
  const key = `namespace.${namespace.name}`;
  const fromFile = input.origins.get(key)?.kind === "file";
  if (fromFile && !input.origins.has(`${key}.storage-engine`)) {
    problems.push(
      problem(input, key, "has no storage-engine; add storage-engine memory { with data-size inside"),
    );
  } else if (fromFile && !input.origins.has(`${key}.storage-engine.data-size`)) {
    problems.push(problem(input, `${key}.storage-engine`, "has no data-size; give the memory for records"));
  }
  const { geo2dsphereWithin: geo } = namespace;
  if (geo.minLevel > geo.maxLevel) {
    problems.push(problem(input, `${key}.geo2dsphere-within.min-level`, "is greater than max-level"));
  }
  const ttlProblem = expiryProblem(namespace);
  if (ttlProblem !== undefined) problems.push(problem(input, `${key}.default-ttl`, ttlProblem));
  for (const [name, set] of namespace.sets) {
    if (ttlProblem === undefined && set.defaultTtl > 0 && !expires(namespace)) {
      problems.push(problem(input, `${key}.set.${name}.default-ttl`, needsExpiry));
    }
  }
  return problems;
}

function expires(namespace: NamespaceSettings): boolean {
  return namespace.nsupPeriod !== 0 || namespace.allowTtlWithoutNsup;
}

const needsExpiry = "is not 0 while nsup-period is 0, so nothing would expire; " +
  "give nsup-period (120 is usual) or allow-ttl-without-nsup true";

/** Why a namespace's time to live can't work, or undefined. */
export function expiryProblem(namespace: NamespaceSettings): string | undefined {
  return namespace.defaultTtl !== 0 && !expires(namespace) ? needsExpiry : undefined;
}

function checkNodeId(input: CheckInput): Diagnostic[] {
  const { nodeId, nodeIdInterface } = input.settings.service;
  if (nodeId !== "" && nodeIdInterface !== "") {
    return [problem(input, "service.node-id", "is given together with node-id-interface; keep one of them")];
  }
  if (nodeId !== "" && (!/^[0-9a-f]{1,16}$/i.test(nodeId) || /^0+$/.test(nodeId))) {
    return [{ ...problem(input, "service.node-id", `is "${nodeId}"`), allowed: "1 to 16 hex digits, not 0" }];
  }
  return [];
}

function checkPorts(input: CheckInput): Diagnostic[] {
  const problems: Diagnostic[] = [];
  const taken = new Map<number, string>();
  const { network } = input.settings;
  for (const name of ["service", "fabric", "heartbeat", "admin", "info", "http"] as const) {
    const port = network[name]?.port ?? 0;
    if (port === 0) continue;
    const other = taken.get(port);
    if (other !== undefined) {
      problems.push(
        problem(input, `network.${name}.port`, `is ${port}, the port of network.${other}; give another`),
      );
    } else taken.set(port, name);
  }
  return problems;
}

/** A node that would have to find others must say that it does not do so yet. */
function checkCluster(input: CheckInput): Diagnostic[] {
  const { heartbeat } = input.settings.network;
  if (heartbeat.mode !== "multicast") return [];
  const message = "clusters are not supported yet; the node runs alone";
  return [{ ...problem(input, "network.heartbeat.mode", message), severity: "warning" }];
}

function problem(input: CheckInput, key: string, message: string): Diagnostic {
  const origin = input.origins.get(key);
  const site = origin === undefined ? input.fileName ?? "settings" : origin.text;
  const line = /^(.*):(\d+)$/.exec(site);
  const isFile = origin?.kind === "file" && line !== null;
  return {
    severity: "error",
    source: isFile ? line[1] : site,
    line: isFile ? Number(line[2]) : 0,
    key,
    message,
  };
}
