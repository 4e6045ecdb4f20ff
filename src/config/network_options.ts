/**
 * Options of the `network` contexts.
 *
 * @module
 */
import {
  bool,
  COUNT_MAX,
  defineNames,
  defineOptions,
  int,
  KIB,
  list,
  MIB,
  ms,
  oneOf,
  type OptionTable,
  port,
  size,
  text,
} from "./option.ts";

/** The word that leaves a listener out, and the number that stands for it until the settings are complete. */
const LISTENER_OFF = { off: -1 } as const;

/** The listener that clients use. */
export interface ServiceListenerSettings {
  /** Listen port. */
  port: number;
  /** Listen address: IP, interface, any, local; none = any. */
  addresses: string[];
  /** Port published. */
  accessPort: number;
  /** Address published to clients (defaults to listen addresses). */
  accessAddresses: string[];
  /** Port of the second set. */
  alternateAccessPort: number;
  /** Second published set. */
  alternateAccessAddresses: string[];
  /** TLS listen port. */
  tlsPort: number;
  /** TLS listen address. */
  tlsAddresses: string[];
  /** TLS published port. */
  tlsAccessPort: number;
  /** TLS published address. */
  tlsAccessAddresses: string[];
  /** TLS second port. */
  tlsAlternateAccessPort: number;
  /** TLS second set. */
  tlsAlternateAccessAddresses: string[];
  /** Name of the tls block to use; may be <hostname> or <cluster-name>. */
  tlsName: string;
  /** Any, false, or accepted certificate names. */
  tlsAuthenticateClient: "any" | "false";
  /** Do not also listen on loopback. */
  disableLocalhost: boolean;
}

/** Rows of `network.service`. */
export const serviceListenerOptions: OptionTable = defineOptions<ServiceListenerSettings>({
  port: port(3000, { doc: "listen port" }),
  addresses: list({ name: "address", doc: "listen address: IP, interface, any, local; none = any" }),
  accessPort: port(0, { doc: "port published" }),
  accessAddresses: list({
    name: "access-address",
    doc: "address published to clients (defaults to listen addresses)",
  }),
  alternateAccessPort: port(0, { doc: "port of the second set" }),
  alternateAccessAddresses: list({ name: "alternate-access-address", doc: "second published set" }),
  tlsPort: port(0, { status: "unsupported", doc: "TLS listen port" }),
  tlsAddresses: list({ name: "tls-address", status: "unsupported", doc: "TLS listen address" }),
  tlsAccessPort: port(0, { status: "unsupported", doc: "TLS published port" }),
  tlsAccessAddresses: list({
    name: "tls-access-address",
    status: "unsupported",
    doc: "TLS published address",
  }),
  tlsAlternateAccessPort: port(0, { status: "unsupported", doc: "TLS second port" }),
  tlsAlternateAccessAddresses: list({
    name: "tls-alternate-access-address",
    status: "unsupported",
    doc: "TLS second set",
  }),
  tlsName: text("", {
    status: "unsupported",
    doc: "name of the tls block to use; may be <hostname> or <cluster-name>",
  }),
  tlsAuthenticateClient: oneOf(["any", "false"], "any", {
    status: "unsupported",
    doc: "any, false, or accepted certificate names",
  }),
  disableLocalhost: bool(false, { doc: "do not also listen on loopback" }),
});

/** The listener for administrators: info and security commands only. */
export interface AdminListenerSettings {
  /** Listen port. */
  port: number;
  /** Listen address: IP, interface, any, local; none = any. */
  addresses: string[];
  /** TLS listen port. */
  tlsPort: number;
  /** TLS listen address. */
  tlsAddresses: string[];
  /** Name of the tls block to use; may be <hostname> or <cluster-name>. */
  tlsName: string;
  /** Any, false, or accepted certificate names. */
  tlsAuthenticateClient: "any" | "false";
  /** Do not also listen on loopback. */
  disableLocalhost: boolean;
}

/** Rows of `network.admin`. */
export const adminListenerOptions: OptionTable = defineOptions<AdminListenerSettings>({
  port: port(3008, { doc: "listen port" }),
  addresses: list({ name: "address", doc: "listen address: IP, interface, any, local; none = any" }),
  tlsPort: port(0, { status: "unsupported", doc: "TLS listen port" }),
  tlsAddresses: list({ name: "tls-address", status: "unsupported", doc: "TLS listen address" }),
  tlsName: text("", {
    status: "unsupported",
    doc: "name of the tls block to use; may be <hostname> or <cluster-name>",
  }),
  tlsAuthenticateClient: oneOf(["any", "false"], "any", {
    status: "unsupported",
    doc: "any, false, or accepted certificate names",
  }),
  disableLocalhost: bool(false, { doc: "do not also listen on loopback" }),
});

/** How nodes find each other. */
export interface HeartbeatSettings {
  /** How nodes find each other. */
  mode: "mesh" | "multicast";
  /** Listen address: IP, interface, any, local. */
  addresses: string[];
  /** Listen port. */
  port: number;
  /** Time between two pulses. */
  interval: number;
  /** Missed pulses before expiry. */
  timeout: number;
  /** TCP connect budget. */
  connectTimeoutMs: number;
  /** Host port of a peer. */
  meshSeedAddressPorts: string[];
  /** 0 = ask the interface. */
  mtu: number;
  /** Group address. */
  multicastGroups: string[];
  /** 0 = OS default. */
  multicastTtl: number;
  /** V3 or none; reset only dynamically. */
  protocol: "none" | "v3";
  /** TLS listen address. */
  tlsAddresses: string[];
  /** TLS peer. */
  tlsMeshSeedAddressPorts: string[];
  /** Name of the tls block to use; may be <hostname> or <cluster-name>. */
  tlsName: string;
  /** TLS listen port. */
  tlsPort: number;
}

/** Rows of `network.heartbeat`. */
export const heartbeatOptions: OptionTable = defineOptions<HeartbeatSettings>({
  mode: oneOf(["mesh", "multicast"], "mesh", { doc: "how nodes find each other" }),
  addresses: list({
    name: "address",
    doc: "listen address: IP, interface, any, local; with multicast, the interfaces to use",
  }),
  port: port(3002, { doc: "listen port" }),
  interval: ms(150, {
    dynamic: true,
    range: [50, 600_000],
    doc: "time between two pulses",
  }),
  timeout: int(10, {
    dynamic: true,
    range: [3, COUNT_MAX],
    doc: "missed pulses before expiry",
  }),
  connectTimeoutMs: ms(500, {
    dynamic: true,
    range: [50, COUNT_MAX],
    doc: "TCP connect budget",
  }),
  meshSeedAddressPorts: list({
    name: "mesh-seed-address-port",
    wordsMax: 2,
    doc: "host port of a peer",
  }),
  mtu: int(0, { dynamic: true, doc: "0 = 1500; larger pulses are sent compressed" }),
  multicastGroups: list({ name: "multicast-group", doc: "group address, with mode multicast" }),
  multicastTtl: int(0, {
    range: [0, 255],
    doc: "routers that a multicast datagram may pass; 0 = OS default, which is none",
  }),
  protocol: oneOf(["none", "v3"], "v3", {
    dynamic: true,
    doc: "v3 or none; reset only dynamically",
  }),
  tlsAddresses: list({ name: "tls-address", status: "unsupported", doc: "TLS listen address" }),
  tlsMeshSeedAddressPorts: list({
    name: "tls-mesh-seed-address-port",
    status: "unsupported",
    wordsMax: 3,
    doc: "TLS peer",
  }),
  tlsName: text("", {
    status: "unsupported",
    doc: "name of the tls block to use; may be <hostname> or <cluster-name>",
  }),
  tlsPort: port(0, { status: "unsupported", doc: "TLS listen port" }),
});

/** How nodes talk to each other. */
export interface FabricSettings {
  /** Listen address: IP, interface, any, local. */
  addresses: string[];
  /** Listen port. */
  port: number;
  /** TLS listen port. */
  tlsPort: number;
  /** TLS listen address. */
  tlsAddresses: string[];
  /** Name of the tls block to use; may be <hostname> or <cluster-name>. */
  tlsName: string;
  /** Connections per peer, bulk. */
  channelBulkFds: number;
  /** Receive threads, bulk. */
  channelBulkRecvThreads: number;
  /** Connections per peer, control. */
  channelCtrlFds: number;
  /** Receive threads, control. */
  channelCtrlRecvThreads: number;
  /** Connections per peer, metadata. */
  channelMetaFds: number;
  /** Receive threads, metadata. */
  channelMetaRecvThreads: number;
  /** Connections per peer, read/write. */
  channelRwFds: number;
  /** Receive pools. */
  channelRwRecvPools: number;
  /** Receive threads, read/write. */
  channelRwRecvThreads: number;
  /** TCP keepalive. */
  keepaliveEnabled: boolean;
  /** Seconds. */
  keepaliveIntvl: number;
  /** Tries. */
  keepaliveProbes: number;
  /** Seconds. */
  keepaliveTime: number;
  /** Assumed one-way latency. */
  latencyMaxMs: number;
  /** Bytes. */
  recvRearmThreshold: number;
  /** Send threads. */
  sendThreads: number;
}

/** Rows of `network.fabric`. */
export const fabricOptions: OptionTable = defineOptions<FabricSettings>({
  addresses: list({
    name: "address",
    doc: "listen address: IP, interface, any, local",
  }),
  port: port(3001, { doc: "listen port" }),
  tlsPort: port(0, { status: "unsupported", doc: "TLS listen port" }),
  tlsAddresses: list({ name: "tls-address", status: "unsupported", doc: "TLS listen address" }),
  tlsName: text("", {
    status: "unsupported",
    doc: "name of the tls block to use; may be <hostname> or <cluster-name>",
  }),
  channelBulkFds: int(2, {
    range: [1, 128],
    doc: "connections per peer, bulk",
  }),
  channelBulkRecvThreads: int(4, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 128],
    doc: "receive threads, bulk",
  }),
  channelCtrlFds: int(1, {
    range: [1, 128],
    doc: "connections per peer, control",
  }),
  channelCtrlRecvThreads: int(4, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 128],
    doc: "receive threads, control",
  }),
  channelMetaFds: int(1, {
    range: [1, 128],
    doc: "connections per peer, metadata",
  }),
  channelMetaRecvThreads: int(4, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 128],
    doc: "receive threads, metadata",
  }),
  channelRwFds: int(8, {
    range: [1, 128],
    doc: "connections per peer, read/write",
  }),
  channelRwRecvPools: int(1, { status: "accepted", quiet: true, range: [1, 16], doc: "receive pools" }),
  channelRwRecvThreads: int(16, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 128],
    doc: "receive threads, read/write",
  }),
  keepaliveEnabled: bool(true, { status: "accepted", quiet: true, doc: "TCP keepalive" }),
  keepaliveIntvl: int(1, { status: "accepted", quiet: true, range: [1, COUNT_MAX], doc: "seconds" }),
  keepaliveProbes: int(10, { status: "accepted", quiet: true, range: [1, COUNT_MAX], doc: "tries" }),
  keepaliveTime: int(1, { status: "accepted", quiet: true, range: [1, COUNT_MAX], doc: "seconds" }),
  latencyMaxMs: ms(5, { range: [0, 1000], doc: "assumed one-way latency" }),
  recvRearmThreshold: size(KIB, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [0, MIB],
    doc: "bytes",
  }),
  sendThreads: int(8, { status: "accepted", quiet: true, range: [1, 128], doc: "send threads" }),
});

/** Rows of `network.tls NAME`. */
export const tlsOptions: OptionTable = defineNames({
  caFile: text("", { status: "unsupported", doc: "trusted CA file" }),
  caPath: text("", { status: "unsupported", doc: "trusted CA directory" }),
  certBlacklist: text("", { status: "unsupported", doc: "revoked serial numbers file" }),
  certFile: text("", { status: "unsupported", doc: "own certificate" }),
  cipherSuite: text("", { wordsMax: 3, status: "unsupported", doc: "cipher list" }),
  keyFile: text("", { secret: true, status: "unsupported", doc: "own key; file, env:, vault:, secrets:" }),
  keyFilePassword: text("", { secret: true, status: "unsupported", doc: "key password source" }),
  pkiUserAppendOu: bool(false, { status: "unsupported", doc: "add OU to the PKI user name (since 8.1)" }),
  protocols: text("TLSv1.2", {
    wordsMax: 3,
    status: "unsupported",
    doc: "allowed versions, for example -all +TLSv1.2 +TLSv1.3",
  }),
});

/** The plain and binary info listener. */
export interface InfoListenerSettings {
  /** Listen port. */
  port: number;
  /** Listen addresses; none means loopback. */
  addresses: string[];
}

/** Rows of `network.info`. */
export const infoListenerOptions: OptionTable = defineOptions<InfoListenerSettings>({
  port: port(3003, { words: LISTENER_OFF, doc: "listen port; off = no such listener" }),
  addresses: list({ name: "address", doc: "listen address: IP, interface, any, local; none = local" }),
});

/** The HTTP listener. */
export interface HttpListenerSettings {
  /** Listen port. */
  port: number;
  /** Listen addresses; none means loopback. */
  addresses: string[];
}

/** Rows of `network.http`. */
export const httpListenerOptions: OptionTable = defineOptions<HttpListenerSettings>({
  port: port(8081, { range: [1, 65535], words: LISTENER_OFF, doc: "listen port; off = no HTTP" }),
  addresses: list({ name: "address", doc: "listen address: IP, interface, any, local; none = local" }),
});
