/**
 * A node that is left behind in an epoch without a split: nobody hears it, clients neither, until all others have gone on
 * without it; one that still took it for a member would send requests on to it. It comes back with what it had, in a
 * cluster of its own, so that copies are merged while clients work. They reach it again only when it is in the cluster of
 * the others: what it does alone nobody asked it for.
 *
 * @module
 */
import type { ClusterMember, ClusterMembers } from "./cluster_members.ts";
import type { NodeId } from "../wire/mod.ts";
import { EventKind } from "./simulation.ts";
import type { SimMachine, SimWorld } from "./world.ts";

/** How often it is looked whether the others have gone on, and whether the node is in their cluster again. */
const BACK_LOOK_MS = 10;

/** One such node at a time; see the head of the file. */
export class LeftBehind {
  readonly #world: SimWorld;
  readonly #members: ClusterMembers;
  readonly #clients: readonly SimMachine[];
  #member: ClusterMember | undefined;
  #isAway = false;
  #self: NodeId = "" as NodeId;

  constructor(parts: { world: SimWorld; members: ClusterMembers; clients: readonly SimMachine[] }) {
    this.#world = parts.world;
    this.#members = parts.members;
    this.#clients = parts.clients;
  }

  /** Whether a node is away, or not yet back: longer than it is planned, until the others have gone on. */
  get isAny(): boolean {
    return this.#member !== undefined;
  }

  /** Whether what lies between two machines is not to be mended by anybody else. */
  holds(left: SimMachine, right: SimMachine): boolean {
    const machine = this.#member?.machine;
    if (machine === undefined || (left !== machine && right !== machine)) return false;
    return this.#isAway || this.#clients.includes(left) || this.#clients.includes(right);
  }

  /** Nobody hears a node from now on. */
  begin(member: ClusterMember): void {
    this.#member = member;
    this.#isAway = true;
    this.#self = member.node!.cluster.self;
    member.isCutOff = true;
    for (const machine of [...this.#peersOf(member), ...this.#clients]) {
      this.#world.network.block(member.machine, machine);
    }
  }

  /** The other nodes hear it again once they have gone on without it; clients do when it is in their cluster. */
  reunite(): void {
    const member = this.#member;
    if (member === undefined) return;
    this.#when(() => !this.#isMissed(), () => {
      this.#isAway = false;
      for (const machine of this.#peersOf(member)) this.#world.network.unblock(member.machine, machine);
      this.#when(() => this.#isBack(member), () => {
        this.#member = undefined;
        member.isCutOff = false;
        for (const machine of this.#clients) this.#world.network.unblock(member.machine, machine);
      });
    });
  }

  #when(isSo: () => boolean, then: () => void): void {
    if (isSo()) return then();
    const look = () => this.#when(isSo, then);
    this.#world.simulation.schedule(BACK_LOOK_MS * 1000, EventKind.FAULT, undefined, look);
  }

  /** Whether another node still takes it for a member. */
  #isMissed(): boolean {
    return this.#members.up.some((other) =>
      other !== this.#member && other.node!.cluster.committed?.succession.includes(this.#self) === true
    );
  }

  #isBack(member: ClusterMember): boolean {
    if (!member.isUp) return false;
    const { clusterKey } = member.node!.cluster;
    const isWith = (other: ClusterMember) =>
      other !== member && other.isUp && other.node!.cluster.clusterKey === clusterKey;
    return clusterKey !== 0 && this.#members.all.some(isWith);
  }

  #peersOf(member: ClusterMember): SimMachine[] {
    return this.#members.all.filter((other) => other !== member).map(({ machine }) => machine);
  }
}
