/**
 * The data key of a device: random, made with the device, never changed. The header holds it wrapped by the key of
 * `encryption-key-file`, so that this one can be changed without touching a record.
 *
 * Layout of the header's key field, 80 bytes:
 *
 * | offset | bytes | field                                                                      |
 * | ------ | ----- | -------------------------------------------------------------------------- |
 * | 0      | 1     | cipher of the records: 1 AES-128, 2 AES-256; 0 not encrypted                |
 * | 1      | 1     | how the key is wrapped: 1 AES-256-GCM                                       |
 * | 2      | 2     | reserved, zero                                                             |
 * | 4      | 12    | nonce, random for each wrapping                                            |
 * | 16     | 32    | data key, encrypted; of AES-128 the first 16 bytes are used                 |
 * | 48     | 16    | tag: also the canary that tells a wrong key                                 |
 * | 64     | 16    | reserved, zero                                                             |
 *
 * The wrapping key is the SHA-256 of the text `aerie data key 1` and the content of the key file. The tag also covers
 * the device id and the cipher.
 *
 * @module
 */

import { ConfigError, utf8 } from "../../base/mod.ts";
import type { Compute, Random } from "../../port/mod.ts";
import { ID_SIZE_BYTES, KEY_FIELD_SIZE } from "./layout.ts";

/** Ciphers, as options name them. */
export type CipherName = "aes-128" | "aes-256";

/** How a namespace's devices are to be encrypted. */
export interface DeviceEncryption {
  /** Cipher of the records. */
  cipher: CipherName;
  /** Content of `encryption-key-file`. */
  key: Uint8Array;
  /** Content of `encryption-old-key-file`. */
  oldKey: Uint8Array | undefined;
}

const CIPHER_NUMBER: Readonly<Record<CipherName, number>> = { "aes-128": 1, "aes-256": 2 };
const CIPHER_KEY_SIZE: Readonly<Record<CipherName, number>> = { "aes-128": 16, "aes-256": 32 };
const WRAP_AES_GCM = 1;
const NONCE_AT = 4;
const NONCE_SIZE = 12;
const WRAPPED_AT = 16;
const WRAPPED_SIZE = 48;
const DATA_KEY_SIZE = 32;
const WRAPPING_LABEL = utf8("aerie data key 1");

/** What wrapping stands on. */
export interface KeyPorts {
  /** AES and SHA-256. */
  compute: Compute;
  /** Makes keys and nonces; must be fit for that. */
  random: Random;
}

/** A device's key field and its data key. */
export interface DeviceKey {
  /** The key field, as the header is to have it. */
  field: Uint8Array;
  /** The data key, as long as the cipher needs it. */
  dataKey: Uint8Array;
  /** The field was wrapped by the old key, and is not any more: both copies of the header must be replaced. */
  isRewrapped: boolean;
}

/** Makes the data key of a new device. */
export function makeDeviceKey(
  deviceId: Uint8Array,
  encryption: DeviceEncryption,
  ports: KeyPorts,
): DeviceKey {
  const dataKey = new Uint8Array(DATA_KEY_SIZE);
  ports.random.fill(dataKey);
  const field = wrap(dataKey, { deviceId, encryption }, ports);
  return { field, dataKey: dataKey.slice(0, CIPHER_KEY_SIZE[encryption.cipher]), isRewrapped: false };
}

/**
 * Opens the data key of a device.
 *
 * @param device path, id and key field
 * @throws {ConfigError} when no key given opens it, or it is for another cipher
 */
export function openDeviceKey(
  device: { path: string; deviceId: Uint8Array; field: Uint8Array },
  encryption: DeviceEncryption,
  ports: KeyPorts,
): DeviceKey {
  const { path, deviceId, field } = device;
  const cipher = cipherOf(field);
  if (cipher === undefined || field[1] !== WRAP_AES_GCM) {
    throw new ConfigError(
      `"${path}" is encrypted in a way that this program does not know; start a newer one`,
    );
  }
  if (cipher !== encryption.cipher) {
    throw new ConfigError(
      `"${path}" was made with encryption ${cipher}, not with ${encryption.cipher}; set encryption ${cipher}, ` +
        "or back up, make new files and restore",
    );
  }
  const sizeBytes = CIPHER_KEY_SIZE[cipher];
  const dataKey = unwrap(field, deviceId, encryption.key, ports.compute);
  if (dataKey !== undefined) return { field, dataKey: dataKey.slice(0, sizeBytes), isRewrapped: false };
  const { oldKey } = encryption;
  const byOldKey = oldKey === undefined ? undefined : unwrap(field, deviceId, oldKey, ports.compute);
  if (byOldKey === undefined) {
    const tried = oldKey === undefined
      ? "the key of encryption-key-file does not open it"
      : "neither the key of encryption-key-file nor that of encryption-old-key-file opens it";
    throw new ConfigError(`"${path}" is encrypted, and ${tried}; give the key that it was made with`);
  }
  const rewrapped = wrap(byOldKey, { deviceId, encryption }, ports);
  return { field: rewrapped, dataKey: byOldKey.slice(0, sizeBytes), isRewrapped: true };
}

/** The cipher that a key field names, undefined when it names none. */
export function cipherOf(field: Uint8Array): CipherName | undefined {
  const names: CipherName[] = ["aes-128", "aes-256"];
  return names.find((name) => CIPHER_NUMBER[name] === field[0]);
}

function wrap(
  dataKey: Uint8Array,
  { deviceId, encryption }: { deviceId: Uint8Array; encryption: DeviceEncryption },
  { compute, random }: KeyPorts,
): Uint8Array {
  const field = new Uint8Array(KEY_FIELD_SIZE);
  field[0] = CIPHER_NUMBER[encryption.cipher];
  field[1] = WRAP_AES_GCM;
  const nonce = field.subarray(NONCE_AT, NONCE_AT + NONCE_SIZE);
  random.fill(nonce);
  const key = wrappingKey(encryption.key, compute);
  field.set(compute.aesGcmSeal(dataKey, { key, nonce }, contextOf(field, deviceId)), WRAPPED_AT);
  return field;
}

function unwrap(
  field: Uint8Array,
  deviceId: Uint8Array,
  secret: Uint8Array,
  compute: Compute,
): Uint8Array | undefined {
  const nonce = field.subarray(NONCE_AT, NONCE_AT + NONCE_SIZE);
  const wrapped = field.subarray(WRAPPED_AT, WRAPPED_AT + WRAPPED_SIZE);
  return compute.aesGcmOpen(
    wrapped,
    { key: wrappingKey(secret, compute), nonce },
    contextOf(field, deviceId),
  );
}

function wrappingKey(secret: Uint8Array, compute: Compute): Uint8Array {
  const bytes = new Uint8Array(WRAPPING_LABEL.length + secret.length);
  bytes.set(WRAPPING_LABEL);
  bytes.set(secret, WRAPPING_LABEL.length);
  return compute.sha256(bytes);
}

/** What the tag covers besides the key. */
function contextOf(field: Uint8Array, deviceId: Uint8Array): Uint8Array {
  const context = new Uint8Array(NONCE_AT + ID_SIZE_BYTES);
  context.set(field.subarray(0, NONCE_AT));
  context.set(deviceId, NONCE_AT);
  return context;
}
