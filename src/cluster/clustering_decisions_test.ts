/** The decisions, as tables: peers are written as text, one node each. */

import { assertEquals } from "@std/assert";
import {
  countVotes,
  decideMember,
  decideOrphan,
  decidePrincipal,
  findMergeable,
  isAbandoned,
  type PrincipalView,
} from "./clustering_decisions.ts";
import { ClusteringPeers } from "./clustering_peers.ts";
import { labNodeId } from "./clustering_testing.ts";
import { CLUSTERING_PROTOCOL_VERSION } from "./clustering_types.ts";
import { hlcTime } from "./hlc.ts";
import { NO_NODE, type NodeId } from "./node_id.ts";

const GUARD = { receivedAfterMs: 1000, sentAfter: hlcTime(1000, 0), latencyMaxMs: 5 };
const FRESH = { receivedMs: 2000, sendTime: hlcTime(2000, 0) };

function ids(digits: string): NodeId[] {
  return [...digits].map((digit) => labNodeId(Number(digit)));
}

function digits(nodes: readonly NodeId[]): string {
  return nodes.map((node) => parseInt(node, 16)).join("");
}

/**
 * Peers as `id:cluster`, separated by blanks: `2:-` is an orphan, `2:32` is in cluster 32, whose key is 32 and
 * sequence number 32; `*` after it: in another cluster with the same members (key + 100); `?`: heard before the last
 * change; `>5`: prefers 5; `!`: another version. `missing` are pairs without a link.
 */
function world(self: number, text: string, missing = "") {
  const peers = new ClusteringPeers(labNodeId(self));
  const specs = text.split(" ").filter((spec) => spec !== "");
  const all = [labNodeId(self), ...specs.map((spec) => labNodeId(Number(spec[0])))];
  const gone = missing.split(" ").map(ids);
  for (const spec of specs) {
    const node = labNodeId(Number(spec[0]));
    const members = /:(\d*)/.exec(spec)![1];
    const clusterKey = Number(members) + (spec.includes("*") ? 100 : 0);
    peers.add(node, {
      adjacency: new Set(
        all.filter((other) => !gone.some((pair) => pair.includes(node) && pair.includes(other))),
      ),
      linksChangedMs: 0,
      payload: {
        protocolVersion: spec.includes("!") ? 1 : CLUSTERING_PROTOCOL_VERSION,
        clusterKey,
        sequenceNumber: BigInt(clusterKey),
        preferredPrincipal: spec.includes(">") ? labNodeId(Number(spec.at(-1))) : NO_NODE,
        succession: ids(members),
      },
      ...(spec.includes("?") ? { receivedMs: 900, sendTime: hlcTime(900, 0) } : FRESH),
    });
  }
  return { self: labNodeId(self), peers };
}

Deno.test("decideOrphan() asks, waits or forms a cluster", () => {
  const cases: [number, string, string, string, string, string][] = [
    // self, peers, missing links, joiners, when, decision
    [3, "", "", "", "quantum", "form 3"],
    [3, "", "", "", "tick", "wait"],
    [3, "2:- 1:-", "", "", "quantum", "wait"],
    [3, "2:- 1:-", "", "2", "quantum", "wait"],
    [3, "2:- 1:-", "", "21", "quantum", "form 321"],
    [3, "2:- 1:-", "", "21", "tick", "wait"],
    [2, "3:- 1:-", "", "1", "quantum", "ask 3"],
    [2, "3:- 1:-", "", "", "tick", "ask 3"],
    [3, "5:51 1:51", "", "", "tick", "ask 5"],
    [3, "5:5 2:21 1:21", "", "", "tick", "ask 52"],
    [3, "1:51", "", "", "quantum", "form 3"],
    [3, "1:51", "", "", "unaware quantum", "wait"],
    [3, "2:- 1:51", "", "2", "unaware quantum", "wait"],
    [3, "2:- 1:51", "", "2", "unaware impatient quantum", "form 32"],
    [3, "5:51! 2:-", "", "2", "quantum", "form 32"],
    [3, "2:-!", "", "", "quantum", "form 3"],
    // Broken links: 2 and 1 have none.
    [3, "2:- 1:-", "21", "21", "quantum", "form 32"],
    [1, "3:- 2:-", "21", "", "tick", "ask 3"],
    [1, "3:32 2:32", "21", "", "tick", "ask 3"],
    [1, "3:32 2:32", "21", "", "impatient quantum", "form 1"],
    [1, "3:32 2:32", "", "", "impatient quantum", "ask 3"],
    [3, "2:-", "32", "", "quantum", "wait"],
    [3, "2:-", "32", "", "impatient quantum", "form 3"],
    [1, "3:3", "31", "", "tick", "ask "],
    // Orphans that never ask.
    [3, "2:- 1:-", "", "1", "impatient quantum", "form 31"],
    [2, "3:- 1:-", "", "", "impatient tick", "ask 3"],
    [2, "3:- 1:-", "", "", "impatient quantum", "form 2"],
  ];
  for (const [self, peers, missing, joiners, when, expected] of cases) {
    const decision = decideOrphan({
      ...world(self, peers, missing),
      joiners: ids(joiners),
      unaware: when.includes("unaware") ? ids("1") : [],
      isQuantum: when.includes("quantum"),
      isPatient: !when.includes("impatient"),
      clusterSizeMin: 1,
    });
    const found = decision.kind === "ask"
      ? `ask ${digits(decision.nodes)}`
      : decision.kind === "form"
      ? `form ${digits(decision.succession)}`
      : "wait";
    assertEquals(found, expected, `${self} with ${peers}, missing ${missing}, joiners ${joiners}, ${when}`);
  }
});

Deno.test("decideOrphan() forms no cluster below the smallest size", () => {
  const view = { ...world(2, "1:-"), joiners: ids("1"), unaware: [], isQuantum: true, isPatient: true };
  assertEquals(decideOrphan({ ...view, clusterSizeMin: 3 }), { kind: "wait" });
  assertEquals(decideOrphan({ ...view, clusterSizeMin: 2 }).kind, "form");
});

/** A principal in the cluster whose key is its members. */
function principal(self: number, members: string, peers: string, missing = "", joiners = ""): PrincipalView {
  return {
    ...world(self, peers, missing),
    succession: ids(members),
    clusterKey: Number(members),
    guard: GUARD,
    joiners: ids(joiners),
    settledBeforeMs: 1500,
    clusterSizeMin: 1,
  };
}

function describe(view: PrincipalView): string {
  const decision = decidePrincipal(view);
  if (decision.kind === "round") return `round ${digits(decision.succession)}`;
  return decision.kind === "move" ? `move ${digits([decision.principal])}` : decision.kind;
}

Deno.test("decidePrincipal() keeps, changes, moves or leaves the cluster", () => {
  const cases: [number, string, string, string, string, string][] = [
    // self, members, peers, missing links, joiners, decision
    [3, "321", "2:321 1:321", "", "", "nothing"],
    [3, "321", "2:321", "", "", "round 32"],
    [3, "321", "2:321 1:-", "", "", "round 32"],
    [3, "321", "2:321 1:-", "", "1", "round 321"],
    [3, "321", "2:321 1:21", "", "", "round 32"],
    [3, "321", "2:321 1:321*", "", "", "round 32"],
    [3, "321", "2:321 1:321!", "", "", "round 32"],
    [3, "321", "2:321 1:-?", "", "", "nothing"],
    [3, "32", "2:32 1:-", "", "1", "round 321"],
    [3, "32", "2:32 5:-", "", "5", "round 532"],
    [3, "32", "2:32 1:1", "", "1", "nothing"],
    [3, "321", "2:21 1:21", "", "", "orphan"],
    [3, "321", "", "", "", "round 3"],
    [3, "32", "2:32 1:-", "21", "1", "nothing"],
    // The link between two members is broken: the smaller goes.
    [3, "321", "2:321 1:321", "21", "", "round 32"],
    // Other clusters.
    [3, "32", "2:32 5:51 1:51", "", "", "move 5"],
    [3, "32", "2:32 5:5 4:4", "", "", "move 5"],
    [3, "32", "2:32 5:5 4:4", "53", "", "move 4"],
    [3, "32", "2:32 1:1", "", "", "nothing"],
    [3, "32", "2:32 5:51 1:51", "21", "", "nothing"],
    [3, "32", "5:5", "", "", "round 3"],
    [3, "321", "2:321 1:321 5:532", "", "", "nothing"],
    // Votes: two thirds of the members, for a node that can keep them.
    [5, "5432", "4:5432>7 3:5432>7 2:5432>7 7:7", "75", "", "move 7"],
    [5, "5432", "4:5432>7 3:5432>7 2:5432 7:7", "75", "", "nothing"],
    [5, "5432", "4:5432>7 3:5432>7 2:5432>7?", "", "", "nothing"],
    [5, "5432", "4:5432>7 3:5432>7 2:5432>7 7:71 1:71", "75 13", "", "nothing"],
    [5, "543", "4:543>4 3:543>4", "", "", "nothing"],
    [5, "543", "4:543>5 3:543>5", "", "", "nothing"],
  ];
  for (const [self, members, peers, missing, joiners, expected] of cases) {
    const name = `${self} in ${members} with ${peers}, missing ${missing}, joiners ${joiners}`;
    assertEquals(describe(principal(self, members, peers, missing, joiners)), expected, name);
  }
});

Deno.test("decidePrincipal() leaves the cluster when too few members would remain", () => {
  assertEquals(describe({ ...principal(3, "321", "2:321"), clusterSizeMin: 3 }), "orphan");
  assertEquals(describe({ ...principal(3, "321", "2:321"), clusterSizeMin: 2 }), "round 32");
});

Deno.test("decidePrincipal() waits for the rest of the story when a link of an evicted node has just changed", () => {
  const view = principal(3, "321", "2:321 1:321", "21");
  view.peers.get(labNodeId(2))!.linksChangedMs = 1600;
  assertEquals(decidePrincipal(view), { kind: "postpone", changedMs: 1600 });
  assertEquals(describe({ ...view, settledBeforeMs: -Infinity }), "round 32");
  assertEquals(describe({ ...view, settledBeforeMs: 1600 }), "round 32");
});

Deno.test("countVotes() needs two thirds of all members", () => {
  const cases: [string, string, string][] = [
    ["543", "4:543>9 3:543", ""],
    ["543", "4:543>9 3:543>9", "9"],
    ["543", "4:543>9 3:543>8", ""],
    ["5432", "4:5432>9 3:5432>9 2:5432", ""],
    ["5432", "4:5432>9 3:5432>9 2:5432>9", "9"],
    ["54", "4:54>9", ""],
    ["543", "4:543>9 3:543*>9", ""],
  ];
  for (const [members, peers, expected] of cases) {
    const vote = countVotes(principal(5, members, peers));
    assertEquals(vote === undefined ? "" : digits([vote.node]), expected, `${members}: ${peers}`);
  }
});

Deno.test("findMergeable() leaves out clusters that share members with ours", () => {
  assertEquals(digits(findMergeable(principal(3, "32", "2:32 5:51 1:51 4:42"))), "5");
});

Deno.test("isAbandoned() is true when all others are gone and one is in a newer cluster without the principal", () => {
  const cases: [string, boolean][] = [
    ["2:421 1:421", true],
    ["2:421", true],
    ["2:321 1:421", false],
    ["2:- 1:-", false],
    ["", false],
    ["2:21 1:21", false],
    ["2:421? 1:421", false],
  ];
  for (const [peers, expected] of cases) {
    assertEquals(isAbandoned(principal(3, "321", peers), 321n), expected, peers);
  }
});

Deno.test("decideMember() leaves when the principal is gone or has left it out, and prefers one of its own clique", () => {
  const cases: [string, string, string, boolean][] = [
    // peers of node 1 in 321, missing links, preferred, leaves
    ["3:321 2:321", "", "0", false],
    ["2:321", "", "2", true],
    ["3:32 2:32", "", "0", true],
    ["3:- 2:-", "", "0", true],
    ["3:321! 2:321", "", "0", true],
    ["3:-? 2:321", "", "0", false],
    ["3:321* 2:321", "", "0", false],
    ["3:321 2:321 5:5 4:4", "35 34", "5", false],
  ];
  for (const [peers, missing, preferred, leaves] of cases) {
    const decision = decideMember({ ...world(1, peers, missing), principal: labNodeId(3), guard: GUARD });
    assertEquals(digits([decision.preferred]), preferred, peers);
    assertEquals(decision.leave !== undefined, leaves, peers);
  }
});
