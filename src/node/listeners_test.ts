import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Connection } from "../port/mod.ts";
import { TestNode } from "./testing.ts";

/** Hosts that a node with these service settings binds for clients. */
async function boundHosts(service: { addresses: string[]; disableLocalhost?: boolean }): Promise<string[]> {
  const { node } = await TestNode.start({ network: { service } });
  return node.listeners.open.filter((listener) => listener.kind === "service").map((listener) =>
    listener.host
  );
}

describe("Listeners", () => {
  it("listens on loopback too when only outer addresses are configured", async () => {
    assertEquals(await boundHosts({ addresses: ["192.0.2.7"] }), ["192.0.2.7", "127.0.0.1"]);
  });

  it("stays off loopback when disable-localhost is set", async () => {
    assertEquals(await boundHosts({ addresses: ["192.0.2.7"], disableLocalhost: true }), ["192.0.2.7"]);
  });

  it("adds nothing when the addresses include loopback already", async () => {
    assertEquals(await boundHosts({ addresses: ["any"] }), ["::"]);
    assertEquals(await boundHosts({ addresses: ["127.0.0.1"] }), ["127.0.0.1"]);
  });

  it("closes a connection that was made before they stopped, and that they hear of later", async () => {
    const { node } = await TestNode.start({});
    let isClosed = false;
    const connection = {
      remote: { host: "127.0.0.1", port: 1 },
      setHandler: () => {},
      close: () => void (isClosed = true),
    } as unknown as Connection;
    node.listeners.stopAccepting();
    node.listeners.accept(connection, "service");
    assertEquals(isClosed, true);
    assertEquals([...node.listeners.sessions].map(({ closed }) => closed), [true]);
  });
});
