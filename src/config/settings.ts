/**
 * The resolved settings: plain mutable objects with the option names in camel case. The hot path reads the fields
 * directly; `setConfig` changes them in place. Sizes are bytes, times seconds unless the name says otherwise.
 *
 * @module
 */
import { GIB, type OptionTable, type OptionValue } from "./option.ts";
import type { LogSinkSettings } from "./logging_options.ts";
import {
  geo2dsphereWithinOptions,
  type Geo2dsphereWithinSettings,
  type NamespaceOptions,
  namespaceOptions,
  setOptions,
  type SetSettings,
} from "./namespace_options.ts";
import {
  adminListenerOptions,
  type AdminListenerSettings,
  fabricOptions,
  type FabricSettings,
  heartbeatOptions,
  type HeartbeatSettings,
  httpListenerOptions,
  type HttpListenerSettings,
  infoListenerOptions,
  type InfoListenerSettings,
  serviceListenerOptions,
  type ServiceListenerSettings,
} from "./network_options.ts";
import { modLuaOptions, type ModLuaSettings } from "./security_options.ts";
import { serviceOptions, type ServiceSettings } from "./service_options.ts";
import {
  type DeviceStorageOptions,
  deviceStorageOptions,
  type MemoryStorageOptions,
  memoryStorageOptions,
} from "./storage_options.ts";

/** All listeners. An optional one that is absent is not opened. */
export interface NetworkSettings {
  /** Clients. */
  service: ServiceListenerSettings;
  /** Administrators, when configured. */
  admin?: AdminListenerSettings;
  /** Pulses between nodes. */
  heartbeat: HeartbeatSettings;
  /** Messages between nodes. */
  fabric: FabricSettings;
  /** Plain and binary info, when configured. */
  info?: InfoListenerSettings;
  /** HTTP, when configured. */
  http?: HttpListenerSettings;
}

/** Stripes that an engine without files reports in get-config and namespace statistics, as the stock server does. */
export const STORAGE_STRIPE_COUNT = 8;

/** Settings of a storage engine: those of all kinds together, so that one kind can be chosen after the other. */
export interface StorageSettings extends MemoryStorageOptions, DeviceStorageOptions {
  /** Where records are read from. */
  kind: "memory" | "device";
}

/** One namespace. */
export interface NamespaceSettings extends NamespaceOptions {
  /** Name, 1 to 31 bytes. */
  name: string;
  /** Settings of the sets that have any, by set name. */
  sets: Map<string, SetSettings>;
  /** How regions are covered. */
  geo2dsphereWithin: Geo2dsphereWithinSettings;
  /** Where the primary index lives, as get-config prints it. */
  indexType: "mem" | "shmem";
  /** Where secondary indexes live, as get-config prints it. */
  sindexType: "mem" | "shmem";
  /** Where records live. */
  storage: StorageSettings;
}

/** Everything that a node is configured with. */
export interface Settings {
  /** The whole node. */
  service: ServiceSettings;
  /** Listeners. */
  network: NetworkSettings;
  /** Log sinks, in the order of `log/ID`. */
  logging: LogSinkSettings[];
  /** User-defined functions. */
  modLua: ModLuaSettings;
  /** Namespaces in order of their index. */
  namespaces: NamespaceSettings[];
}

/** A fresh object with the defaults of a table. */
export function fromTable<T>(table: OptionTable): T {
  const target: Record<string, OptionValue> = {};
  for (const option of table.rows) {
    target[option.field] = typeof option.default === "object" ? [...option.default] : option.default;
  }
  return target as T;
}

/** Defaults of the administrators' listener. */
export function defaultAdminListener(): AdminListenerSettings {
  return fromTable<AdminListenerSettings>(adminListenerOptions);
}

/** Defaults of the info listener. */
export function defaultInfoListener(): InfoListenerSettings {
  return fromTable<InfoListenerSettings>(infoListenerOptions);
}

/** Defaults of the HTTP listener. */
export function defaultHttpListener(): HttpListenerSettings {
  return fromTable<HttpListenerSettings>(httpListenerOptions);
}

/** Defaults of a set. */
export function defaultSet(): SetSettings {
  return fromTable<SetSettings>(setOptions);
}

/**
 * Defaults of a namespace that a file opens.
 *
 * @param name 1 to 31 bytes
 */
export function defaultNamespace(name: string): NamespaceSettings {
  return {
    ...fromTable<NamespaceOptions>(namespaceOptions),
    name,
    sets: new Map(),
    geo2dsphereWithin: fromTable<Geo2dsphereWithinSettings>(geo2dsphereWithinOptions),
    indexType: "mem",
    sindexType: "mem",
    storage: {
      kind: "memory",
      ...fromTable<DeviceStorageOptions>(deviceStorageOptions),
      ...fromTable<MemoryStorageOptions>(memoryStorageOptions),
    },
  };
}

/** A log sink that keeps everything at a level. */
export function consoleSink(level: LogSinkSettings["levels"][string] = "info"): LogSinkSettings {
  return { kind: "console", path: "", levels: { any: level } };
}

/** Settings with nothing but the defaults of the tables: no namespace, no optional listener, no sink. */
export function bareSettings(): Settings {
  return {
    service: fromTable<ServiceSettings>(serviceOptions),
    network: {
      service: fromTable<ServiceListenerSettings>(serviceListenerOptions),
      heartbeat: fromTable<HeartbeatSettings>(heartbeatOptions),
      fabric: fromTable<FabricSettings>(fabricOptions),
    },
    logging: [],
    modLua: fromTable<ModLuaSettings>(modLuaOptions),
    namespaces: [],
  };
}

/** Name of the namespace that exists when no file is given. */
export const DEFAULT_NAMESPACE_NAME = "test";

/** Expiry period of the namespace that exists when no file is given, so that TTLs work at once. */
export const DEFAULT_NSUP_PERIOD_S = 120;

/**
 * The namespace that exists when no file is given.
 *
 * @param name 1 to 31 bytes
 */
export function starterNamespace(name: string = DEFAULT_NAMESPACE_NAME): NamespaceSettings {
  const namespace = defaultNamespace(name);
  namespace.replicationFactor = 1;
  namespace.nsupPeriod = DEFAULT_NSUP_PERIOD_S;
  namespace.storage.dataSize = GIB;
  return namespace;
}

/** The listeners that exist when no file is given: all on loopback. */
export function starterNetwork(): NetworkSettings {
  const network: NetworkSettings = {
    ...bareSettings().network,
    info: defaultInfoListener(),
    http: defaultHttpListener(),
  };
  for (const listener of [network.service, network.heartbeat, network.fabric, network.info, network.http]) {
    listener!.addresses = ["127.0.0.1"];
  }
  return network;
}

/** A value of which any part may be left out; lists and maps come whole. */
export type DeepPartial<T> = T extends readonly unknown[] | Map<unknown, unknown> | string | number | boolean
  ? T
  : { [K in keyof T]?: DeepPartial<T[K]> };

/** Parts of settings that replace the defaults; blocks are merged, lists and maps replaced. */
export interface SettingsOverrides {
  /** Of the whole node. */
  service?: DeepPartial<ServiceSettings>;
  /** Of the listeners. */
  network?: DeepPartial<NetworkSettings>;
  /** All log sinks. */
  logging?: LogSinkSettings[];
  /** Of user-defined functions. */
  modLua?: DeepPartial<ModLuaSettings>;
  /** All namespaces, each starting from the defaults of `test`. */
  namespaces?: (DeepPartial<NamespaceSettings> & { name: string })[];
}

/**
 * The settings of a node without any file, for tests and embedding: namespace `test` in memory, loopback, ports 3000 to
 * 3003 and 8081, log to the console. Set ports to 0 for free ones.
 *
 * @param overrides what differs; a namespace that is given replaces `test` and starts from its defaults
 */
export function defaultSettings(overrides: SettingsOverrides = {}): Settings {
  const settings: Settings = {
    ...bareSettings(),
    network: starterNetwork(),
    logging: [consoleSink()],
    namespaces: [starterNamespace()],
  };
  const { namespaces, ...rest } = overrides;
  merge(settings as unknown as Plain, rest as Plain);
  if (namespaces) {
    settings.namespaces = namespaces.map((given) => {
      const namespace = starterNamespace(given.name);
      merge(namespace as unknown as Plain, given as Plain);
      return namespace;
    });
  }
  return settings;
}

type Plain = Record<string, unknown>;

function merge(target: Plain, source: Plain): void {
  for (const [key, value] of Object.entries(source)) {
    if (value === undefined) continue;
    const present = target[key];
    if (isPlain(present) && isPlain(value)) merge(present, value);
    else target[key] = value;
  }
}

function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map);
}

/** The rows of a namespace's storage engine. */
export function storageTable(storage: StorageSettings): OptionTable {
  return storage.kind === "memory" ? memoryStorageOptions : deviceStorageOptions;
}
