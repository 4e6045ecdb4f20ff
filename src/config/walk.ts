/**
 * Every option of resolved settings with its path and value, in the order of the file, for listings.
 *
 * @module
 */
import { type Origin, pathText } from "./assignment.ts";
import { geo2dsphereWithinOptions, namespaceOptions, setOptions } from "./namespace_options.ts";
import {
  adminListenerOptions,
  fabricOptions,
  heartbeatOptions,
  httpListenerOptions,
  infoListenerOptions,
  serviceListenerOptions,
} from "./network_options.ts";
import { logContextOptions } from "./logging_options.ts";
import type { Option, OptionTable, OptionValue } from "./option.ts";
import { modLuaOptions } from "./security_options.ts";
import { serviceOptions } from "./service_options.ts";
import { type NamespaceSettings, type Settings, storageTable } from "./settings.ts";
import { formatValue } from "./value.ts";

/** One option of resolved settings. */
export interface SettingEntry {
  /** Path of its block, for example `["namespace", "test"]`. */
  path: readonly string[];
  /** The row. */
  option: Option;
  /** The present value. */
  value: OptionValue;
  /** The settings object that holds it, by field. */
  block: Record<string, OptionValue | undefined>;
}

/** All options of the settings. Levels of log contexts appear when a sink names them. */
export function settingEntries(settings: Settings): SettingEntry[] {
  const { network } = settings;
  return [
    ...entries(serviceOptions, settings.service, ["service"]),
    ...settings.logging.flatMap((sink) => {
      const path = ["logging", sink.kind, ...(sink.kind === "file" ? [sink.path] : [])];
      return entries(logContextOptions, sink.levels, path);
    }),
    ...entries(serviceListenerOptions, network.service, ["network", "service"]),
    ...entries(adminListenerOptions, network.admin ?? {}, ["network", "admin"]),
    ...entries(heartbeatOptions, network.heartbeat, ["network", "heartbeat"]),
    ...entries(fabricOptions, network.fabric, ["network", "fabric"]),
    ...entries(infoListenerOptions, network.info ?? {}, ["network", "info"]),
    ...entries(httpListenerOptions, network.http ?? {}, ["network", "http"]),
    ...settings.namespaces.flatMap(namespaceEntries),
    ...entries(modLuaOptions, settings.modLua, ["mod-lua"]),
  ];
}

function namespaceEntries(namespace: NamespaceSettings): SettingEntry[] {
  const path = ["namespace", namespace.name];
  return [
    ...entries(namespaceOptions, namespace, path),
    ...[...namespace.sets].flatMap(([name, set]) => entries(setOptions, set, [...path, "set", name])),
    ...entries(geo2dsphereWithinOptions, namespace.geo2dsphereWithin, [...path, "geo2dsphere-within"]),
    ...entries(storageTable(namespace.storage), namespace.storage, [...path, "storage-engine"]),
  ];
}

function entries(table: OptionTable, values: object, path: readonly string[]): SettingEntry[] {
  const fields = values as Record<string, OptionValue | undefined>;
  return table.rows.flatMap((option) => {
    const value = fields[option.field];
    return value === undefined ? [] : [{ path, option, value, block: fields }];
  });
}

/** Why a value is what it is when nobody gave it. */
const DEFAULT_ORIGIN: Origin = { kind: "default", text: "default" };

/**
 * The effective settings as lines `path = value  # origin`, for `aerie config print`.
 *
 * @param settings from {@linkcode loadSettings}
 * @param origins from the same result
 * @param options `givenOnly` leaves out what is a default
 */
export function printSettings(
  settings: Settings,
  origins: ReadonlyMap<string, Origin>,
  options: { givenOnly?: boolean } = {},
): string[] {
  const rows = settingEntries(settings).map(({ path, option, value }) => {
    const text = pathText(path, option.name);
    const origin = origins.get(text) ?? DEFAULT_ORIGIN;
    return { left: `${text} = ${formatValue(option, value) || "none"}`, origin };
  }).filter(({ origin }) => !options.givenOnly || origin.kind !== "default");
  const width = Math.min(70, Math.max(0, ...rows.map((row) => row.left.length)));
  return rows.map((row) => `${row.left.padEnd(width)}  # ${row.origin.text}`);
}
