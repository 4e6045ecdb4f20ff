import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Network } from "../port/mod.ts";
import { rejection } from "../port_testing/mod.ts";
import { createPlatform } from "./mod.ts";
import { createNodeNetwork } from "./node_network.ts";

const LOOPBACK = "127.0.0.1";

/** A server that answers each request with itself, and tells when its connection is gone. */
async function echo(network: Network) {
  let closed = "";
  const listener = await network.listen({ host: LOOPBACK, port: 0 }, (connection) => {
    connection.handler = {
      onData: (bytes) => connection.write(bytes.slice()),
      onWritten: () => {},
      onClose: (reason) => closed = reason,
    };
  });
  return { listener, port: listener.address.port, closed: () => closed };
}

function cases(getNetwork: () => Promise<Network>): void {
  it("a peer that has finished sending still gets its reply", async () => {
    const { listener, port, closed } = await echo(await getNetwork());
    const conn = await Deno.connect({ hostname: LOOPBACK, port });
    await conn.write(Uint8Array.of(1, 2, 3));
    await conn.closeWrite();
    const reply = new Uint8Array(10);
    assertEquals(await conn.read(reply), 3);
    assertEquals(await conn.read(reply), null);
    assertEquals(closed(), "peer");
    conn.close();
    listener.close();
  });

  it("connect() gives up when nobody answers in time", async () => {
    const network = await getNetwork();
    // A full backlog: the kernel drops further attempts without a word.
    const listener = Deno.listen({ hostname: LOOPBACK, port: 0, tcpBacklog: 1 });
    const options = { host: LOOPBACK, port: listener.addr.port, timeoutMs: 300 };
    const attempts = Array.from({ length: 6 }, () => network.connect(options));
    const failed = await Promise.allSettled(attempts);
    const rejected = failed.filter((result) => result.status === "rejected");
    assert(rejected.length > 0, "some attempt found the backlog full");
    assertEquals(rejected[0].reason.code, "ETIMEDOUT");
    assertMatch(rejected[0].reason.message, /no answer within 300 ms/);
    for (const result of failed) if (result.status === "fulfilled") result.value.close();
    listener.close();
  });

  it("connect() names a host that can't be resolved", async () => {
    const network = await getNetwork();
    const error = await rejection(
      network.connect({ host: "no-such-host.invalid", port: 1, timeoutMs: 5000 }),
    );
    assertEquals(error.code, "ENOTFOUND");
    assertMatch(error.message, /no-such-host\.invalid:1: the name can't be resolved/);
  });
}

describe("Deno network", () => cases(async () => (await createPlatform()).network));
describe("node:net network", () => cases(() => Promise.resolve(createNodeNetwork())));
