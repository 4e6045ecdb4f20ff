/**
 * Where clients reach the other members: members tell each other, and clients ask any of them. A member appears in the
 * lists once its addresses are known, and goes when the cluster is formed without it, or as long as nobody hears it.
 * Repeated until both sides have what the other told.
 *
 * | message | when | answer |
 * | ------- | ---- | ------ |
 * | request: own addresses | a member is new, and again until it has answered | ack, then an update |
 * | update: own addresses | asked, or they changed; again until acknowledged | ack |
 *
 * Source: clustering reference, section 18.3; the order of messages of the recorded stock cluster.
 *
 * @module
 */

import { PEER_SERVICE_ALUMNI_COUNT_MAX } from "../../base/mod.ts";
import type { NodeId } from "../../cluster/mod.ts";
import type { Clock, Timer } from "../../port/mod.ts";
import type { PeerInfoMessage, PeerServiceAddresses } from "../../wire/mod.ts";

/** How often what was not answered is sent again, and the own addresses are looked at. */
const RETRY_MS = 500;
const REFRESH_MS = 2000;

/** Where clients reach one node. */
export interface PeerService {
  readonly node: NodeId;
  /** `host:port` texts. */
  readonly standard: readonly string[];
  /** Those of the second set; empty when there is none. */
  readonly alternate: readonly string[];
}

interface Entry {
  addresses: PeerServiceAddresses | undefined;
  /** The member has our addresses of this generation; 0 when it has none. */
  ackedGeneration: number;
  isMember: boolean;
  /** Nothing is heard of it. */
  isSilent: boolean;
  /** Generation of the list at which this entry changed. */
  changedAt: number;
}

/** What {@linkcode PeerServices} stands on. */
export interface PeerServicesOptions {
  readonly clock: Clock;
  /** Sends to a member on the control channel. */
  readonly send: (to: NodeId, message: PeerInfoMessage) => void;
  /** Own addresses at this moment. */
  readonly own: () => PeerServiceAddresses;
}

/** See the head of the file. */
export class PeerServices {
  /** Counts changes of the list; clients fetch it again when it moves. */
  generation = 0;
  readonly #options: PeerServicesOptions;
  readonly #entries = new Map<NodeId, Entry>();
  #ownGeneration = 1;
  #own: PeerServiceAddresses = {};
  #ownMs = -Infinity;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: PeerServicesOptions) {
    this.#options = options;
  }

  /** Members that are heard and whose addresses are known, largest id first. */
  get members(): PeerService[] {
    return this.#list(({ isMember, isSilent }) => isMember && !isSilent);
  }

  /** Nodes that were ever members, with known addresses. */
  get alumni(): PeerService[] {
    return this.#list(() => true);
  }

  /**
   * Changes since a generation: members that are new or changed, and nodes that are no longer members or heard.
   *
   * @param generation as told before
   */
  changesSince(generation: number): { readonly changed: PeerService[]; readonly gone: NodeId[] } {
    const isShown = ({ isMember, isSilent }: Entry) => isMember && !isSilent;
    const changed = this.#list((entry) => isShown(entry) && entry.changedAt > generation);
    const gone = [...this.#entries]
      .filter(([, entry]) => !isShown(entry) && entry.changedAt > generation)
      .map(([node]) => node);
    return { changed, gone };
  }

  /** Forgets the nodes that are no members. */
  resetAlumni(): void {
    for (const [node, { isMember }] of this.#entries) if (!isMember) this.#entries.delete(node);
  }

  /** The cluster has these members, this node left out. */
  setMembers(nodes: readonly NodeId[]): void {
    for (const [node, entry] of this.#entries) {
      if (!entry.isMember || nodes.includes(node)) continue;
      entry.isMember = false;
      entry.ackedGeneration = 0;
      if (entry.addresses !== undefined) entry.changedAt = ++this.generation;
    }
    for (const node of nodes) this.#join(node);
    this.#limitAlumni();
    this.#refresh();
    this.#tend();
  }

  /** Of the members these are not heard at present. */
  setSilent(nodes: readonly NodeId[]): void {
    for (const [node, entry] of this.#entries) {
      const isSilent = entry.isMember && nodes.includes(node);
      if (entry.isSilent === isSilent) continue;
      entry.isSilent = isSilent;
      if (entry.isMember && entry.addresses !== undefined) entry.changedAt = ++this.generation;
    }
  }

  /** Takes a message of a node. */
  receive(from: NodeId, message: PeerInfoMessage): void {
    const entry = this.#entries.get(from);
    // A node that is not a member yet asks again.
    if (entry === undefined || !entry.isMember) return;
    if (message.kind === "ack") {
      entry.ackedGeneration = Math.max(entry.ackedGeneration, message.generation ?? 0);
      return;
    }
    if (!sameAddresses(entry.addresses, message.addresses)) {
      entry.addresses = message.addresses;
      entry.changedAt = ++this.generation;
    }
    const { generation = 0 } = message;
    this.#options.send(from, { type: "info", kind: "ack", generation, addresses: {} });
    if (message.kind === "request") this.#tell(from, "update");
  }

  /** No message follows. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #join(node: NodeId): void {
    const known = this.#entries.get(node);
    if (known?.isMember === true) return;
    // A node that comes back may have other addresses: those from before count once it has told them again.
    const changedAt = known?.changedAt ?? this.generation;
    const entry = { addresses: undefined, ackedGeneration: 0, isMember: true, isSilent: false, changedAt };
    this.#entries.set(node, entry);
    this.#tell(node, "request");
  }

  get #isOwnKnown(): boolean {
    return Object.keys(this.#own).length > 0;
  }

  #tell(node: NodeId, kind: "request" | "update"): void {
    if (!this.#isOwnKnown) this.#refresh();
    // A node that does not listen for clients yet has nothing to tell; it does so at the next turn.
    if (!this.#isOwnKnown) return;
    const generation = this.#ownGeneration;
    this.#options.send(node, { type: "info", kind, generation, addresses: this.#own });
  }

  #refresh(): void {
    this.#ownMs = this.#options.clock.monotonicMs();
    const own = this.#options.own();
    if (sameAddresses(own, this.#own)) return;
    if (this.#isOwnKnown) this.#ownGeneration++;
    this.#own = own;
  }

  #tend(): void {
    this.#timer?.cancel();
    if (this.#isStopped || ![...this.#entries.values()].some(({ isMember }) => isMember)) return;
    this.#timer = this.#options.clock.after(RETRY_MS, () => {
      if (this.#options.clock.monotonicMs() - this.#ownMs >= REFRESH_MS) this.#refresh();
      for (const [node, { isMember, addresses, ackedGeneration }] of this.#entries) {
        if (!isMember) continue;
        if (addresses === undefined) this.#tell(node, "request");
        else if (ackedGeneration < this.#ownGeneration) this.#tell(node, "update");
      }
      this.#tend();
    });
  }

  #limitAlumni(): void {
    for (const [node, { isMember }] of this.#entries) {
      if (this.#entries.size <= PEER_SERVICE_ALUMNI_COUNT_MAX) return;
      if (!isMember) this.#entries.delete(node);
    }
  }

  #list(isWanted: (entry: Entry) => boolean): PeerService[] {
    const found: PeerService[] = [];
    for (const [node, entry] of this.#entries) {
      const { addresses } = entry;
      if (addresses === undefined || !isWanted(entry)) continue;
      const { clearStandard, services, clearAlternate, servicesAlternate } = addresses;
      found.push({
        node,
        standard: addressTexts(clearStandard ?? services),
        alternate: addressTexts(clearAlternate ?? servicesAlternate),
      });
    }
    return found.sort((a, b) => (a.node < b.node ? 1 : -1));
  }
}

function addressTexts(text: string | undefined): string[] {
  return (text ?? "").split(/[,;]/).filter((one) => /^[^\s[\],;]+:\d+$|^\[[0-9a-fA-F:.]+\]:\d+$/.test(one));
}

function sameAddresses(a: PeerServiceAddresses | undefined, b: PeerServiceAddresses): boolean {
  if (a === undefined) return false;
  const text = (addresses: PeerServiceAddresses) =>
    ([
      "services",
      "servicesAlternate",
      "clearStandard",
      "clearAlternate",
      "tlsStandard",
      "tlsAlternate",
      "tlsName",
    ] as const)
      .map((name) => addresses[name] ?? "").join("\n");
  return text(a) === text(b);
}
