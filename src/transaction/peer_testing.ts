/**
 * Helpers for tests of requests that involve other nodes: several nodes' namespaces on one clock, and a network between
 * them that delays, drops and repeats what a test wants.
 *
 * @module
 */

import { ByteBuffer, partitionId } from "../base/mod.ts";
import { CAPABILITY, type FabricTarget, type SendResult } from "../cluster/mod.ts";
import type { Balance } from "../partition/mod.ts";
import { VersionTable } from "../partition/mod.ts";
import { balance, holders, place, settled, testMember, testNode } from "../partition/testing.ts";
import { EntryRef } from "../storage/mod.ts";
import { TestClock, testDigest, TestRandom } from "../storage/testing.ts";
import {
  decodeProxy,
  encodePeerMessage,
  type NodeId,
  PEER_MESSAGE,
  type PeerMessage,
  PeerReader,
  RwMessage,
} from "../wire/mod.ts";
import { PeerTransactions } from "./peers.ts";
import {
  encodeRequest,
  TestNamespace,
  type TestReply,
  TestRequest,
  type TestRequestShape,
} from "./testing.ts";

/** A message on its way. */
export interface Flying {
  readonly from: number;
  readonly to: number;
  /** `write`, `write-ack`, `dup`, `dup-ack`, `proxy`, `proxy-answer`, `proxy-return`. */
  readonly kind: string;
  /** Result code of an answer; -1 without one. */
  readonly result: number;
}

/** What the network does with a message: undefined delivers it after the usual time. */
export type Fate = "drop" | "twice" | { readonly delayMs: number } | undefined;

/** What transactions ask of the capability word. */
const OUR_CAPABILITIES = CAPABILITY.TOMBSTONES | CAPABILITY.PERSISTED_INDEX;
const LATENCY_MS = 1;
const RW_NAMES: Readonly<Record<number, string>> = { 2: "write-ack", 3: "dup", 4: "dup-ack", 8: "write" };

/** One node. */
export class TestPeer {
  /** Its namespace. */
  readonly test: TestNamespace;
  /** What is tested. */
  readonly peers: PeerTransactions;
  /** Id. */
  readonly node: NodeId;
  /** Cluster that its tables belong to. */
  clusterKey = 0;
  /** Whether it slept too long. */
  isFenced = false;
  /** How far its clock is ahead, in ms. */
  readonly number: number;

  constructor(cluster: TestCluster, number: number, options: ConstructorParameters<typeof TestNamespace>[0]) {
    this.number = number;
    this.node = testNode(number);
    this.test = new TestNamespace({ ...options, clock: cluster.clock });
    this.peers = new PeerTransactions({
      self: this.node,
      namespaces: [this.test.namespace],
      fabric: {
        send: (target, message) => cluster.send(this, target, message),
        isOverloaded: () => cluster.isOverloaded,
      },
      clusterKey: () => this.clusterKey,
      isFenced: () => this.isFenced,
      latestMs: () => this.test.namespace.store.nowMs(),
      clock: cluster.clock,
      random: new TestRandom(number),
    });
  }

  /** A record's generation, last update time and whether it is a tombstone; undefined when there is none. */
  version(record: number): { generation: number; lastUpdateMs: number; isTombstone: boolean } | undefined {
    const entry = new EntryRef();
    if (!this.test.namespace.store.find(testDigest(record), 0, entry)) return undefined;
    const { generation, lastUpdateMs, isTombstone } = entry;
    return { generation, lastUpdateMs, isTombstone };
  }

  /** Whether a record counts as written in the node's present cluster; undefined when there is none. */
  isOfPresent(record: number): boolean | undefined {
    const { store } = this.test.namespace;
    const entry = new EntryRef();
    if (!store.find(testDigest(record), 0, entry)) return undefined;
    return entry.writeEpoch === store.writeEpoch;
  }

  /** The flat record's bytes; undefined when there is none. */
  flat(record: number): Uint8Array | undefined {
    const { store } = this.test.namespace;
    const entry = new EntryRef();
    if (!store.find(testDigest(record), 0, entry)) return undefined;
    store.load(entry, { wake: () => {} });
    const { bytes, at, sizeUnits } = store.flat;
    return bytes.slice(at, at + sizeUnits * 16);
  }
}

/** Some nodes and a network. */
export class TestCluster {
  /** All nodes share it. */
  readonly clock: TestClock = new TestClock();
  /** Nodes by number. */
  readonly peers: TestPeer[];
  /** Decides about each message. */
  fate: (message: Flying) => Fate = () => undefined;
  /** Messages as they were sent. */
  readonly sent: Flying[] = [];
  /** What `isOverloaded` says to all. */
  isOverloaded = false;
  readonly replicationFactor: number;

  /** @param options how many nodes, copies, and the settings of their namespace */
  constructor(
    options: {
      nodeCount?: number;
      replicationFactor?: number;
      settings?: NonNullable<ConstructorParameters<typeof TestNamespace>[0]>["settings"];
      pending?: boolean;
    } = {},
  ) {
    const { nodeCount = 3, replicationFactor = 2, settings, pending } = options;
    this.replicationFactor = replicationFactor;
    const test = {
      ...(settings === undefined ? {} : { settings }),
      ...(pending === undefined ? {} : { pending }),
    };
    this.peers = Array.from({ length: nodeCount }, (_, number) => new TestPeer(this, number, test));
    this.form(1);
  }

  /**
   * Forms a cluster of some nodes whose copies are in place. `lagging` members don't hear of it yet; one that is `quiesced`
   * gives up what it has.
   */
  form(
    clusterKey: number,
    options: {
      members?: readonly number[];
      lagging?: readonly number[];
      allOurs?: boolean;
      stock?: readonly number[];
      quiesced?: number;
    } = {},
  ): void {
    const numbers = options.members ?? this.peers.map(({ number }) => number);
    const members = numbers.map((number) => testMember(number, { isQuiesced: number === options.quiesced }));
    const { replicationFactor } = this;
    const having = settled(
      members,
      place(numbers.map((number) => testMember(number)), { replicationFactor }),
    );
    for (const number of numbers) {
      if (!options.lagging?.includes(number)) this.join(number, clusterKey, having, options);
    }
  }

  /** Lets one node follow a balance. */
  join(
    number: number,
    clusterKey: number,
    members: ReturnType<typeof settled>,
    { stock = [], allOurs = stock.length === 0 }: { allOurs?: boolean; stock?: readonly number[] } = {},
  ): void {
    const peer = this.peers[number];
    const { replicationFactor } = this;
    const isStock = (node: NodeId) =>
      stock.length === 0 ? !allOurs : stock.some((other) => this.peers[other].node === node);
    peer.test.namespace.partitions.apply(
      balance(members, { self: peer.node, clusterKey, replicationFactor }),
    );
    peer.test.namespace.store.beginWriteEpoch();
    peer.clusterKey = clusterKey;
    peer.peers.onBalanced({
      clusterKey,
      succession: members.map(({ node }) => node),
      capabilities: allOurs ? OUR_CAPABILITIES : 0,
      members: members.map(({ node }) => ({
        node,
        capabilities: isStock(node) ? undefined : OUR_CAPABILITIES,
      })),
    });
  }

  /** The balance of node `self` in a cluster of `members`, in which the copies are where `holding` would have them. */
  balanceOf(
    self: number,
    clusterKey: number,
    members: readonly number[],
    holding: readonly number[],
  ): Balance {
    const { replicationFactor } = this;
    const placement = place(holding.map((number) => testMember(number)), { replicationFactor });
    const having = settled(members.map((number) => testMember(number)), placement);
    return balance(having, { self: testNode(self), clusterKey, replicationFactor });
  }

  /**
   * All nodes form a cluster with the copies that they have.
   *
   * @returns number of the node that serves the record then; with `dryRun` nothing is changed
   */
  merge(clusterKey: number, options: { dryRun: boolean; record: number }): { master: number } {
    const { replicationFactor } = this;
    const members = this.peers.map(({ number, test }) =>
      testMember(number, { versions: test.namespace.partitions.versions })
    );
    const balances = this.peers.map(({ node }) =>
      balance(members.map((member) => ({ ...member, versions: copyOf(member.versions) })), {
        self: node,
        clusterKey,
        replicationFactor,
      })
    );
    const partition = partitionId(testDigest(options.record));
    const master = balances.findIndex(({ selfPlace, workingPlace }) =>
      selfPlace[partition] === workingPlace[partition]
    );
    if (options.dryRun) return { master };
    const succession = this.peers.map(({ node }) => node);
    const ours = succession.map((node) => ({ node, capabilities: OUR_CAPABILITIES }));
    for (const [number, peer] of this.peers.entries()) {
      peer.test.namespace.partitions.apply(balances[number]);
      peer.test.namespace.store.beginWriteEpoch();
      peer.clusterKey = clusterKey;
    }
    for (const { peers } of this.peers) {
      peers.onBalanced({ clusterKey, succession, capabilities: OUR_CAPABILITIES, members: ours });
    }
    return { master };
  }

  /** The node that serves a record, as node `asked` sees it. */
  master(record: number, asked = 0): TestPeer {
    const { partitions } = this.peers[asked].test.namespace;
    return this.byNode(partitions.workingMaster(partitionId(testDigest(record)))!);
  }

  /** The other replicas of a record. */
  proles(record: number, asked = 0): TestPeer[] {
    const { balance } = this.peers[asked].test.namespace.partitions;
    const master = this.master(record, asked);
    const nodes = holders(balance!.placement, partitionId(testDigest(record)));
    return nodes.filter((node) => node !== master.node).map((node) => this.byNode(node));
  }

  /** The nodes that keep no copy of a record. */
  others(record: number): TestPeer[] {
    const holding = [this.master(record), ...this.proles(record)];
    return this.peers.filter((peer) => !holding.includes(peer));
  }

  byNode(node: NodeId): TestPeer {
    return this.peers.find((peer) => peer.node === node)!;
  }

  /** Sends a message, as a fabric does. */
  send(from: TestPeer, target: FabricTarget, message: PeerMessage | Uint8Array): SendResult {
    const to = this.peers.find((peer) => peer.node === target.node);
    if (to === undefined) return "unknown-node";
    const out = new ByteBuffer();
    if (message instanceof Uint8Array) out.append(message);
    else encodePeerMessage(message, out);
    const bytes = out.toBytes();
    const flying = describeMessage(from.number, to.number, bytes);
    this.sent.push(flying);
    const fate = this.fate(flying);
    if (fate === "drop") return "sent";
    const delayMs = typeof fate === "object" ? fate.delayMs : LATENCY_MS;
    for (let copies = fate === "twice" ? 2 : 1; copies > 0; copies--) {
      this.clock.after(delayMs, () => this.#deliver(from, to, bytes));
    }
    return "sent";
  }

  #deliver(from: TestPeer, to: TestPeer, bytes: Uint8Array): void {
    const reader = new PeerReader();
    if (!reader.open(bytes, 0, bytes.length)) throw new Error(reader.fault);
    if (reader.messageType === PEER_MESSAGE.RW) to.peers.onRw(from.node, reader);
    else to.peers.onProxy(from.node, reader);
  }

  /** Starts a request at a node. */
  start(peer: TestPeer, shape: TestRequestShape): TestRequest {
    const request = new TestRequest(peer.test.namespace, encodeRequest(shape));
    request.wake();
    return request;
  }

  /** Runs a request at a node to its reply. */
  run(peer: TestPeer, shape: TestRequestShape): TestReply {
    const request = this.start(peer, shape);
    while (request.reply === undefined && this.clock.step());
    if (request.reply === undefined) throw new Error("The request never ends");
    return request.reply;
  }

  /** Kinds of the messages sent since the last call. */
  takeSent(): string[] {
    return this.sent.splice(0).map(({ from, to, kind }) => `${from}>${to} ${kind}`);
  }
}

function copyOf(versions: VersionTable): VersionTable {
  return VersionTable.fromGroups(versions.toGroups());
}

function describeMessage(from: number, to: number, bytes: Uint8Array): Flying {
  const reader = new PeerReader();
  reader.open(bytes, 0, bytes.length);
  if (reader.messageType === PEER_MESSAGE.RW) {
    const message = new RwMessage();
    message.decode(reader);
    return { from, to, kind: RW_NAMES[message.operation], result: message.resultCode ?? -1 };
  }
  const message = decodeProxy(reader);
  if ("fault" in message) throw new Error(message.fault);
  const kind = { request: "proxy", response: "proxy-answer", return: "proxy-return" }[message.kind];
  return { from, to, kind, result: -1 };
}
