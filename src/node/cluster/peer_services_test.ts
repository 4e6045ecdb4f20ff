import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { NodeId } from "../../cluster/mod.ts";
import { TestClock } from "../../storage/testing.ts";
import type { PeerInfoMessage, PeerServiceAddresses } from "../../wire/mod.ts";
import { PeerServices } from "./peer_services.ts";

/** Some nodes whose messages arrive at once, unless they are lost. */
class Nodes {
  readonly clock = new TestClock();
  readonly services = new Map<NodeId, PeerServices>();
  readonly own = new Map<NodeId, PeerServiceAddresses>();
  readonly sent: string[] = [];
  isLossy = false;

  add(node: NodeId): PeerServices {
    this.own.set(node, { clearStandard: `10.0.0.${node}:3000` });
    const services = new PeerServices({
      clock: this.clock,
      own: () => this.own.get(node)!,
      send: (to, message) => this.#send(node, to, message),
    });
    this.services.set(node, services);
    return services;
  }

  #send(from: NodeId, to: NodeId, message: PeerInfoMessage): void {
    this.sent.push(`${from}>${to} ${message.kind}`);
    if (!this.isLossy) this.clock.nextTurn(() => this.services.get(to)?.receive(from, message));
  }
}

function listOf(services: PeerServices): string {
  return services.members.map(({ node, standard }) => `${node} ${standard.join()}`).join(", ");
}

describe("PeerServices", () => {
  it("tells members of each other, also when messages are lost at first, and rests then", () => {
    const nodes = new Nodes();
    const [one, two] = [nodes.add("1"), nodes.add("2")];
    nodes.isLossy = true;
    one.setMembers(["2"]);
    two.setMembers(["1"]);
    nodes.clock.advance(400);
    assertEquals([listOf(one), one.generation], ["", 0]);
    nodes.isLossy = false;
    nodes.clock.advance(1000);
    assertEquals([listOf(one), listOf(two)], ["2 10.0.0.2:3000", "1 10.0.0.1:3000"]);
    const sentCount = nodes.sent.length;
    nodes.clock.advance(5000);
    assertEquals(nodes.sent.length, sentCount);
  });

  it("tells new addresses, and who is gone, to those who ask since a generation", () => {
    const nodes = new Nodes();
    const [one, two] = [nodes.add("1"), nodes.add("2")];
    one.setMembers(["2"]);
    two.setMembers(["1"]);
    nodes.clock.advance(10);
    const before = one.generation;
    nodes.own.set("2", { clearStandard: "10.0.0.9:3100,[2001:db8::1]:3100" });
    nodes.clock.advance(5000);
    assertEquals(one.changesSince(before).changed.map(({ standard }) => standard), [
      ["10.0.0.9:3100", "[2001:db8::1]:3100"],
    ]);
    const known = one.generation;
    one.setMembers([]);
    assertEquals(one.changesSince(known), { changed: [], gone: ["2"] });
    assertEquals([one.members.length, one.alumni.length], [0, 1]);
    one.resetAlumni();
    assertEquals(one.alumni, []);
  });

  it("leaves out members that are not heard, as long as they are not", () => {
    const nodes = new Nodes();
    const one = nodes.add("1");
    for (const node of ["2", "3"]) nodes.add(node).setMembers(["1"]);
    one.setMembers(["2", "3"]);
    nodes.clock.advance(1000);
    const before = one.generation;
    one.setSilent(["2"]);
    one.setSilent(["2"]);
    assertEquals([listOf(one), one.generation], ["3 10.0.0.3:3000", before + 1]);
    assertEquals(one.changesSince(before), { changed: [], gone: ["2"] });
    assertEquals(one.alumni.length, 2);
    one.setSilent([]);
    assertEquals([listOf(one), one.generation], ["3 10.0.0.3:3000, 2 10.0.0.2:3000", before + 2]);
    assertEquals(one.changesSince(before + 1).changed.map(({ node }) => node), ["2"]);
    one.setSilent(["2"]);
    one.setMembers(["3"]);
    one.setSilent([]);
    assertEquals(listOf(one), "3 10.0.0.3:3000", "who is no member is not listed again");
  });

  it("takes no word of nodes that are no members, and no address that is none", () => {
    const nodes = new Nodes();
    const one = nodes.add("1");
    one.receive("3", { type: "info", kind: "request", addresses: { clearStandard: "10.0.0.3:3000" } });
    assertEquals([one.members, nodes.sent], [[], []]);
    one.setMembers(["3"]);
    const addresses = { clearStandard: "10.0.0.3:3000,[,x]],[evil:1" };
    one.receive("3", { type: "info", kind: "update", addresses });
    assertEquals(listOf(one), "3 10.0.0.3:3000");
  });
});
