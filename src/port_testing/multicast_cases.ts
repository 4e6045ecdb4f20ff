/**
 * What every network with multicast must do.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { MulticastSocket, Ports } from "../port/mod.ts";
import { type CaseEnvironment, type PortCase, rejection, until } from "./case.ts";

/** Of the range for one organisation; far from what programs use. */
const GROUP = "239.193.77.1";
const OTHER_GROUP = "239.193.77.2";

/** A member that keeps what it heard, as text. */
interface Member {
  socket: MulticastSocket;
  heard: string[];
}

async function join(ports: Ports, port: number, host: string, groups = [GROUP]): Promise<Member> {
  const heard: string[] = [];
  const socket = await ports.network.multicast!(
    { groups, port, interfaces: [host], ttl: 1 },
    (bytes, from) => {
      assert(from.host !== "" && from.port > 0, JSON.stringify(from));
      heard.push(new TextDecoder().decode(bytes));
    },
  );
  return { socket, heard };
}

/** A UDP port that nobody used a moment ago, as far as TCP tells. */
async function freePort({ ports, host }: CaseEnvironment): Promise<number> {
  const listener = await ports.network.listen({ host, port: 0 }, () => {});
  listener.close();
  return listener.address.port;
}

const encode = (text: string) => new TextEncoder().encode(text);

/** All cases of multicast. */
export const multicastCases: readonly PortCase[] = [
  {
    name: "multicast() lets every member hear every datagram when they share machine and port",
    async run(environment) {
      const { ports, host } = environment;
      const port = await freePort(environment);
      const members = [await join(ports, port, host), await join(ports, port, host)];
      members[0].socket.send(encode("one"));
      members[1].socket.send(encode("two"));
      await until(ports, "both hear both", () => members.every(({ heard }) => heard.length >= 2));
      for (const { heard, socket } of members) {
        assertEquals([...heard].sort(), ["one", "two"]);
        socket.close();
      }
    },
  },
  {
    name: "multicast() keeps groups and ports apart",
    async run(environment) {
      const { ports, host } = environment;
      const [port, otherPort] = [await freePort(environment), await freePort(environment)];
      const both = await join(ports, port, host, [GROUP, OTHER_GROUP]);
      const elsewhere = await join(ports, otherPort, host);
      elsewhere.socket.send(encode("other port"));
      both.socket.send(encode("both groups"));
      await until(ports, "one comes by each group", () => both.heard.length >= 2);
      await until(ports, "the other hears itself", () => elsewhere.heard.length >= 1);
      assertEquals(both.heard, ["both groups", "both groups"]);
      assertEquals(elsewhere.heard, ["other port"]);
      for (const { socket } of [both, elsewhere]) socket.close();
    },
  },
  {
    name: "close() ends what is heard and sent, and may be called twice",
    async run(environment) {
      const { ports, host } = environment;
      const port = await freePort(environment);
      const [gone, stays] = [await join(ports, port, host), await join(ports, port, host)];
      gone.socket.close();
      gone.socket.close();
      gone.socket.send(encode("from nobody"));
      stays.socket.send(encode("to whoever is left"));
      await until(ports, "the other hears it", () => stays.heard.length >= 1);
      assertEquals(stays.heard, ["to whoever is left"]);
      assertEquals(gone.heard, []);
      stays.socket.close();
    },
  },
  {
    name: "multicast() rejects with group and interface when no interface has the address",
    async run(environment) {
      const { ports } = environment;
      const error = await rejection(join(ports, await freePort(environment), "192.0.2.77"));
      assertStringIncludes(error.message, GROUP);
      assertStringIncludes(error.message, "192.0.2.77");
    },
  },
];
