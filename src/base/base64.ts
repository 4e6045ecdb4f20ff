/**
 * Base64 with padding (RFC 4648, section 4).
 *
 * @module
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES: ReadonlyMap<string, number> = new Map([...ALPHABET].map((letter, value) => [letter, value]));

/** The two letters of each 12 bits. */
const PAIRS: readonly string[] = Array.from(
  { length: 4096 },
  (_, bits) => ALPHABET[bits >>> 6] + ALPHABET[bits & 63],
);

/** Bytes as base64 text. */
export function encodeBase64(bytes: Uint8Array): string {
  const whole = bytes.length - bytes.length % 3;
  let text = "";
  for (let at = 0; at < whole; at += 3) {
    const word = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    text += PAIRS[word >>> 12] + PAIRS[word & 0xfff];
  }
  if (bytes.length - whole === 1) text += `${PAIRS[bytes[whole] << 4]}==`;
  if (bytes.length - whole === 2) {
    const bits = (bytes[whole] << 10) | (bytes[whole + 1] << 2);
    text += `${PAIRS[bits >>> 6]}${ALPHABET[bits & 63]}=`;
  }
  return text;
}

/** The bytes of a base64 text; undefined when it is not one. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array(text.length / 4 * 3 - padding);
  for (let at = 0, target = 0; at < text.length; at += 4) {
    let word = 0;
    for (let index = 0; index < 4; index++) word = (word << 6) | (VALUES.get(text[at + index]) ?? 0);
    for (let shift = 16; shift >= 0 && target < bytes.length; shift -= 8) bytes[target++] = word >>> shift;
  }
  return bytes;
}
