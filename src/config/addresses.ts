/**
 * Addresses: what the keywords of the configuration mean on this machine, and what clients are told.
 *
 * @module
 */

import type { Host } from "../port/mod.ts";
import type { ServiceListenerSettings } from "./network_options.ts";

/** One address that a listener binds or a client is told. */
export interface Endpoint {
  /** Numeric address or name. */
  host: string;
  /** Port. */
  port: number;
}

/**
 * Addresses to bind: `any` is all interfaces, `local` the loopback addresses, an interface's name its addresses (with
 * `:ipv4` or `:ipv6` one family of them), anything else stays as it is.
 *
 * @param addresses as configured; none means any
 * @throws {Error} when an interface has no address of the wanted family
 */
export function bindAddresses(addresses: readonly string[], host: Host): string[] {
  const found = addresses.length === 0
    ? ["0.0.0.0"]
    : addresses.flatMap((address) => bindAddress(address, host));
  return [...new Set(found)];
}

function bindAddress(address: string, host: Host): string[] {
  if (address === "any") return host.interfaces().some((one) => one.family === "IPv6") ? ["::"] : ["0.0.0.0"];
  if (address === "local") return ["127.0.0.1"];
  const [, name, family] = /^(.*?)(?::(ipv4|ipv6))?$/.exec(address)!;
  const named = host.interfaces().filter((one) => one.name === name);
  if (named.length === 0) return [address];
  const chosen = named.filter((one) => family === undefined || one.family.toLowerCase() === family);
  if (chosen.length === 0) {
    throw new Error(`Cannot listen on "${address}": interface ${name} has no ${family} address`);
  }
  return chosen.map((one) => one.address);
}

/**
 * Addresses that clients are told: `access-address` if configured, else what the listener binds; for "all interfaces"
 * the addresses of all interfaces but loopback.
 *
 * @param listener settings of the service listener
 * @param port port that is bound in fact
 */
export function accessEndpoints(
  listener: Pick<ServiceListenerSettings, "accessAddresses" | "accessPort" | "addresses">,
  port: number,
  host: Host,
): Endpoint[] {
  const accessPort = listener.accessPort || port;
  const configured = listener.accessAddresses;
  const addresses = configured.length > 0
    ? configured
    : listener.addresses.length > 0
    ? listener.addresses
    : ["any"];
  return addresses.flatMap((address) => published(address, host)).map((one) => ({
    host: one,
    port: accessPort,
  }));
}

/** Addresses of the second set; none when it is not configured. */
export function alternateEndpoints(listener: ServiceListenerSettings, port: number, host: Host): Endpoint[] {
  const alternatePort = listener.alternateAccessPort || port;
  return listener.alternateAccessAddresses.flatMap((address) => published(address, host)).map((one) => ({
    host: one,
    port: alternatePort,
  }));
}

function published(address: string, host: Host): string[] {
  const interfaces = host.interfaces();
  if (address === "any" || address === "0.0.0.0" || address === "::") {
    const outer = interfaces.filter((one) => !one.loopback && !one.address.startsWith("fe80:"));
    const wanted = address === "0.0.0.0" ? outer.filter((one) => one.family === "IPv4") : outer;
    return wanted.length > 0 ? wanted.map((one) => one.address) : ["127.0.0.1"];
  }
  return bindAddress(address, host);
}

/** `host:port`, an IPv6 host in brackets. */
export function endpointText(endpoint: Endpoint): string {
  return endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

/**
 * Which setting an advertised list comes from, for people.
 *
 * @param option name of the listener's context, for example `network.service`
 */
export function advertisedReason(
  option: string,
  listener: { readonly addresses: readonly string[]; readonly accessAddresses?: readonly string[] },
): string {
  const { addresses, accessAddresses = [] } = listener;
  if (accessAddresses.length > 0) return `${option}.access-address is ${accessAddresses.join(", ")}`;
  const isAny = addresses.length === 0 ||
    addresses.some((one) => one === "any" || one === "0.0.0.0" || one === "::");
  if (isAny) {
    return `${option}.address is ${addresses[0] ?? "not set"}: all interfaces of this machine but loopback`;
  }
  const access = option === "network.service" ? ", and access-address is not set" : "";
  return `${option}.address is ${addresses.join(", ")}${access}`;
}

/** Whether an address leads to the machine that dials it. */
export function isLoopbackAddress(host: string): boolean {
  return host === "::1" || host === "localhost" || host.startsWith("127.");
}
