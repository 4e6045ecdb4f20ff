/**
 * Opens the connections that peers lack: control channels before others, a bounded number at once, with a growing wait
 * and jitter after failures.
 *
 * @module
 */

import { FABRIC_CONNECT_TIMEOUT_MS, FABRIC_DIAL_COUNT_MAX } from "../base/mod.ts";
import type { Connection, Ports, Timer } from "../port/mod.ts";
import type { PeerEndpoint } from "../wire/mod.ts";
import type { FabricLane, FabricPeer } from "./fabric_peer.ts";
import { FABRIC_CHANNEL_ORDER } from "./fabric_turns.ts";
import { endpointText } from "./heartbeat_endpoints.ts";
import { nodeIdForLog } from "./node_id.ts";

/** Longest wait before a lane's connections are counted again, whatever was expected. */
const TEND_MAX_MS = 1000;

/** Seconds between two log lines about the same peer. */
const LOG_REPEAT_MS = 10_000;

/** What the dialer needs. */
export interface FabricDialerHost {
  readonly ports: Pick<Ports, "clock" | "random" | "network" | "log">;
  /** All known peers. */
  peers(): Iterable<FabricPeer>;
  /** A connection to a lane's peer exists; the host counts the lane's dial as done once it is ready or closed. */
  onConnected(lane: FabricLane, connection: Connection): void;
  /**
   * No endpoint of a lane's peer could be connected to.
   *
   * @param isRefused all of them answered that nobody listens there
   */
  onFailed(lane: FabricLane, isRefused: boolean): void;
}

/** See the head of the file. */
export class FabricDialer {
  /** Connects that failed. */
  failedCount = 0;
  readonly #host: FabricDialerHost;
  #dialingCount = 0;
  #isScheduled = false;
  #isStopped = false;
  #timer: Timer | undefined;
  readonly #loggedMs = new Map<string, number>();

  constructor(host: FabricDialerHost) {
    this.#host = host;
  }

  /** Looks in a later turn whether something has to be dialled; called after anything that may change it. */
  tendSoon(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    this.#host.ports.clock.nextTurn(() => {
      this.#isScheduled = false;
      this.#tend();
    });
  }

  /** Dials no more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #tend(): void {
    if (this.#isStopped) return;
    const { clock } = this.#host.ports;
    const nowMs = clock.monotonicMs();
    let dueMs = Infinity;
    for (const channel of FABRIC_CHANNEL_ORDER) {
      for (const peer of this.#host.peers()) {
        const lane = peer.lanes[channel]!;
        let missing = lane.missingCount;
        if (missing > 0 && nowMs < lane.dialMs) dueMs = Math.min(dueMs, lane.dialMs);
        else for (; missing > 0 && this.#dialingCount < FABRIC_DIAL_COUNT_MAX; missing--) this.#start(lane);
      }
    }
    this.#timer?.cancel();
    this.#timer = undefined;
    if (dueMs === Infinity) return;
    const waitMs = Math.min(TEND_MAX_MS, Math.max(0, dueMs - nowMs));
    this.#timer = clock.after(waitMs, () => this.#tend());
  }

  #start(lane: FabricLane): void {
    const { endpoints, endpointAt } = lane.peer;
    const rest = endpoints.map((_, at) => endpoints[(endpointAt + at) % endpoints.length]!);
    lane.dialingCount++;
    this.#dialingCount++;
    this.#dial(lane, rest, true);
  }

  #dial(lane: FabricLane, rest: PeerEndpoint[], onlyRefused: boolean): void {
    const endpoint = rest.shift()!;
    const { network } = this.#host.ports;
    network.connect({ host: endpoint.address, port: endpoint.port, timeoutMs: FABRIC_CONNECT_TIMEOUT_MS })
      .then(
        (connection) => this.#onConnected(lane, endpoint, connection),
        (error) => this.#onError(lane, { rest, onlyRefused, endpoint, error }),
      );
  }

  #onConnected(lane: FabricLane, endpoint: PeerEndpoint, connection: Connection): void {
    this.#dialingCount--;
    const { peer } = lane;
    if (peer.isGone || this.#isStopped) {
      connection.handler = { onData() {}, onWritten() {}, onClose() {} };
      connection.close();
      return this.tendSoon();
    }
    peer.endpointAt = Math.max(0, peer.endpoints.indexOf(endpoint));
    this.#host.onConnected(lane, connection);
    this.tendSoon();
  }

  #onError(
    lane: FabricLane,
    failed: {
      readonly rest: PeerEndpoint[];
      readonly onlyRefused: boolean;
      readonly endpoint: PeerEndpoint;
      readonly error: unknown;
    },
  ): void {
    this.failedCount++;
    const { peer } = lane;
    const isRefused = failed.onlyRefused && (failed.error as { code?: string })?.code === "ECONNREFUSED";
    if (failed.rest.length > 0 && !peer.isGone && !this.#isStopped) {
      return this.#dial(lane, failed.rest, isRefused);
    }
    this.#dialingCount--;
    if (!peer.isGone) {
      this.failed(lane, isRefused);
      this.#log(peer, failed.endpoint, failed.error);
    }
    this.tendSoon();
  }

  /** A lane's connect came to nothing. */
  failed(lane: FabricLane, isRefused: boolean): void {
    const { clock, random } = this.#host.ports;
    lane.dialingCount--;
    lane.failureCount++;
    lane.backOff(clock.monotonicMs(), random.u32() / 0x1_0000_0000);
    this.#host.onFailed(lane, isRefused);
    this.tendSoon();
  }

  #log(peer: FabricPeer, endpoint: PeerEndpoint, error: unknown): void {
    const { clock, log } = this.#host.ports;
    const nowMs = clock.monotonicMs();
    const lastMs = this.#loggedMs.get(peer.node);
    if (lastMs !== undefined && nowMs - lastMs < LOG_REPEAT_MS) return;
    if (this.#loggedMs.size > 1024) this.#loggedMs.clear();
    this.#loggedMs.set(peer.node, nowMs);
    const reason = error instanceof Error ? error.message : String(error);
    log.write(
      "warning",
      "fabric",
      `could not create fabric connection to node ${nodeIdForLog(peer.node)} at ${
        endpointText(endpoint)
      }: ${reason}; check fabric.address and firewalls of both`,
    );
  }
}
