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
      problem(
        input,
        key,
        "has no storage-engine; add storage-engine memory { with data-size inside, or storage-engine device { with file and filesize",
      ),
    );
  } else {
    problems.push(...checkStorage(namespace, { key, fromFile, input }));
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

function checkStorage(
  { storage }: NamespaceSettings,
  { key, fromFile, input }: { key: string; fromFile: boolean; input: CheckInput },
): Diagnostic[] {
  const engine = `${key}.storage-engine`;
  const { kind, files, devices, filesize } = storage;
  if (files.length > 0 && devices.length > 0) {
    return [problem(input, `${engine}.device`, "is given together with file; use one kind of them")];
  }
  if (files.length + devices.length > DEVICE_COUNT_MAX) {
    return [problem(input, engine, `has more than ${DEVICE_COUNT_MAX} devices or files`)];
  }
  if (files.length > 0 && filesize === 0) {
    return [problem(input, `${engine}.file`, "has no filesize; add filesize, for example 4G")];
  }
  if (files.length + devices.length > 0) return [];
  if (kind === "device") {
    return [problem(input, engine, "has neither file nor device; add file PATH and filesize SIZE")];
  }
  if (storage.commitToDevice) {
    return [problem(input, `${engine}.commit-to-device`, "needs a file or device to commit to")];
  }
  if (fromFile && !input.origins.has(`${engine}.data-size`)) {
    return [problem(input, engine, "has no data-size; give the memory for records")];
  }
  return [];
}

/** Devices of one namespace, as in the stock server. */
const DEVICE_COUNT_MAX = 128;

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

/** What the two modes of the heartbeat need. */
function checkCluster(input: CheckInput): Diagnostic[] {
  const { mode, multicastGroups, meshSeedAddressPorts, port } = input.settings.network.heartbeat;
  const key = "network.heartbeat";
  if (mode === "mesh") {
    if (multicastGroups.length === 0) return [];
    const message =
      "has no effect with mode mesh; give mode multicast, or name a peer by mesh-seed-address-port";
    return [{ ...problem(input, `${key}.multicast-group`, message), severity: "warning" }];
  }
  const problems: Diagnostic[] = [];
  if (multicastGroups.length === 0) {
    problems.push(
      problem(input, `${key}.mode`, "is multicast without a group; give multicast-group 239.1.99.222"),
    );
  }
  const wrong = multicastGroups.find((group) => !isMulticast(group));
  if (wrong !== undefined) {
    const message =
      `is "${wrong}", no group; give an address of 224.0.0.0/4, for example 239.1.99.222, or of ff00::/8`;
    problems.push(problem(input, `${key}.multicast-group`, message));
  } else if (new Set(multicastGroups.map((group) => group.includes(":"))).size > 1) {
    problems.push(problem(input, `${key}.multicast-group`, "mixes IPv4 and IPv6; give groups of one kind"));
  }
  if (port === 0) {
    problems.push(problem(input, `${key}.port`, "is 0, but all nodes of a group use the same port"));
  }
  if (meshSeedAddressPorts.length > 0) {
    const message = "has no effect with mode multicast";
    problems.push({ ...problem(input, `${key}.mesh-seed-address-port`, message), severity: "warning" });
  }
  return problems;
}

function isMulticast(address: string): boolean {
  const [, first] = /^(\d{1,3})(\.\d{1,3}){3}$/.exec(address) ?? [];
  return first === undefined
    ? /^ff[0-9a-f]{2}:[0-9a-f:.]+$/i.test(address)
    : Number(first) >= 224 && Number(first) <= 239;
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
