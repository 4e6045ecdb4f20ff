/**
 * One node of the cluster as the client knows it.
 *
 * @module
 */

import type { Peer } from "./cluster_info.ts";
import { infoValue, requestInfo } from "./info_request.ts";
import type { PartitionOwner } from "./partition_map.ts";
import { ConnectionPool, type PoolParts } from "./pool.ts";

/** A node: its id, its connections, and what it last said about the cluster. */
export class ClientNode implements PartitionOwner {
  /** Node id in upper-case hexadecimal. */
  readonly name: string;
  /** Version, four numbers. */
  readonly build: readonly number[];
  /** Connections for requests. */
  readonly pool: ConnectionPool;
  /** False once the node has left the cluster. */
  active = true;
  /** Tends that failed in a row. */
  failureCount = 0;
  /** Whether a tend is under way. */
  tending = false;
  /** Last `peers-generation`; -1 before the first. */
  peersGeneration = -1;
  /** `partition-generation` of the replicas that were fetched last; -1 before the first. */
  partitionGeneration = -1;
  /** Nodes that it lists. */
  peers: readonly Peer[] = [];
  readonly #tendPool: ConnectionPool;
  readonly #parts: PoolParts;

  /**
   * @param identity what the node said about itself
   * @param parts ports, address and limits; `tendPool` is the connection that asked
   */
  constructor(
    identity: { name: string; build: readonly number[] },
    parts: PoolParts & { tendPool: ConnectionPool },
  ) {
    this.name = identity.name;
    this.build = identity.build;
    this.#parts = parts;
    this.#tendPool = parts.tendPool;
    this.#tendPool.name = identity.name;
    this.pool = new ConnectionPool(parts);
    this.pool.name = identity.name;
  }

  /** Where it was reached, for people. */
  get addressText(): string {
    const { host, port } = this.#parts.address;
    return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  }

  /**
   * Asks info commands on the connection that is kept for tending.
   *
   * @returns values in the order of the commands; error answers stay as they are
   */
  tendInfo(commands: readonly string[], timeoutMs: number): Promise<string[]> {
    return requestInfo(this.#tendPool, commands, { clock: this.#parts.clock, timeoutMs });
  }

  /**
   * Asks info commands on one of the connections for requests.
   *
   * @returns values in the order of the commands
   * @throws {ServerError} when an answer is an error
   */
  async info(commands: readonly string[], timeoutMs: number): Promise<string[]> {
    const values = await requestInfo(this.pool, commands, { clock: this.#parts.clock, timeoutMs });
    return values.map((value) => infoValue(value, this.name));
  }

  /** Marks the node as gone and closes its connections. */
  leave(): void {
    this.active = false;
    this.#tendPool.close();
    this.pool.close();
  }

  /** Closes connections that have been idle for too long. */
  trim(): void {
    this.pool.trim();
  }
}
