import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CAPABILITY, type ExchangeResult, type NodeId, type PeerLink } from "../../cluster/mod.ts";
import { TestClock } from "../../storage/testing.ts";
import type { EvidenceMessage } from "../../wire/mod.ts";
import { DeathWatch } from "./death_watch.ts";

const NODES: readonly NodeId[] = ["c", "b", "a"].map((letter) => `000000000000000${letter}`);
const INCARNATION = "1111111111111111";

/** Watches of some nodes that reach each other at once. */
class Watches {
  readonly clock = new TestClock();
  readonly deaths: string[] = [];
  /** Since when the last one that was buried could not be reached. */
  sinceMs = 0;
  readonly links = new Map<string, PeerLink>();
  readonly watches = new Map<NodeId, DeathWatch>();
  sentCount = 0;
  readonly #buried = new Set<string>();
  capabilities = CAPABILITY.FAST_DEATH as number;

  constructor(members: readonly NodeId[] = NODES) {
    for (const self of members) {
      this.watches.set(
        self,
        new DeathWatch({
          self,
          clock: this.clock,
          log: { enabled: () => false, write() {} },
          send: (to, message) => this.#send(self, to, message),
          fabricLink: (node) => this.links.get(`${self} ${node}`),
          incarnation: (node) => this.#buried.has(`${self} ${node}`) ? undefined : INCARNATION,
          cluster: () => this.#cluster(members),
          onDeath: (node, sinceMs) => {
            this.sinceMs = sinceMs;
            this.deaths.push(`${self.slice(-1)} buries ${node.slice(-1)}`);
            this.#buried.add(`${self} ${node}`);
            this.watches.get(self)!.departed(node);
          },
        }),
      );
    }
  }

  /** What both services of `self` say about `node`. */
  link(self: NodeId, node: NodeId, link: PeerLink): void {
    this.links.set(`${self} ${node}`, link);
    this.watches.get(self)!.onHeartbeatLink(node, link);
    this.watches.get(self)!.onFabricLink(node);
    this.clock.advance(1);
  }

  #send(from: NodeId, to: NodeId, message: EvidenceMessage): void {
    this.sentCount++;
    this.clock.nextTurn(() => this.watches.get(to)?.receive(from, message));
  }

  #cluster(members: readonly NodeId[]): ExchangeResult {
    return {
      succession: members,
      members: members.map((node) => ({ node, capabilities: this.capabilities })),
    } as unknown as ExchangeResult;
  }
}

const [C, B, A] = NODES as [NodeId, NodeId, NodeId];

describe("DeathWatch", () => {
  it("buries a member when a majority of the others is refused", () => {
    const watches = new Watches();
    watches.link(A, C, "refused");
    assertEquals(watches.deaths, []);
    watches.link(B, C, "refused");
    assertEquals(watches.deaths.sort(), ["a buries c", "b buries c"]);
  });

  it("does not bury a member that another one reaches, however often it is asked", () => {
    const watches = new Watches();
    watches.link(B, C, "up");
    watches.link(A, C, "refused");
    watches.clock.advance(1000);
    assertEquals(watches.deaths, []);
    assertEquals(watches.watches.get(A)!.suspects, [C]);
    watches.link(A, C, "up");
    watches.clock.advance(200);
    assertEquals([A, B].flatMap((node) => watches.watches.get(node)!.suspects), []);
    const { sentCount } = watches;
    watches.clock.advance(1000);
    assertEquals(watches.sentCount, sentCount);
  });

  it("buries the other of two by its own evidence", () => {
    const watches = new Watches([B, A]);
    watches.link(A, B, "lost");
    assertEquals(watches.deaths, []);
    watches.link(A, B, "restarted");
    assertEquals(watches.deaths, ["a buries b"]);
  });

  it("tells since when the connections have been lost, the last time", () => {
    const watches = new Watches([B, A]);
    watches.link(A, B, "lost");
    watches.link(A, B, "up");
    watches.clock.advance(500);
    const lostMs = watches.clock.monotonicMs();
    watches.link(A, B, "lost");
    watches.clock.advance(40);
    watches.link(A, B, "refused");
    assertEquals([watches.deaths, watches.sinceMs], [["a buries b"], lostMs]);
  });

  it("leaves members without the capability to the heartbeat", () => {
    const watches = new Watches();
    watches.capabilities = 0;
    watches.link(A, C, "refused");
    watches.link(B, C, "refused");
    assertEquals(watches.deaths, []);
    assertEquals(watches.sentCount, 0);
  });
});
