/**
 * Comparing endpoint lists, and choosing which of a peer's endpoints this node can dial.
 * Source: clustering reference, section 4.
 *
 * @module
 */

import { ENDPOINT_TLS, type PeerEndpoint } from "../wire/mod.ts";

/** An endpoint as a text, for maps and log lines; without regard to TLS. */
export function endpointText(endpoint: Pick<PeerEndpoint, "address" | "port">): string {
  const { address, port } = endpoint;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Whether two lists have the same endpoints, in whatever order. */
export function sameEndpoints(a: readonly PeerEndpoint[], b: readonly PeerEndpoint[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  if (a.length === 1) return sameEndpoint(a[0]!, b[0]!);
  const key = (endpoint: PeerEndpoint) => `${endpointText(endpoint)}/${endpoint.capabilities}`;
  const left = a.map(key).sort();
  const right = b.map(key).sort();
  return left.every((text, at) => text === right[at]);
}

function sameEndpoint(a: PeerEndpoint, b: PeerEndpoint): boolean {
  return a.port === b.port && a.address === b.address && a.capabilities === b.capabilities;
}

/** Whether an endpoint is in a list, without regard to TLS. */
export function hasEndpoint(
  list: readonly PeerEndpoint[],
  endpoint: Pick<PeerEndpoint, "address" | "port">,
): boolean {
  return list.some((one) => one.port === endpoint.port && one.address === endpoint.address);
}

/** The endpoints that this node can dial. */
export function dialable(
  list: readonly PeerEndpoint[],
  settings: { readonly ipv6: boolean; readonly tls: boolean },
): PeerEndpoint[] {
  return list.filter((endpoint) =>
    (settings.ipv6 || !endpoint.address.includes(":")) &&
    (settings.tls || (endpoint.capabilities & ENDPOINT_TLS) === 0)
  );
}

/** A list for log lines. */
export function endpointsText(list: readonly PeerEndpoint[]): string {
  return list.length === 0 ? "no address" : list.map(endpointText).join(", ");
}
