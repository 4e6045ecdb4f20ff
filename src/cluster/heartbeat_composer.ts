/**
 * Writes the messages of one node, and reads what concerns several parts from those of others.
 *
 * @module
 */

import type {
  ClusteringPayload as WirePayload,
  HeartbeatInfoReply,
  HeartbeatInfoRequest,
  HeartbeatMessage,
  HeartbeatPulse,
  PeerEndpoint,
} from "../wire/mod.ts";
import type { ClusteringPayload } from "./clustering_types.ts";
import { type HeartbeatSettings, multicastNodeCountMax } from "./heartbeat_timing.ts";
import type { HeartbeatIdentity } from "./heartbeat_types.ts";
import { hlcFromText, hlcToText, type HybridClock } from "./hlc.ts";
import type { MeshSender } from "./mesh_types.ts";
import type { NodeId } from "./node_id.ts";

/** What a node says about itself; its parts change while it runs. */
export interface HeartbeatFace {
  /** Cluster name, mode, MTU. */
  settings: HeartbeatSettings;
  /** Where the heartbeat listens. */
  endpoints: readonly PeerEndpoint[];
  /** Where the fabric listens. */
  fabricEndpoints: readonly PeerEndpoint[];
  /** The cluster that the node is in. */
  payload: ClusteringPayload;
}

const ENDPOINT_IPV4_SIZE_BYTES = 8;
const ENDPOINT_IPV6_SIZE_BYTES = 20;

/** Composes messages; each takes a new time of the hybrid clock. */
export class HeartbeatComposer {
  readonly #identity: HeartbeatIdentity;
  readonly #clock: HybridClock;
  readonly #face: Readonly<HeartbeatFace>;

  /** @param face read anew for each message */
  constructor(identity: HeartbeatIdentity, clock: HybridClock, face: Readonly<HeartbeatFace>) {
    this.#identity = identity;
    this.#clock = clock;
    this.#face = face;
  }

  /**
   * A pulse.
   *
   * @param adjacency nodes that this node hears
   * @param wallMs wall clock
   */
  pulse(adjacency: readonly NodeId[], wallMs: number): HeartbeatPulse {
    const { capabilities, incarnation } = this.#identity;
    const { settings, fabricEndpoints, payload } = this.#face;
    return {
      ...this.#common(),
      kind: "pulse",
      clusterName: settings.clusterName,
      fabricEndpoints,
      adjacency,
      clustering: { ...payload, sequenceNumber: hlcToText(payload.sequenceNumber) },
      physicalTimeMs: Math.floor(wallMs),
      capabilities,
      incarnation,
    };
  }

  /** Asks for the endpoints of nodes. */
  infoRequest(nodes: readonly NodeId[]): HeartbeatInfoRequest {
    return { ...this.#common(), kind: "info-request", nodes };
  }

  /** Tells the endpoints of nodes. */
  infoReply(nodes: HeartbeatInfoReply["nodes"]): HeartbeatInfoReply {
    return { ...this.#common(), kind: "info-reply", nodes };
  }

  /** What to write into the log when pulses of so many nodes don't fit into a datagram; undefined when they do. */
  mtuBreach(nodeCount: number): string | undefined {
    const { settings: { mtuBytes, clusterName }, fabricEndpoints } = this.#face;
    const nodeCountMax = multicastNodeCountMax(mtuBytes, {
      nameSizeBytes: clusterName.length,
      endpointsSizeBytes: fabricEndpoints.reduce(
        (sum, { address }) =>
          sum + (address.includes(":") ? ENDPOINT_IPV6_SIZE_BYTES : ENDPOINT_IPV4_SIZE_BYTES),
        1,
      ),
    });
    if (nodeCount <= nodeCountMax) return undefined;
    return `mtu breach: pulses of ${nodeCount} nodes need more than one datagram of ${mtuBytes} bytes, enough for ${nodeCountMax}; raise heartbeat.mtu or use mesh`;
  }

  #common() {
    return {
      type: "heartbeat",
      source: this.#identity.node,
      timestamp: hlcToText(this.#clock.now()),
      ...(this.#face.settings.mode === "mesh" ? { endpoints: this.#face.endpoints } : {}),
    } as const;
  }
}

/** Who sent a message. */
export function senderOf(message: HeartbeatMessage): MeshSender {
  const { source: node, endpoints = [] } = message;
  return { node, endpoints, incarnation: message.kind === "pulse" ? message.incarnation : undefined };
}

/** A payload with its hybrid time as a number. */
export function payloadFromWire(payload: WirePayload): ClusteringPayload {
  return { ...payload, sequenceNumber: hlcFromText(payload.sequenceNumber) };
}
