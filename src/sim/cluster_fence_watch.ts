/**
 * Whether a node asks itself, before it does anything for a client, if the others may have gone on without it:
 *
 * | when | what |
 * | ---- | ---- |
 * | it stood still for longer than the node timeout | it is in another cluster by now, or a majority of the one that it knew was in that one still when it woke |
 * | half of a cluster or more was in another one, and others may have committed it: the node is ready to, or has | its tables follow that cluster |
 *
 * Looked at whenever bytes of a client are about to be run, and when a record is changed for a client, also one of another
 * node. Most of what such a node says is what it should say; that it may say it at all is the fault.
 *
 * @module
 */
import type { AerieNode } from "../node/mod.ts";
import type { ClusterMember } from "./cluster_members.ts";

/** See the head of the file. */
export class FenceWatch {
  readonly #members: readonly ClusterMember[];
  readonly #seen = new Map<ClusterMember, { node: AerieNode; clusterKey: number }>();
  /** When nodes left clusters, in microseconds, by node and key. */
  readonly #leftUs = new Map<string, number>();

  /** @param members the nodes */
  constructor(members: readonly ClusterMember[]) {
    this.#members = members;
  }

  /** Looks at a node after an event of its process; listens to it from then on. */
  watch(member: ClusterMember): void {
    const node = member.node!;
    const { clusterKey } = node.cluster;
    const seen = this.#seen.get(member);
    if (seen?.node !== node) {
      this.#seen.set(member, { node, clusterKey });
      this.#listen(member, node);
    } else if (seen.clusterKey !== clusterKey) {
      this.#leftUs.set(nameOf(member, seen.clusterKey), member.machine.world.simulation.nowUs);
      seen.clusterKey = clusterKey;
    }
  }

  #listen(member: ClusterMember, { dispatcher }: AerieNode): void {
    const holdsClients = dispatcher.holdsClients.bind(dispatcher);
    dispatcher.holdsClients = (nowMs) => {
      const isHeld = holdsClients(nowMs);
      if (!isHeld) this.#check(member, "answers clients");
      return isHeld;
    };
    member.store.changes.subscribe(({ origin }) => {
      if (origin === "client") this.#check(member, "changes a record for a client");
    });
  }

  #check(member: ClusterMember, what: string): void {
    const found = this.#whyNot(member);
    if (found === undefined) return;
    member.machine.world.simulation.fail(new Error(`${member.id} ${what}, though ${found}`));
  }

  /** Why a node should let its clients wait; undefined when it need not. */
  #whyNot(member: ClusterMember): string | undefined {
    const { cluster } = member.node!;
    // So it is as long as an exchange is not followed yet.
    if (!cluster.migrationsAllowed && isMerging(member)) {
      return "half of its new cluster or more was in another one, which its tables do not follow yet";
    }
    const { sleep, node } = member;
    if (sleep === undefined || cluster.committed === undefined || cluster.committed !== sleep.committed) {
      return;
    }
    const { interval, timeout } = node!.settings.network.heartbeat;
    const sleptMs = (sleep.untilUs - sleep.fromUs) / 1000;
    if (sleptMs <= interval * timeout) return;
    const { succession, self } = cluster;
    const agreeing = succession.filter((id) => id === self || this.#wasIn(id, member)).length;
    if (agreeing * 2 > succession.length) return;
    return `it stood still for ${sleptMs} ms, and ${
      succession.length - agreeing
    } of ${succession.length} had left ` +
      `cluster ${cluster.key} before it went on`;
  }

  /** Whether another node was in the same cluster still when this one went on. */
  #wasIn(id: string, { node, sleep }: ClusterMember): boolean {
    const { clusterKey } = node!.cluster;
    const other = this.#members.find((one) => this.#seen.get(one)?.node.cluster.self === id);
    if (other === undefined) return false;
    if (other.isUp && other.node!.cluster.clusterKey === clusterKey) return true;
    const leftUs = Math.max(this.#leftUs.get(nameOf(other, clusterKey)) ?? -1, other.endedUs);
    return leftUs >= sleep!.untilUs;
  }
}

function nameOf({ id }: ClusterMember, clusterKey: number): string {
  return `${id} ${clusterKey}`;
}

/** Whether others may follow an exchange that this node does not follow yet, with half of its members or more from elsewhere. */
function isMerging({ node }: ClusterMember): boolean {
  const { cluster } = node!;
  const { exchange, clustering, committed } = cluster;
  const mayBeCommitted = exchange.state === "rest" || exchange.state === "ready-to-commit";
  if (committed === undefined || !mayBeCommitted) return false;
  if (exchange.clusterKey === committed.clusterKey || exchange.clusterKey !== clustering.clusterKey) {
    return false;
  }
  const others = clustering.succession.filter((id) => !committed.succession.includes(id));
  return others.length * 2 >= clustering.succession.length;
}
