/**
 * Info commands of the verbs that look into a cluster: asked by the smart client, answers taken apart.
 *
 * @module
 */

import { type Address, type AerieClient, parseInfoError } from "../src/client/mod.ts";

const TIMEOUT_MS = 5000;

/**
 * Asks one node of the cluster.
 *
 * @throws {Error} with the server's words when the answer is an error
 */
export async function askInfo(client: AerieClient, command: string): Promise<string> {
  const answer = await client.info(command, { timeoutMs: TIMEOUT_MS });
  const error = parseInfoError(answer);
  if (error === undefined) return answer;
  throw new Error(`the server answered ${command.split(/[:;]/)[0]} with ${error.code}: ${error.message}`);
}

/** Parts of a list, empty ones left out. */
export function infoParts(text: string, separator: string): string[] {
  return text.split(separator).filter((part) => part !== "");
}

/** Fields of `a=1;b=2`; a field without a value has an empty one. */
export function infoFields(text: string, separator: string): Map<string, string> {
  return new Map(
    infoParts(text, separator).map((field) => {
      const at = field.indexOf("=");
      return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
    }),
  );
}

/** A value, empty for none and for the `null` by which servers say so. */
export function infoValueOrEmpty(value: string | undefined): string {
  return value === undefined || value === "null" ? "" : value;
}

/** An address as clients are told it: brackets around IPv6. */
export function addressText({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
