/**
 * The addresses of heartbeat and fabric: which are bound, and which peers are told to dial. Source: clustering reference,
 * section 4.
 *
 * @module
 */

import { accessEndpoints, bindAddresses, type Settings } from "../../config/mod.ts";
import type { Host } from "../../port/mod.ts";
import { parseIpAddress, type PeerEndpoint } from "../../wire/mod.ts";

/** One of the two listeners that peers use. */
export type PeerService = "heartbeat" | "fabric";

/** Configured addresses of a service; heartbeat without any of its own has those of fabric. */
export function configuredAddresses({ network }: Settings, service: PeerService): readonly string[] {
  const { addresses } = network[service];
  return service === "heartbeat" && addresses.length === 0 ? network.fabric.addresses : addresses;
}

/**
 * Numeric addresses to bind.
 *
 * @throws {Error} when a name has no address
 */
export async function bindHosts(settings: Settings, service: PeerService, host: Host): Promise<string[]> {
  return await toNumeric(bindAddresses(configuredAddresses(settings, service), host), host);
}

/**
 * What peers are told: the addresses that are bound, for "any" those of all interfaces; IPv6 ones only when
 * `advertise-ipv6` is set or there are no others.
 *
 * @param port port that is bound in fact
 */
export async function publishedEndpoints(
  settings: Settings,
  at: { readonly service: PeerService; readonly port: number },
  host: Host,
): Promise<PeerEndpoint[]> {
  const addresses = [...configuredAddresses(settings, at.service)];
  const listener = { addresses, accessAddresses: [], accessPort: 0 };
  const hosts = accessEndpoints(listener, at.port, host).map((endpoint) => endpoint.host);
  const numeric = await toNumeric(hosts, host);
  const ofIpv4 = numeric.filter((address) => !address.includes(":"));
  const wanted = settings.service.advertiseIpv6 || ofIpv4.length === 0 ? numeric : ofIpv4;
  return [...new Set(wanted)].map((address) => ({ address, port: at.port, capabilities: 0 }));
}

async function toNumeric(hosts: readonly string[], host: Host): Promise<string[]> {
  const found: string[] = [];
  for (const name of hosts) {
    if (parseIpAddress(name) !== undefined) found.push(name);
    else found.push(...await host.resolve(name));
  }
  return [...new Set(found)];
}
