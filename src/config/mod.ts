/**
 * Configuration: one table of options; `aerospike.conf` and its YAML form, environment and flags in, settings out;
 * `get-config` and `set-config` on the same table. Text comes in and values go out: no file is read here, nothing is
 * listened on, and what a setting does stands where it is used. Read `load.ts`, `settings.ts` and `option.ts` first.
 *
 * @module
 */
import type { ParseTree } from "./load.ts";

export * from "./addresses.ts";
export type { Assignment, Origin } from "./assignment.ts";
export { expiryProblem } from "./checks.ts";
export { CONFIG_FILE_SIZE_MAX, type ConfNode, type ConfTree, parseConf } from "./conf_parser.ts";
export { allContexts, type ContextSpec, rootContext } from "./contexts.ts";
export { type Diagnostic, formatDiagnostic, hasErrors } from "./diagnostic.ts";
export { type SettingFlag, SHORT_FLAG_HELP, type SplitArguments, splitSettingFlags } from "./flags.ts";
export { getConfig, type GetConfigParams, namespaceLines } from "./get_config.ts";
export { type LoadInput, type LoadResult, loadSettings, type ParseTree } from "./load.ts";
export type { LogSinkSettings } from "./logging_options.ts";
export { LOG_LEVEL_DEFAULT, LOG_LEVELS, sinkLevel } from "./logging_options.ts";
export type { Geo2dsphereWithinSettings, NamespaceOptions, SetSettings } from "./namespace_options.ts";
export type {
  AdminListenerSettings,
  FabricSettings,
  HeartbeatSettings,
  HttpListenerSettings,
  InfoListenerSettings,
  ServiceListenerSettings,
} from "./network_options.ts";
export type {
  Option,
  OptionDetails,
  OptionSpec,
  OptionStatus,
  OptionTable,
  OptionType,
  OptionValue,
} from "./option.ts";
export type { ModLuaSettings } from "./security_options.ts";
export type { ServiceSettings } from "./service_options.ts";
export { type ConfigChange, setConfig, setConfigReply, type SetConfigResult } from "./set_config.ts";
export {
  becomeNodeOfSeveral,
  NODE_PORT_STEP,
  type NodePlace,
  severalNodesProblems,
} from "./several_nodes.ts";
export { referencePage } from "./reference_page.ts";
export * from "./settings.ts";
export type { DeviceStorageOptions, MemoryStorageOptions } from "./storage_options.ts";
export { describeAllowed, formatValue, sizeText } from "./value.ts";
export { printSettings, settingEntries, type SettingEntry } from "./walk.ts";

/** Loads the reader of the YAML form, which few nodes need and which takes longer to load than a node to start. */
export async function yamlForm(): Promise<ParseTree> {
  const { parseYaml } = await import("./yaml_form.ts");
  return parseYaml;
}
