/**
 * Configuration: one table of options; `aerospike.conf` and its YAML form, environment and flags in, settings out;
 * `get-config` and `set-config` on the same table. Text comes in and values go out: no file is read here, nothing is
 * listened on, and what a setting does stands where it is used. Read `option.ts`, `settings.ts` and `contexts.ts` first.
 *
 * @module
 */
export type * from "./logging_options.ts";
export { LOG_CONTEXTS, LOG_LEVEL_DEFAULT, LOG_LEVELS, sinkLevel } from "./logging_options.ts";
export type { Geo2dsphereWithinSettings, NamespaceOptions, SetSettings } from "./namespace_options.ts";
export type {
  AdminListenerSettings,
  FabricSettings,
  HeartbeatSettings,
  HttpListenerSettings,
  InfoListenerSettings,
  ServiceListenerSettings,
} from "./network_options.ts";
export type { Option, OptionStatus, OptionTable, OptionType, OptionValue } from "./option.ts";
export type { ModLuaSettings } from "./security_options.ts";
export type { ServiceSettings } from "./service_options.ts";
export type { MemoryStorageOptions } from "./storage_options.ts";
export * from "./settings.ts";
