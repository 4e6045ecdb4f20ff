/**
 * Where keys come from: a file, or a variable of the environment.
 *
 * @module
 */

import { ConfigError, decodeBase64, ENCRYPTION_KEY_SIZE_MAX_BYTES, utf8 } from "../../base/mod.ts";
import type { StorageSettings } from "../../config/mod.ts";
import type { Disk, Host } from "../../port/mod.ts";
import type { DeviceEncryption } from "./device_key.ts";

/** A shorter key could be guessed. */
const KEY_SIZE_MIN_BYTES = 16;
/** Forms of the stock server that name services which aerie does not talk to. */
const SERVICE_PREFIXES = ["secrets:", "vault:"];

/** What reading keys stands on. */
export interface KeySourcePorts {
  /** Files. */
  disk: Disk;
  /** The environment. */
  host: Pick<Host, "environment">;
}

/**
 * The encryption that settings ask for, undefined for none.
 *
 * @throws {ConfigError} when a key can't be read, or is too short
 */
export async function readEncryption(
  settings: Pick<StorageSettings, "encryption" | "encryptionKeyFile" | "encryptionOldKeyFile">,
  ports: KeySourcePorts,
): Promise<DeviceEncryption | undefined> {
  const { encryption: cipher, encryptionKeyFile, encryptionOldKeyFile } = settings;
  if (encryptionKeyFile === "") {
    if (encryptionOldKeyFile === "") return undefined;
    throw new ConfigError(
      "encryption-old-key-file is given without encryption-key-file; give both, or neither",
    );
  }
  return {
    cipher,
    key: await readKey("encryption-key-file", encryptionKeyFile, ports),
    oldKey: encryptionOldKeyFile === ""
      ? undefined
      : await readKey("encryption-old-key-file", encryptionOldKeyFile, ports),
  };
}

/**
 * Reads a key.
 *
 * @param option name of the option, for errors
 * @param source `PATH`, `file:PATH`, `env:NAME` (its text) or `env-b64:NAME` (base64)
 * @throws {ConfigError} when there is no key, or one that is too short or too long
 */
export async function readKey(option: string, source: string, ports: KeySourcePorts): Promise<Uint8Array> {
  const key = await readSource(option, source, ports);
  if (key.length < KEY_SIZE_MIN_BYTES || key.length > ENCRYPTION_KEY_SIZE_MAX_BYTES) {
    throw new ConfigError(
      `The key of ${option} has ${key.length} bytes; it must have ${KEY_SIZE_MIN_BYTES} to ` +
        `${ENCRYPTION_KEY_SIZE_MAX_BYTES}. \`head -c 32 /dev/urandom\` makes one`,
    );
  }
  return key;
}

async function readSource(
  option: string,
  source: string,
  { disk, host }: KeySourcePorts,
): Promise<Uint8Array> {
  const service = SERVICE_PREFIXES.find((prefix) => source.startsWith(prefix));
  if (service !== undefined) {
    throw new ConfigError(`${option} can't come from "${service}…"; use a file, env:NAME or env-b64:NAME`);
  }
  for (const prefix of ["env:", "env-b64:"]) {
    if (!source.startsWith(prefix)) continue;
    const name = source.slice(prefix.length);
    const value = host.environment(name);
    if (value === undefined) {
      throw new ConfigError(`${option} is to come from the environment, but "${name}" is not set there`);
    }
    if (prefix === "env:") return utf8(value);
    const key = decodeBase64(value.trim());
    if (key === undefined) throw new ConfigError(`The key of ${option}, in "${name}", is not in base64`);
    return key;
  }
  const path = source.startsWith("file:") ? source.slice("file:".length) : source;
  try {
    return await disk.readFile(path, ENCRYPTION_KEY_SIZE_MAX_BYTES);
  } catch (error) {
    throw new ConfigError(`The key of ${option} can't be read: ${(error as Error).message}`);
  }
}
