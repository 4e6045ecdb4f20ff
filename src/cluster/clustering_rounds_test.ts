/** Proposer, acceptor and register, row by row of their tables. */

import { assertEquals } from "@std/assert";
import { Acceptor } from "./clustering_acceptor.ts";
import { deriveIntervals } from "./clustering_intervals.ts";
import { ClusteringPeers } from "./clustering_peers.ts";
import { Proposer } from "./clustering_proposer.ts";
import { MembershipRegister } from "./clustering_register.ts";
import { DEFAULT_CLUSTERING_SETTINGS, labNodeId } from "./clustering_testing.ts";
import { CLUSTERING_PROTOCOL_VERSION, type ClusteringBody, type LearnBody } from "./clustering_types.ts";
import type { NodeId } from "./node_id.ts";

const INTERVALS = deriveIntervals(DEFAULT_CLUSTERING_SETTINGS);
const [A, B, C, D] = [1, 2, 3, 4].map(labNodeId);
const START = { ms: 0, hlc: 1n };

/** Collects what is sent as "kind to digits". */
function outbox() {
  const sent: string[] = [];
  const send = (to: readonly NodeId[], body: ClusteringBody) => {
    sent.push(`${body.kind} to ${to.map((id) => parseInt(id, 16)).join("")}`);
  };
  return { send, take: () => sent.splice(0) };
}

function proposal(sequenceNumber: bigint, succession: NodeId[], clusterKey = 7): LearnBody {
  return { kind: "learn", sequenceNumber, clusterKey, succession };
}

Deno.test("Proposer asks for accept after a majority of promises, and spreads after all have accepted", () => {
  const { send, take } = outbox();
  const proposer = new Proposer(send);
  proposer.start(proposal(10n, [D, C, B, A]), 0);
  assertEquals([proposer.state, take()], ["prepare-sent", ["prepare to 4321"]]);
  proposer.promise(A, 10n, 1);
  proposer.promise(A, 10n, 1);
  proposer.promise(B, 9n, 1);
  assertEquals(proposer.state, "prepare-sent");
  proposer.promise(B, 10n, 1);
  assertEquals(proposer.state, "prepare-sent");
  proposer.promise(C, 10n, 1);
  assertEquals([proposer.state, take()], ["accept-sent", ["accept to 4321"]]);
  for (const node of [A, B, C, C]) assertEquals(proposer.accepted(node, 10n), "goes on");
  assertEquals(proposer.accepted(D, 9n), "goes on");
  assertEquals([proposer.accepted(D, 10n), proposer.state], ["chosen", "idle"]);
  proposer.spread(2);
  assertEquals(take(), ["learn to 4321"]);
});

Deno.test("Proposer sends again to those who have not answered, and gives up in time", () => {
  const { send, take } = outbox();
  const proposer = new Proposer(send);
  const register = new MembershipRegister(START);
  proposer.start(proposal(10n, [D, C, B, A]), 0);
  proposer.promise(B, 10n, 1);
  take();
  assertEquals([proposer.tick(99, INTERVALS, register), take()], ["goes on", []]);
  assertEquals([proposer.tick(100, INTERVALS, register), take()], ["goes on", ["prepare to 431"]]);
  assertEquals([proposer.tick(905, INTERVALS, register), proposer.state], ["failed", "idle"]);
});

Deno.test("Proposer fails when it is refused or an acceptor departs, and only then", () => {
  const proposer = new Proposer(() => {});
  proposer.start(proposal(10n, [B, A]), 0);
  assertEquals(proposer.nack("prepare-nack", 9n), "goes on");
  assertEquals(proposer.nack("accept-nack", 10n), "goes on");
  assertEquals(proposer.nack("prepare-nack", 10n), "failed");
  proposer.start(proposal(11n, [B, A]), 0);
  assertEquals(proposer.departed(C), "goes on");
  assertEquals(proposer.departed(A), "failed");
  assertEquals(proposer.departed(A), "goes on");
});

Deno.test("Proposer spreads its membership until the register is synced", () => {
  const { send, take } = outbox();
  const proposer = new Proposer(send);
  const register = new MembershipRegister(START);
  const value = proposal(10n, [B, A]);
  proposer.start(value, 0);
  for (const node of [A, B]) proposer.promise(node, 10n, 0);
  for (const node of [A, B]) proposer.accepted(node, 10n);
  proposer.spread(0);
  register.learn(value, { ms: 0, hlc: 2n }, () => {});
  take();
  proposer.tick(100, INTERVALS, register);
  assertEquals(take(), ["learn to 21"]);
  for (const node of [A, B]) register.applied(node, 7, [B, A]);
  proposer.tick(300, INTERVALS, register);
  assertEquals(take(), []);
});

Deno.test("Acceptor promises only higher rounds, or the same once more", () => {
  const { send, take } = outbox();
  const acceptor = new Acceptor(send);
  const cases: [NodeId, bigint, string][] = [
    [B, 10n, "promise to 2"],
    [B, 10n, "promise to 2"],
    [A, 10n, "prepare-nack to 1"],
    [C, 9n, "prepare-nack to 3"],
    [C, 10n, "promise to 3"],
    [A, 11n, "promise to 1"],
  ];
  for (const [from, round, answer] of cases) {
    acceptor.prepare(from, round, 0);
    assertEquals(take(), [answer], `${from} ${round}`);
  }
});

Deno.test("Acceptor accepts what is not below the last round, and takes the learn of exactly that round", () => {
  const { send, take } = outbox();
  const acceptor = new Acceptor(send);
  acceptor.prepare(B, 10n, 0);
  assertEquals(acceptor.learn(B, proposal(10n, [B, A])), false);
  acceptor.accept(C, 9n, 0);
  acceptor.accept(B, 10n, 0);
  acceptor.prepare(B, 10n, 0);
  assertEquals(take(), ["promise to 2", "accept-nack to 3", "accepted to 2", "prepare-nack to 2"]);
  assertEquals(acceptor.learn(B, proposal(9n, [B, A])), false);
  assertEquals(acceptor.learn(C, proposal(10n, [B, A])), false);
  assertEquals([acceptor.learn(B, proposal(10n, [B, A])), acceptor.state], [true, "idle"]);
  assertEquals(acceptor.learn(B, proposal(10n, [B, A])), false);
});

Deno.test("Acceptor answers again after a while, forgets the round after a longer one, and remembers its number", () => {
  const { send, take } = outbox();
  const acceptor = new Acceptor(send);
  acceptor.accept(B, 10n, 0);
  acceptor.tick(99, INTERVALS);
  acceptor.tick(100, INTERVALS);
  assertEquals(take(), ["accepted to 2", "accepted to 2"]);
  acceptor.tick(905, INTERVALS);
  assertEquals(acceptor.state, "idle");
  acceptor.prepare(B, 10n, 1000);
  assertEquals(take(), ["prepare-nack to 2"]);
});

Deno.test("MembershipRegister is synced when all members have applied the membership, and not before", () => {
  const { send, take } = outbox();
  const register = new MembershipRegister(START);
  register.learn(proposal(10n, [C, B, A]), START, send);
  assertEquals(take(), ["change-applied to 321", "change-applied to 321"]);
  assertEquals(register.applied(A, 7, [C, B, A]), false);
  assertEquals(register.applied(B, 7, [C, B]), false);
  assertEquals(register.applied(B, 8, [C, B, A]), false);
  assertEquals(register.applied(C, 7, [C, B, A]), false);
  assertEquals([register.isSyncing, register.applied(B, 7, [C, B, A])], [true, true]);
  assertEquals([register.isSyncing, register.applied(B, 7, [C, B, A])], [false, false]);
});

Deno.test("MembershipRegister credits members that applied a membership before it was known here", () => {
  const register = new MembershipRegister(START);
  register.applied(A, 6, [B, A]);
  register.applied(A, 7, [B, A]);
  register.learn(proposal(10n, [B, A]), START, () => {});
  assertEquals(register.applied(B, 7, [B, A]), true);
});

Deno.test("MembershipRegister credits members whose pulses show the membership", () => {
  const peers = new ClusteringPeers(B);
  const payload = {
    protocolVersion: CLUSTERING_PROTOCOL_VERSION,
    clusterKey: 7,
    sequenceNumber: 10n,
    preferredPrincipal: "",
    succession: [B],
  };
  const peer = { adjacency: new Set<NodeId>(), linksChangedMs: 0, sendTime: 0n, receivedMs: 0 };
  const register = new MembershipRegister(START);
  register.learn(proposal(10n, [B, A]), START, () => {});
  register.applied(B, 7, [B, A]);
  peers.add(A, { ...peer, payload });
  assertEquals(register.checkPulses(peers), false);
  peers.add(A, { ...peer, payload: { ...payload, succession: [B, A] } });
  assertEquals([register.checkPulses(peers), register.isSyncing], [true, false]);
});
