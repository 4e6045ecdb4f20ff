/**
 * Open mesh connections, and which of several between the same two nodes survives.
 *
 * Both ends must come to the same answer without talking about it:
 *
 * | connections | who decides | survivor |
 * | ----------- | ----------- | -------- |
 * | of both directions | both ends | those whose accepting side has the larger node id |
 * | several, accepted here | this end alone | one that won within the grace, else the newest |
 * | several, accepted there | the other end | as it says |
 * | to different incarnations | nobody | all: a dead process's connection ends by itself, and two processes with one id must not push each other out for ever |
 *
 * The stock server picks by the parity of its clock when the accepting side is the same, so that the two ends may
 * close different ones and lose both. Here the accepting end alone decides; the newest wins because an older one may
 * be a connection that only this side still believes in. Source: clustering reference, section 5.10.
 *
 * @module
 */

import type { PeerEndpoint } from "../wire/mod.ts";
import type { ConnectionId } from "./heartbeat_types.ts";
import type { NodeId } from "./node_id.ts";
import type { SeedTarget } from "./seeds.ts";

/** Whom a connect was meant for. */
export type DialPurpose =
  | { readonly kind: "peer"; readonly node: NodeId }
  | { readonly kind: "seed"; readonly target: SeedTarget };

/** An open connection. */
export interface MeshConnection {
  readonly id: ConnectionId;
  readonly direction: "inbound" | "outbound";
  /** Address and port of the other side. */
  readonly remote: string;
  /** Whom it was dialled for; until the first message. */
  purpose: DialPurpose | undefined;
  /** Who is at the other end; undefined until its first message. */
  node: NodeId | undefined;
  /** Of the process at the other end, when known. */
  incarnation: string | undefined;
  /** Where that process says that its heartbeat listens. */
  endpoints: readonly PeerEndpoint[];
  /** Monotonic time of the opening or the last valid message. */
  receivedMs: number;
  /** Safe from later duplicates until then. */
  wonUntilMs: number;
  /** Start of the interval in which messages are counted. */
  windowMs: number;
  /** Messages in it. */
  messageCount: number;
  /** Info requests answered in it. */
  replyCount: number;
  /** When endpoints were last asked for here. */
  askedMs: number;
}

/** Connections that this end leaves to the other's decision; the oldest goes when there are more. */
const UNDECIDED_COUNT_MAX = 3;

/** What decides between connections. */
export interface DuplicateContext {
  readonly self: NodeId;
  readonly node: NodeId;
  readonly nowMs: number;
  readonly graceMs: number;
}

/**
 * Which connections to the same process have to go. The survivor of a contest is marked.
 *
 * @param connections all that are bound to a node and one incarnation
 */
export function findLosers(
  connections: readonly MeshConnection[],
  context: DuplicateContext,
): MeshConnection[] {
  if (connections.length < 2) return [];
  const { self, node, nowMs, graceMs } = context;
  const inbound = connections.filter((one) => one.direction === "inbound");
  const outbound = connections.filter((one) => one.direction === "outbound");
  const losers: MeshConnection[] = [];
  let kept = inbound.length === 0 ? outbound : inbound;
  if (inbound.length > 0 && outbound.length > 0) {
    kept = self > node ? inbound : outbound;
    losers.push(...(self > node ? outbound : inbound));
  }
  const newestFirst = [...kept].sort((a, b) => b.id - a.id);
  if (kept === outbound) {
    losers.push(...newestFirst.slice(UNDECIDED_COUNT_MAX));
    return losers;
  }
  const winner = newestFirst.find((one) => one.wonUntilMs > nowMs) ?? newestFirst[0]!;
  winner.wonUntilMs = nowMs + graceMs;
  return [...losers, ...kept.filter((one) => one !== winner)];
}
