/**
 * `get-config`: the settings as the text `name=value;name=value`, in the order of the tables, which is the stock
 * server's. Source: wire-protocol reference, appendix C.3 to C.5, and the recorded replies.
 *
 * @module
 */
import type { Option, OptionTable, OptionValue } from "./option.ts";
import { geo2dsphereWithinOptions, namespaceOptions, setOptions } from "./namespace_options.ts";
import {
  adminListenerOptions,
  fabricOptions,
  heartbeatOptions,
  httpListenerOptions,
  infoListenerOptions,
  serviceListenerOptions,
} from "./network_options.ts";
import { serviceOptions } from "./service_options.ts";
import { type NamespaceSettings, type Settings, STORAGE_STRIPE_COUNT, storageTable } from "./settings.ts";
import { formatValue } from "./value.ts";

/** Parameters of the command; other names are ignored, as the stock server does. */
export interface GetConfigParams {
  /** `service`, `network`, `namespace`, `security` or `xdr`; absent for all but namespaces. */
  context?: string | undefined;
  /** Namespace of the context `namespace`. */
  namespace?: string | undefined;
  /** The same, as older tools write it. */
  id?: string | undefined;
  /** Set of the namespace. */
  set?: string | undefined;
  /** Destination of the context `xdr`. */
  dc?: string | undefined;
}

/**
 * Answers `get-config`.
 *
 * @param settings the present settings
 * @param params parameters of the command
 * @returns `name=value;…` without a final semicolon, or `ERROR:4:…`
 */
export function getConfig(settings: Settings, params: GetConfigParams = {}): string {
  switch (params.context) {
    case undefined:
      return [...serviceLines(settings), ...networkLines(settings)].join(";");
    case "service":
      return serviceLines(settings).join(";");
    case "network":
      return networkLines(settings).join(";");
    case "namespace":
      return namespaceReply(settings, params);
    case "security":
      return "";
    case "xdr":
      return "ERROR:25:enterprise only";
    default:
      return "ERROR:4:invalid context";
  }
}

function namespaceReply(settings: Settings, params: GetConfigParams): string {
  const name = params.namespace ?? params.id;
  const namespace = settings.namespaces.find((candidate) => candidate.name === name);
  if (namespace === undefined) return "ERROR:4:invalid namespace";
  if (params.set === undefined) return namespaceLines(namespace).join(";");
  const set = namespace.sets.get(params.set);
  return set === undefined ? "ERROR:4:invalid set" : tableLines(setOptions, set).join(";");
}

function serviceLines(settings: Settings): string[] {
  return tableLines(serviceOptions, settings.service);
}

function networkLines({ network }: Settings): string[] {
  const { service, admin, heartbeat, fabric, info, http } = network;
  return [
    ...tableLines(serviceListenerOptions, service, { prefix: "service." }),
    ...(admin ? tableLines(adminListenerOptions, admin, { prefix: "admin." }) : []),
    ...tableLines(heartbeatOptions, heartbeat, { prefix: "heartbeat." }),
    ...tableLines(fabricOptions, fabric, { prefix: "fabric." }),
    ...(info ? tableLines(infoListenerOptions, info, { prefix: "info." }) : []),
    ...(http ? tableLines(httpListenerOptions, http, { prefix: "http." }) : []),
  ];
}

/**
 * The settings of one namespace as `name=value` items, as they also end the reply to `namespace/NAME`.
 *
 * @param namespace the present settings
 */
export function namespaceLines(namespace: NamespaceSettings): string[] {
  const { storage } = namespace;
  const isBacked = storage.files.length + storage.devices.length > 0;
  const stripes = Array.from({ length: STORAGE_STRIPE_COUNT }, (_, index) => index);
  return [
    ...tableLines(namespaceOptions, namespace),
    ...tableLines(geo2dsphereWithinOptions, namespace.geo2dsphereWithin, { prefix: "geo2dsphere-within." }),
    `index-type=${namespace.indexType}`,
    `sindex-type=${namespace.sindexType}`,
    `storage-engine=${storage.kind}`,
    ...(isBacked ? [] : stripes.map((index) => `storage-engine.stripe[${index}]=stripe-${index}`)),
    ...tableLines(storageTable(storage), storage, {
      prefix: "storage-engine.",
      keep: (option) =>
        (isBacked ? printedWithBacking(option) : printedWithoutBacking(option)) &&
        (option.name !== "encryption" || storage.encryptionKeyFile !== ""),
    }),
  ];
}

/** The stock server prints this one only for an engine with files behind it. */
function printedWithoutBacking(option: Option): boolean {
  return option.name !== "flush-size";
}

/** The data size of an engine with files is theirs. */
function printedWithBacking(option: Option): boolean {
  return option.name !== "data-size";
}

function tableLines(
  table: OptionTable,
  values: object,
  { prefix = "", keep = () => true }: { prefix?: string; keep?: (option: Option) => boolean } = {},
): string[] {
  const fields = values as Record<string, OptionValue>;
  return table.rows.filter(keep).flatMap((option) =>
    itemLines(option, { value: fields[option.field], prefix })
  );
}

/** Lists of files or mounts are numbered, others are joined; no address means any, other empty lists are left out. */
function itemLines(option: Option, { value, prefix }: { value: OptionValue; prefix: string }): string[] {
  const name = prefix + option.name;
  if (typeof value !== "object") return [`${name}=${formatValue(option, value)}`];
  if (value.length === 0) return option.name === "address" ? [`${name}=any`] : [];
  if (!numberedLists.has(option.name)) return [`${name}=${value.join(",")}`];
  return value.flatMap((entry, index) => {
    // A device or file may be followed by its shadow.
    const [, path, shadow] = shadowed.has(option.name) ? /^(\S+)\s+(\/\S+)$/.exec(entry) ?? [] : [];
    return shadow === undefined
      ? [`${name}[${index}]=${entry}`]
      : [`${name}[${index}]=${path}`, `${name}[${index}].shadow=${shadow}`];
  });
}

const shadowed: ReadonlySet<string> = new Set(["file", "device"]);
const numberedLists: ReadonlySet<string> = new Set(["feature-key-file", "file", "device", "mount"]);
