import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PeerLink } from "../../cluster/mod.ts";
import { defaultSettings } from "../../config/mod.ts";
import { TestClock } from "../../storage/testing.ts";
import { AddressWatch } from "./address_watch.ts";

const NODE = "00000000000000b2";
const at = (address: string, port: number) => [{ address, port, capabilities: 0 }];

function makeWatch(
  options: { seeds?: string[]; peer?: string; link?: PeerLink; isDuplicate?: boolean; isDialled?: boolean },
) {
  const lines: string[] = [];
  const clock = new TestClock();
  const settings = defaultSettings({
    network: {
      heartbeat: { addresses: ["any"], meshSeedAddressPorts: options.seeds ?? [] },
      fabric: { addresses: ["any"] },
    },
  });
  const watch = new AddressWatch({
    settings,
    clock,
    log: {
      enabled: () => true,
      write: (level, context, text) => void lines.push(`${level} ${context} ${text}`),
    },
    adjacent: () => [NODE],
    isDuplicate: () => options.isDuplicate ?? false,
    fabricEndpoints: () => at(options.peer ?? "10.0.0.2", 3001),
    fabricLink: () => options.link,
    isDialledBy: () => options.isDialled ?? true,
  });
  return { watch, lines, clock };
}

describe("AddressWatch", () => {
  it("says what peers are told and why", () => {
    const { watch, lines } = makeWatch({});
    watch.tell({ endpoints: at("10.0.0.1", 3002), fabricEndpoints: at("10.0.0.1", 3001) });
    assertEquals(lines, [
      "info hb peers are told 10.0.0.1:3002 (network.heartbeat.address is any: all interfaces of this machine but loopback)",
      "info fabric peers are told 10.0.0.1:3001 (network.fabric.address is any: all interfaces of this machine but loopback)",
    ]);
  });

  it("warns of a loopback address when a seed is on another machine", () => {
    const { watch, lines } = makeWatch({ seeds: ["10.0.0.2 3002"] });
    watch.tell({ endpoints: at("127.0.0.1", 3002), fabricEndpoints: at("127.0.0.1", 3001) });
    assertStringIncludes(lines.at(-1)!, "warning fabric the seed 10.0.0.2:3002 is on another machine");
  });

  it("warns once of a peer that tells a loopback address", () => {
    const { watch, lines } = makeWatch({ peer: "127.0.0.1", link: "up" });
    watch.tell({ endpoints: at("10.0.0.1", 3002), fabricEndpoints: at("10.0.0.1", 3001) });
    watch.onArrived(NODE);
    watch.onArrived(NODE);
    assertEquals(lines.filter((line) => line.startsWith("warning")).length, 1);
    assertStringIncludes(lines.at(-1)!, "node b2 tells its peers 127.0.0.1:3001");
  });

  it("warns of a peer that is heard and does not connect here, and says what it is told", () => {
    const { watch, lines, clock } = makeWatch({ link: "up", isDialled: false });
    watch.tell({ endpoints: at("10.0.0.1", 3002), fabricEndpoints: at("172.17.0.1", 3001) });
    watch.onArrived(NODE);
    clock.advance(50_000);
    const warnings = lines.filter((line) => line.startsWith("warning"));
    assertEquals(warnings.length, 1);
    assertStringIncludes(
      warnings[0]!,
      "does not connect to this node's fabric, of which it is told 172.17.0.1:3001",
    );
  });

  it("blames no address when the node's own id is used twice", () => {
    const { watch, lines, clock } = makeWatch({ link: "refused", isDuplicate: true });
    watch.onArrived(NODE);
    clock.advance(70_000);
    assertEquals(lines, []);
  });

  it("warns of a peer that is heard and can't be reached, once a minute", () => {
    const { watch, lines, clock } = makeWatch({ link: "refused" });
    watch.onArrived(NODE);
    clock.advance(2000);
    assertEquals(lines, []);
    clock.advance(50_000);
    assertEquals(lines.length, 1);
    assertStringIncludes(lines[0]!, "node b2 is heard, but its fabric can't be reached at 10.0.0.2:3001");
    clock.advance(20_000);
    assertEquals(lines.length, 2);
    watch.stop();
    clock.advance(200_000);
    assertEquals(lines.length, 2);
  });
});
