/**
 * The names that the stock container image takes from the environment. They count only when no file is given, as in the
 * image, whose template they fill. Source: server-operations reference, section 6.2.
 *
 * @module
 */
import type { Diagnostic } from "./diagnostic.ts";
import type { Override } from "./overrides.ts";
import { DEFAULT_NAMESPACE_NAME } from "./settings.ts";

/** Environment names of the container image that have an effect here. */
export const IMAGE_ENVIRONMENT_NAMES: readonly string[] = [
  "SERVICE_ADDRESS",
  "SERVICE_PORT",
  "NAMESPACE",
  "DATA_IN_MEMORY",
  "DEFAULT_TTL",
  "MEM_GB",
  "NSUP_PERIOD",
  "STORAGE_GB",
  "LOGFILE",
];

/** What the image's names ask for. */
export interface ImageEnvironment {
  /** Name of the one namespace. */
  namespace: string;
  /** The settings. */
  overrides: Override[];
  /** What can't be done. */
  diagnostics: Diagnostic[];
}

/**
 * Reads the image's names. An empty value counts as not given.
 *
 * @param env the environment
 */
export function imageEnvironment(env: Readonly<Record<string, string | undefined>>): ImageEnvironment {
  const given = (name: string) => env[name] === "" ? undefined : env[name];
  const namespace = given("NAMESPACE") ?? DEFAULT_NAMESPACE_NAME;
  const overrides: Override[] = [];
  const diagnostics: Diagnostic[] = [];
  const add = (source: string, path: readonly string[], value: string | undefined = given(source)) => {
    if (value !== undefined) overrides.push({ kind: "image", source, path, value });
  };
  const gigabytes = (source: string) => {
    const value = given(source);
    return value === undefined || !/^\d+$/.test(value) ? value : `${value}G`;
  };
  // The stock server keeps defaults for these two when they are 0.
  const nonZero = (source: string) => given(source) === "0" ? undefined : given(source);
  add("SERVICE_ADDRESS", ["network", "service", "address"]);
  add("SERVICE_PORT", ["network", "service", "port"]);
  add("DEFAULT_TTL", ["namespace", namespace, "default-ttl"], nonZero("DEFAULT_TTL"));
  add("NSUP_PERIOD", ["namespace", namespace, "nsup-period"], given("NSUP_PERIOD"));
  const logFile = given("LOGFILE");
  if (logFile !== undefined) add("LOGFILE", ["logging", "file", logFile, "any"], "info");
  const inMemory = given("DATA_IN_MEMORY")?.toLowerCase();
  const engine = ["namespace", namespace, "storage-engine"];
  if (inMemory === "true" || inMemory === "false") {
    add("DATA_IN_MEMORY", engine, inMemory === "true" ? "memory" : "device");
    add("DATA_IN_MEMORY", [...engine, "file"], `/opt/aerospike/data/${namespace}.dat`);
    add("STORAGE_GB", [...engine, "filesize"], gigabytes("STORAGE_GB") ?? "4G");
  } else {
    const source = gigabytes("STORAGE_GB") === undefined ? "MEM_GB" : "STORAGE_GB";
    add(source, [...engine, "data-size"], gigabytes(source));
    if (inMemory !== undefined) {
      diagnostics.push({ ...remark("error", `is "${inMemory}"`), allowed: "true or false" });
    }
  }
  return { namespace, overrides, diagnostics };
}

function remark(severity: Diagnostic["severity"], message: string): Diagnostic {
  return { severity, source: "DATA_IN_MEMORY", line: 0, key: "", message };
}
