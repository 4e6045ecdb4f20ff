/**
 * What `aerie doctor` looks at in the network: ports, and addresses that clients and peers are told. Nothing here
 * connects to another machine: attempts are made on addresses of this one only, each bounded in time.
 *
 * @module
 */

import { parseInfoAnswers, requestInfoText } from "../src/client/mod.ts";
import {
  accessEndpoints,
  advertisedReason,
  alternateEndpoints,
  bindAddresses,
  type Endpoint,
  endpointText,
  isLoopbackAddress,
  type Settings,
} from "../src/config/mod.ts";
import type { InterfaceAddress, Listener, Ports } from "../src/port/mod.ts";

/** How a finding is meant. */
export type FindingLevel = "fine" | "note" | "problem";

/** One thing that was looked at. */
export interface Finding {
  /** Whether something is to be done. */
  level: FindingLevel;
  /** What it is about: `clients`, `peers`, `ports`, `memory`, ... */
  topic: string;
  /** What was found, and why it is so. */
  text: string;
  /** What to set or do; problems always have it. */
  advice?: string;
}

/** Facts about the machine that no port tells. */
export interface MachineFacts {
  /** Files that this process may open; undefined when it can't be told. */
  fileCountMax: number | undefined;
  /** Whether a time service says that the clock is right; undefined when none says anything. */
  clockSynchronized: boolean | undefined;
}

/** What the checks stand on. */
export interface DoctorInput {
  /** Effective settings. */
  settings: Settings;
  /** The machine. */
  ports: Ports;
  /** More of the machine. */
  facts: MachineFacts;
}

/** How long one attempt may take. */
const ATTEMPT_TIMEOUT_MS = 500;
const RETRY_AFTER_MS = 100;
/** Advertised addresses that are tried; a machine with more has them from the same interfaces. */
const ATTEMPT_COUNT_MAX = 16;
/** Bridges and virtual links of container engines and hypervisors. */
const INNER_INTERFACE = /^(docker|br-|veth|cni|flannel|cali|virbr|podman|lxc|lxd|vmnet|vboxnet)/;

/** A listener of the configuration. */
interface Port {
  name: string;
  option: string;
  addresses: readonly string[];
  port: number;
}

/** Who has a port. */
interface PortState {
  /** Held open until all addresses were tried. */
  listeners: Listener[];
  /** A node answers there: its id and build. */
  node?: string;
  /** What it says of its peers, as the info command `links` has it. */
  links?: string;
}

/** Ports that speak info; anything that is sent to the others is noise in a node's log. */
const INFO_PORTS: ReadonlySet<string> = new Set(["service", "admin", "info"]);

function configuredPorts({ network }: Settings): Port[] {
  const { service, admin, info, http, fabric, heartbeat } = network;
  const all: (Port | undefined)[] = [
    { name: "service", option: "network.service", ...service },
    admin && { name: "admin", option: "network.admin", ...admin },
    info && { name: "info", option: "network.info", ...info },
    http && { name: "http", option: "network.http", ...http },
    { name: "fabric", option: "network.fabric", ...fabric },
    // With multicast the port is one of datagrams, which nodes of one machine share.
    heartbeat.mode === "mesh" ? { name: "heartbeat", option: "network.heartbeat", ...heartbeat } : undefined,
  ];
  return all.filter((one) => one !== undefined && one.port > 0).map((one) => one!);
}

/** Addresses that clients and peers are told, and the ports: in one go, because dialling needs what binding opened. */
export async function checkNetwork(input: DoctorInput): Promise<Finding[]> {
  const findings: Finding[] = [];
  const states = new Map<string, PortState>();
  try {
    for (const port of configuredPorts(input.settings)) {
      const state: PortState = { listeners: [] };
      states.set(port.name, state);
      findings.push(...await checkPort(port, state, { input, states }));
    }
    findings.push(...await checkClientAddresses(input));
    findings.push(...await checkPeerAddresses(input));
    findings.push(...checkLinks(input, [...states.values()].find(({ links }) => links !== undefined)?.links));
  } finally {
    for (const { listeners } of states.values()) for (const listener of listeners) listener.close();
  }
  return findings;
}

async function checkPort(
  port: Port,
  state: PortState,
  { input, states }: { input: DoctorInput; states: Map<string, PortState> },
): Promise<Finding[]> {
  const { host } = input.ports;
  let hosts: string[];
  try {
    hosts = bindAddresses(port.addresses, host);
  } catch (error) {
    return [{
      level: "problem",
      topic: "ports",
      text: (error as Error).message,
      advice: `change ${port.option}.address`,
    }];
  }
  const findings: Finding[] = [];
  for (const address of hosts) {
    const where = endpointText({ host: address, port: port.port });
    try {
      state.listeners.push(await listenTwice({ host: address, port: port.port }, input.ports));
      findings.push({ level: "fine", topic: "ports", text: `${port.name} ${where} is free` });
    } catch (error) {
      findings.push(await bindFailure({ error: error as Error, port, address, state }, { input, states }));
    }
  }
  return findings;
}

/** A program that has just ended may hold its port for another moment. */
async function listenTwice(endpoint: Endpoint, { network, clock }: Ports): Promise<Listener> {
  const open = () =>
    network.listen(endpoint, (connection) => {
      connection.handler = { onData() {}, onWritten() {}, onClose() {} };
    });
  try {
    return await open();
  } catch {
    await new Promise<void>((resolve) => void clock.after(RETRY_AFTER_MS, resolve));
    return await open();
  }
}

/** Tells a port in use from an address that isn't here. */
async function bindFailure(
  failed: { error: Error; port: Port; address: string; state: PortState },
  { input, states }: { input: DoctorInput; states: Map<string, PortState> },
): Promise<Finding> {
  const { error, port, address, state } = failed;
  const where = `${port.name} ${endpointText({ host: address, port: port.port })}`;
  const reason = error.message;
  if (!/EADDRINUSE|in use/i.test(reason)) {
    const isOwn = /EADDRNOTAVAIL|not available|cannot assign/i.test(reason);
    return {
      level: "problem",
      topic: "ports",
      text: `${where} can't be opened: ${reason}`,
      advice: isOwn
        ? `set ${port.option}.address to an address of this machine (${
          ownAddresses(input)
        }), an interface's name or any`
        : `change ${port.option}.address or ${port.option}.port, or the rights of this user`,
    };
  }
  const answer = INFO_PORTS.has(port.name) ? await askNode(address, port.port, input.ports) : undefined;
  Object.assign(state, answer);
  const known = answer?.node ?? [...states.values()].find((one) => one.node !== undefined)?.node;
  // Peers and HTTP don't speak info: when a node runs on this machine with these settings, they are taken to be its own.
  if (known !== undefined) {
    return { level: "note", topic: "ports", text: `${where} is used by a running node: ${known}` };
  }
  return {
    level: "problem",
    topic: "ports",
    text: `${where} is used by another program`,
    advice: `end that program, or set ${port.option}.port to a free port`,
  };
}

/** Id, build and peers of the node behind a port of this machine. */
async function askNode(
  bound: string,
  port: number,
  { network, clock }: Ports,
): Promise<Pick<PortState, "node" | "links"> | undefined> {
  const host = bound === "0.0.0.0" ? "127.0.0.1" : bound === "::" ? "::1" : bound;
  try {
    const options = { address: { host, port }, timeoutMs: ATTEMPT_TIMEOUT_MS };
    const reply = await requestInfoText({ network, clock }, ["node", "build", "links"], options);
    const [id, build, links] = parseInfoAnswers(reply);
    if (id?.command !== "node" || build?.command !== "build") return undefined;
    const isKnown = links !== undefined && !links.value.startsWith("ERROR");
    return { node: `id ${id.value}, build ${build.value}`, ...(isKnown ? { links: links.value } : {}) };
  } catch {
    return undefined;
  }
}

function ownAddresses({ ports }: DoctorInput): string {
  const all = ports.host.interfaces().map(({ address }) => address).filter((one) => !one.startsWith("fe80:"));
  return [...new Set(all)].join(", ");
}

async function checkClientAddresses(input: DoctorInput): Promise<Finding[]> {
  const { settings, ports } = input;
  const { service } = settings.network;
  const all = accessEndpoints(service, service.port, ports.host);
  const isConfigured = service.accessAddresses.length > 0;
  const told = isConfigured || settings.service.advertiseIpv6 ? all : withoutIpv6(all);
  const standard = await checkAdvertised(input, {
    endpoints: told,
    topic: "clients",
    option: "network.service",
    why: advertisedReason("network.service", service),
    listens: service.port,
    setting: "network.service.access-address",
  });
  const alternate = alternateEndpoints(service, service.port, ports.host);
  if (alternate.length === 0) {
    const text = "no alternate address is advertised (network.service.alternate-access-address is not set)";
    return [...standard, { level: "fine", topic: "clients", text }];
  }
  return [
    ...standard,
    ...await checkAdvertised(input, {
      endpoints: alternate,
      topic: "clients, alternate",
      option: "network.service",
      why: `network.service.alternate-access-address is ${service.alternateAccessAddresses.join(", ")}`,
      listens: service.port,
      setting: "network.service.alternate-access-address",
    }),
  ];
}

function withoutIpv6(endpoints: Endpoint[]): Endpoint[] {
  const ofIpv4 = endpoints.filter(({ host }) => !host.includes(":"));
  return ofIpv4.length > 0 ? ofIpv4 : endpoints;
}

async function checkPeerAddresses(input: DoctorInput): Promise<Finding[]> {
  const { network } = input.settings;
  const findings: Finding[] = [];
  for (const name of ["heartbeat", "fabric"] as const) {
    const { addresses, port } = network[name];
    if (!(port > 0)) continue;
    if (name === "heartbeat" && network.heartbeat.mode === "multicast") {
      findings.push(multicastFinding(input));
      continue;
    }
    const option = `network.${name}`;
    const listener = { addresses, accessAddresses: [], accessPort: 0 };
    const endpoints = accessEndpoints(listener, port, input.ports.host);
    findings.push(
      ...await checkAdvertised(input, {
        endpoints: input.settings.service.advertiseIpv6 ? endpoints : withoutIpv6(endpoints),
        topic: `peers, ${name}`,
        option,
        why: advertisedReason(option, { addresses }),
        listens: port,
        setting: `${option}.address`,
      }),
    );
  }
  const seeds = network.heartbeat.meshSeedAddressPorts;
  const hosts = accessEndpoints(
    { addresses: network.fabric.addresses, accessAddresses: [], accessPort: 0 },
    network.fabric.port,
    input.ports.host,
  ).map(({ host }) => host);
  const outer = seeds.find((seed) => !isLoopbackAddress(seed.split(/\s+/)[0]));
  if (outer !== undefined && hosts.every(isLoopbackAddress)) {
    findings.push({
      level: "problem",
      topic: "peers, fabric",
      text:
        `the seed ${outer} is on another machine, but peers are told a loopback address, which nobody there can dial`,
      advice:
        "set network.fabric.address and network.heartbeat.address to an address of this machine that peers reach",
    });
  }
  return findings;
}

/** With multicast nobody dials the heartbeat. */
function multicastFinding({ settings, ports }: DoctorInput): Finding {
  const { multicastGroups, addresses, port } = settings.network.heartbeat;
  const from = bindAddresses(addresses, ports.host).join(", ");
  const isLoopback = bindAddresses(addresses, ports.host).every(isLoopbackAddress);
  return {
    level: isLoopback ? "note" : "fine",
    topic: "peers, heartbeat",
    text:
      `pulses go to ${
        multicastGroups.map((host) => endpointText({ host, port })).join(", ")
      } from ${from}; ` +
      "no address is advertised",
    ...(isLoopback
      ? {
        advice:
          "only nodes on this machine hear them; for others set network.heartbeat.address to an outer address",
      }
      : {}),
  };
}

/** What a node that runs with these settings knows of its peers: nobody else can say whether they can dial it. */
export function checkLinks(
  input: Pick<DoctorInput, "settings">,
  links: string | undefined,
): Finding[] {
  if (links === undefined) return [];
  const topic = "peers, as the running node sees them";
  if (links === "") {
    const seeds = input.settings.network.heartbeat.meshSeedAddressPorts;
    const text = "it hears no other node";
    if (seeds.length === 0) return [{ level: "note", topic, text }];
    const advice = `check that a node listens at ${
      seeds.join(", ")
    }, has the same cluster-name, and that no firewall is between`;
    return [{ level: "problem", topic, text: `${text}, although there are seeds`, advice }];
  }
  return links.split(";").map((line) => {
    const values = new Map(line.split(":").map((pair) => pair.split("=") as [string, string]));
    const node = values.get("node");
    const isReached = values.get("reached") === "true";
    const reaches = values.get("reaches-this") === "true";
    if (isReached && reaches) {
      return { level: "fine", topic, text: `${node} can be dialled, and dials this node` };
    }
    const text = `${node} is heard, but ${
      isReached ? "can't dial this node's fabric" : "its fabric can't be dialled from here"
    }`;
    const advice = isReached
      ? "set network.fabric.address here to an address that it reaches, and let firewalls pass the port"
      : "set network.fabric.address there to an address that this machine reaches, and let firewalls pass the port";
    return { level: "problem", topic, text, advice };
  });
}

/** A list of advertised addresses. */
interface Advertised {
  endpoints: Endpoint[];
  topic: string;
  option: string;
  why: string;
  /** Port that the node listens on. */
  listens: number;
  /** What changes the list. */
  setting: string;
}

async function checkAdvertised(input: DoctorInput, advertised: Advertised): Promise<Finding[]> {
  const { endpoints, topic, why } = advertised;
  const list = endpoints.map(endpointText).join(", ");
  const findings: Finding[] = [{ level: "fine", topic, text: `advertised: ${list} (${why})` }];
  const interfaces = input.ports.host.interfaces();
  for (const endpoint of endpoints.slice(0, ATTEMPT_COUNT_MAX)) {
    findings.push(...await checkEndpoint(endpoint, advertised, { input, interfaces }));
  }
  return findings;
}

async function checkEndpoint(
  endpoint: Endpoint,
  { topic, setting, listens }: Advertised,
  { input, interfaces }: { input: DoctorInput; interfaces: InterfaceAddress[] },
): Promise<Finding[]> {
  const where = endpointText(endpoint);
  let addresses: string[];
  try {
    addresses = await resolveBounded(endpoint.host, input.ports);
  } catch (error) {
    return [{
      level: "problem",
      topic,
      text: (error as Error).message,
      advice: `set ${setting} to a name or address that others can resolve`,
    }];
  }
  const own = interfaces.filter((one) => addresses.includes(one.address) || one.address === endpoint.host);
  if (own.length === 0) {
    return [{
      level: "note",
      topic,
      text:
        `${where} is not an address of this machine, so it was not tried: something must forward it to port ${listens} here`,
    }];
  }
  const findings: Finding[] = [];
  if (endpoint.port === listens) findings.push(...await dial(endpoint, { topic, setting, input }));
  const [first] = own;
  if (first.loopback) {
    findings.push({
      level: "note",
      topic,
      text: `${where} is loopback: only programs on this machine can use it`,
      advice: setting.startsWith("network.service")
        ? "to open it to others, set network.service.address (or --bind) to an outer address"
        : `for a cluster over several machines, set ${setting} to an address that the others reach`,
    });
  } else if (INNER_INTERFACE.test(first.name)) {
    findings.push({
      level: "problem",
      topic,
      text:
        `${where} belongs to ${first.name}, a network inside this machine; others who try it will wait in vain`,
      advice: `set ${setting} to the address that others reach: ${outerAddresses(interfaces)}`,
    });
  }
  return findings;
}

function outerAddresses(interfaces: InterfaceAddress[]): string {
  const outer = interfaces.filter((one) =>
    !one.loopback && !INNER_INTERFACE.test(one.name) && !one.address.startsWith("fe80:")
  );
  return outer.map(({ address, name }) => `${address} (${name})`).join(", ") ||
    "this machine seems to have none";
}

async function dial(
  endpoint: Endpoint,
  { topic, setting, input }: { topic: string; setting: string; input: DoctorInput },
): Promise<Finding[]> {
  try {
    const connection = await input.ports.network.connect({ ...endpoint, timeoutMs: ATTEMPT_TIMEOUT_MS });
    connection.handler = { onData() {}, onWritten() {}, onClose() {} };
    connection.close();
    return [{ level: "fine", topic, text: `${endpointText(endpoint)} can be dialled from this machine` }];
  } catch (error) {
    return [{
      level: "problem",
      topic,
      text: `${endpointText(endpoint)} is advertised and can't be dialled even from here: ${
        (error as Error).message
      }`,
      advice: `make ${setting} agree with the address that is listened on, or let the firewall pass the port`,
    }];
  }
}

/** A numeric address is itself; a name is looked up, but not for ever. */
function resolveBounded(host: string, { host: machine, clock }: Ports): Promise<string[]> {
  if (/^[\d.]+$/.test(host) || host.includes(":")) return Promise.resolve([host]);
  return new Promise((resolve, reject) => {
    const timer = clock.after(
      4 * ATTEMPT_TIMEOUT_MS,
      () => reject(new Error(`Cannot resolve "${host}" in time`)),
    );
    machine.resolve(host).then(resolve, reject).finally(() => timer.cancel());
  });
}
