/**
 * Info commands that tell addresses. Source: wire-protocol reference, section 9.4.
 *
 * @module
 */

import {
  accessEndpoints,
  advertisedReason,
  alternateEndpoints,
  type Endpoint,
  endpointText,
} from "../config/mod.ts";
import type { PeerServiceAddresses } from "../wire/mod.ts";
import type { PeerService } from "./cluster/mod.ts";
import { type InfoRow, OK } from "./info_row.ts";
import type { AerieNode } from "./node.ts";

/**
 * Addresses that clients are told: those of interfaces are IPv4 ones unless `advertise-ipv6` is set; what is configured
 * as access-address is told as it is.
 */
export function serviceEndpoints(node: AerieNode): Endpoint[] {
  const { service } = node.settings.network;
  const found = accessEndpoints(service, node.listeners.port("service"), node.ports.host);
  return service.accessAddresses.length > 0 ? found : advertised(node, found);
}

function advertised(node: AerieNode, endpoints: Endpoint[]): Endpoint[] {
  if (node.settings.service.advertiseIpv6) return endpoints;
  const ofIpv4 = endpoints.filter(({ host }) => !host.includes(":"));
  return ofIpv4.length > 0 ? ofIpv4 : endpoints;
}

function alternateServiceEndpoints(node: AerieNode): Endpoint[] {
  return alternateEndpoints(node.settings.network.service, node.listeners.port("service"), node.ports.host);
}

function adminEndpoints(node: AerieNode): Endpoint[] {
  const port = node.listeners.port("admin");
  const { admin } = node.settings.network;
  if (admin === undefined || port === 0) return [];
  const listener = { addresses: admin.addresses, accessAddresses: [], accessPort: 0 };
  return advertised(node, accessEndpoints(listener, port, node.ports.host));
}

function list(endpoints: readonly Endpoint[], separator = ","): string {
  return endpoints.map(endpointText).join(separator);
}

/** Says at the start what clients are told, and why. */
export function logClientAddresses(node: AerieNode): void {
  const why = advertisedReason("network.service", node.settings.network.service);
  node.ports.log.write("info", "service", `clients are told ${list(serviceEndpoints(node), ", ")} (${why})`);
}

/** What other members are told about where clients reach this node. */
export function peerServiceAddresses(node: AerieNode): PeerServiceAddresses {
  if (node.listeners.port("service") === 0) return {};
  const clearStandard = list(serviceEndpoints(node));
  const clearAlternate = list(alternateServiceEndpoints(node));
  return {
    services: clearStandard,
    clearStandard,
    ...(clearAlternate === "" ? {} : { servicesAlternate: clearAlternate, clearAlternate }),
  };
}

/** Addresses of nodes, joined as old clients want them. */
function oldList(services: readonly PeerService[], which: "standard" | "alternate"): string {
  return services.flatMap((service) => service[which]).join(";");
}

function everyEndpoint(node: AerieNode): string {
  const bound = node.listeners.open.map((listener) => `${listener.kind}=${endpointText(listener)}`);
  return [
    ...bound,
    `access=${list(serviceEndpoints(node))}`,
    `alternate-access=${list(alternateServiceEndpoints(node))}`,
  ].join(";");
}

/** See the module's text. */
export const addressCommands: readonly InfoRow[] = [
  {
    name: "service-clear-std",
    reply: "HOST:PORT,...",
    doc: "addresses of this node's clients",
    askedBy: "clients, asadm, exporter",
    answer: ({ node }) => list(serviceEndpoints(node)),
  },
  {
    name: "service-clear-alt",
    reply: "HOST:PORT,... or empty",
    doc: "alternate addresses of this node",
    askedBy: "clients, asadm",
    answer: ({ node }) => list(alternateServiceEndpoints(node)),
  },
  {
    name: "admin-clear-std",
    reply: "HOST:PORT,... or empty",
    doc: "addresses of the admin port",
    askedBy: "asadm",
    answer: ({ node }) => list(adminEndpoints(node)),
  },
  {
    name: "service",
    reply: "HOST:PORT;...",
    doc: "addresses of this node's clients",
    askedBy: "old clients and tools",
    deprecated: "service-clear-std",
    answer: ({ node }) => list(serviceEndpoints(node), ";"),
  },
  {
    name: "services",
    reply: "HOST:PORT;...",
    doc: "addresses of the other nodes",
    askedBy: "old clients and tools",
    deprecated: "peers-clear-std",
    answer: ({ node }) => oldList(node.cluster.services.members, "standard"),
  },
  {
    name: "services-alternate",
    reply: "HOST:PORT;...",
    doc: "alternate addresses of the other nodes",
    askedBy: "old clients and tools",
    deprecated: "peers-clear-alt",
    answer: ({ node }) => oldList(node.cluster.services.members, "alternate"),
  },
  {
    name: "services-alumni",
    reply: "HOST:PORT;...",
    doc: "addresses of nodes that were ever seen",
    askedBy: "asadm",
    deprecated: "alumni-clear-std",
    answer: ({ node }) => oldList(node.cluster.services.alumni, "standard"),
  },
  {
    name: "services-alumni-reset",
    reply: "ok",
    doc: "forget the nodes that are gone",
    askedBy: "operators",
    permission: "service-ctrl",
    answer: ({ node }) => {
      node.cluster.services.resetAlumni();
      return OK;
    },
  },
  {
    name: "endpoints",
    reply: "KIND=HOST:PORT;...",
    doc: "bound and announced addresses",
    askedBy: "people who look for faults",
    hidden: true,
    answer: ({ node }) => everyEndpoint(node),
  },
];
