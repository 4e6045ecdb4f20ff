/**
 * `set-config`: changes settings in place, by the same table. Nothing is changed when anything is wrong. Whoever holds
 * a timer or a listener acts on the returned list of changes. Source: server-operations reference, section 4.
 *
 * @module
 */
import { SET_COUNT_MAX } from "../base/mod.ts";
import { expiryProblem } from "./checks.ts";
import { allContexts, type ContextSpec, nameProblem } from "./contexts.ts";
import { quoted } from "./diagnostic.ts";
import { nearestName } from "./nearest.ts";
import { geo2dsphereWithinOptions, namespaceOptions, setOptions } from "./namespace_options.ts";
import {
  adminListenerOptions,
  fabricOptions,
  heartbeatOptions,
  serviceListenerOptions,
} from "./network_options.ts";
import type { Option, OptionTable, OptionValue } from "./option.ts";
import { serviceOptions } from "./service_options.ts";
import { defaultSet, type NamespaceSettings, type Settings, storageTable } from "./settings.ts";
import { describeAllowed, formatValue, parseValue, sameValue } from "./value.ts";

/** One option that was changed. */
export interface ConfigChange {
  /** `service`, `network` or `namespace`. */
  context: "service" | "network" | "namespace";
  /** Namespace of the option. */
  namespace?: string;
  /** Set of the option. */
  set?: string;
  /** Name as get-config prints it, for example `proto-fd-max` or `heartbeat.interval`. */
  name: string;
  /** The row of the option. */
  option: Option;
  /** Value before. */
  before: OptionValue;
  /** Value now. */
  after: OptionValue;
}

/** The outcome; a refusal has the code and text of the reply `ERROR:code:message`. */
export type SetConfigResult =
  | { ok: true; changed: ConfigChange[] }
  | { ok: false; code: number; message: string };

/** A refusal on its way to the reply. */
interface Refusal {
  ok: false;
  code: number;
  message: string;
}

/** A value that has been checked and waits to be stored. */
interface Step {
  fields: Record<string, OptionValue>;
  change: ConfigChange;
}

type Pair = readonly [name: string, value: string];

/** What one command can change. */
interface Scope {
  about: Pick<ConfigChange, "context" | "namespace" | "set">;
  reaches: readonly Reach[];
  /** Judges the changes together; a text refuses them. */
  preview?: (steps: readonly Step[]) => string | undefined;
}

/** A group of options that one context of the command reaches, with the names that it uses for them. */
interface Reach {
  table: OptionTable;
  fields: object;
  /** Before the option's name in this command. */
  prefix: string;
  /** Before the option's name in get-config. */
  printed?: string;
}

/**
 * Carries out `set-config`.
 *
 * @param settings changed in place
 * @param params the command's `name=value` pairs in order; a Map will do
 */
export function setConfig(settings: Settings, params: Iterable<readonly [string, string]>): SetConfigResult {
  const addressing = new Map<string, string>();
  const wanted: Pair[] = [];
  for (const [name, value] of params) {
    if (isAddress(name) && !addressing.has(name)) addressing.set(name, value);
    else wanted.push([name, value]);
  }
  switch (addressing.get("context")) {
    case "service":
      return change(wanted, {
        about: { context: "service" },
        reaches: [{ table: serviceOptions, fields: settings.service, prefix: "" }],
      });
    case "network":
      return change(wanted, { about: { context: "network" }, reaches: networkReach(settings) });
    case "namespace":
      return changeNamespace(settings, { addressing, wanted });
    case "security":
      return refuse("security is not supported yet");
    case "xdr":
      return refuse("xdr is not supported yet");
    case undefined:
      return refuse("context is missing; give context=service, network or namespace");
    default:
      return { ok: false, code: 4, message: "invalid context" };
  }
}

/** The reply text of an outcome: `ok`, or `ERROR:code:message`. */
export function setConfigReply(result: SetConfigResult): string {
  return result.ok ? "ok" : `ERROR:${result.code}:${result.message}`;
}

function isAddress(name: string): boolean {
  return name === "context" || name === "namespace" || name === "id" || name === "set";
}

function networkReach({ network }: Settings): Reach[] {
  return [
    { table: serviceListenerOptions, fields: network.service, prefix: "service." },
    ...(network.admin ? [{ table: adminListenerOptions, fields: network.admin, prefix: "admin." }] : []),
    { table: heartbeatOptions, fields: network.heartbeat, prefix: "heartbeat." },
    { table: fabricOptions, fields: network.fabric, prefix: "fabric." },
  ];
}

function namespaceReach(namespace: NamespaceSettings): Reach[] {
  const storage = {
    table: storageTable(namespace.storage),
    fields: namespace.storage,
    printed: "storage-engine.",
  };
  const geo = {
    table: geo2dsphereWithinOptions,
    fields: namespace.geo2dsphereWithin,
    printed: "geo2dsphere-within.",
  };
  return [
    { table: namespaceOptions, fields: namespace, prefix: "" },
    { ...storage, prefix: "" },
    { ...storage, prefix: "storage-engine." },
    { ...geo, prefix: "geo2dsphere-within-" },
    { ...geo, prefix: "geo2dsphere-within." },
  ];
}

function changeNamespace(
  settings: Settings,
  { addressing, wanted }: { addressing: ReadonlyMap<string, string>; wanted: readonly Pair[] },
): SetConfigResult {
  const name = addressing.get("namespace") ?? addressing.get("id");
  const namespace = settings.namespaces.find((candidate) => candidate.name === name);
  if (namespace === undefined) {
    return refuse(name === undefined ? "namespace is missing" : `no namespace ${safe(name)}`);
  }
  const setName = addressing.get("set");
  if (setName !== undefined) return changeSet(namespace, { name: setName, wanted });
  const about = { context: "namespace", namespace: namespace.name } as const;
  const preview = (steps: readonly Step[]) => {
    const after = { ...namespace };
    for (const { fields, change } of steps) {
      if (fields === fieldsOf(namespace)) store(fieldsOf(after), change);
    }
    const problem = expiryProblem(after);
    return problem === undefined || expiryProblem(namespace) !== undefined
      ? undefined
      : `default-ttl ${problem}`;
  };
  return change(wanted, { about, reaches: namespaceReach(namespace), preview });
}

function changeSet(
  namespace: NamespaceSettings,
  { name, wanted }: { name: string; wanted: readonly Pair[] },
): SetConfigResult {
  const problem = name === "" ? "the name is empty" : nameProblem(setContext, name);
  if (problem !== undefined) return refuse(`set: ${problem}`);
  const present = namespace.sets.get(name);
  if (present === undefined && namespace.sets.size >= SET_COUNT_MAX) return refuse("there are too many sets");
  const set = present ?? defaultSet();
  const about = { context: "namespace", namespace: namespace.name, set: name } as const;
  const result = change(wanted, { about, reaches: [{ table: setOptions, fields: set, prefix: "" }] });
  if (result.ok) namespace.sets.set(name, set);
  return result;
}

const setContext: ContextSpec = allContexts().find((context) => context.names === "set")!;

/** Checks every pair, then stores them all. */
function change(wanted: readonly Pair[], scope: Scope): SetConfigResult {
  if (wanted.length === 0) return refuse("no NAME=VALUE was given");
  const steps: Step[] = [];
  for (const [name, text] of wanted) {
    const step = plan([name, text], scope);
    if ("ok" in step) return step;
    steps.push(step);
  }
  const problem = scope.preview?.(steps);
  if (problem !== undefined) return refuse(problem);
  for (const { fields, change } of steps) store(fields, change);
  return { ok: true, changed: steps.map((step) => step.change) };
}

function plan([name, text]: Pair, { about, reaches }: Scope): Step | Refusal {
  const reach = reaches.find(({ table, prefix }) =>
    name.startsWith(prefix) && table.byName.has(name.slice(prefix.length))
  );
  if (reach === undefined) return unknown(name, reaches);
  const option = reach.table.byName.get(name.slice(reach.prefix.length))!;
  if (!option.dynamic) return refuse(`${name} is static: change it in the configuration and restart`);
  const value = parseValue(option, text);
  if (!value.ok) {
    return refuse(`${name} ${safe(value.problem)}, allowed: ${value.allowed ?? describeAllowed(option)}`);
  }
  const fields = fieldsOf(reach.fields);
  if (option.status === "unsupported" && !sameValue(value.value, fields[option.field])) {
    return refuse(`${name} is not supported yet, it stays ${formatValue(option, fields[option.field])}`);
  }
  const printed = (reach.printed ?? reach.prefix) + option.name;
  const before = fields[option.field];
  return { fields, change: { ...about, name: printed, option, before, after: value.value } };
}

function unknown(name: string, reaches: readonly Reach[]): Refusal {
  const known = reaches.flatMap(({ table, prefix }) => [...table.byName.keys()].map((key) => prefix + key));
  const nearest = nearestName(name, known);
  return refuse(`unknown name ${safe(quoted(name))}${nearest === undefined ? "" : `, nearest: ${nearest}`}`);
}

function store(fields: Record<string, OptionValue>, change: ConfigChange): void {
  fields[change.option.field] = change.after;
}

function fieldsOf(target: object): Record<string, OptionValue> {
  return target as Record<string, OptionValue>;
}

function refuse(detail: string): Refusal {
  return { ok: false, code: 4, message: `invalid set-config parameter: ${safe(detail)}` };
}

/** A reply is one item of a line-based protocol: what a client sent must not break it. */
function safe(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f]/g, "?").replaceAll(";", ",");
}
