/**
 * Multicast by `node:dgram`, which Deno has too: one socket for each interface, joined to all groups there. Several
 * processes may share the port, and each hears every datagram, its own ones as well.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import * as os from "node:os";
import type { Address, MulticastOptions, MulticastSocket } from "../port/mod.ts";
import { plainAddress, reportBug } from "./network_common.ts";

type OnDatagram = (bytes: Uint8Array, from: Address) => void;

/** Sockets of one membership. */
class Membership implements MulticastSocket {
  readonly #options: MulticastOptions;
  readonly #sockets: Socket[] = [];
  #closed = false;

  constructor(options: MulticastOptions) {
    this.#options = options;
  }

  add(socket: Socket): void {
    this.#sockets.push(socket);
  }

  send(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { groups, port } = this.#options;
    for (const socket of this.#sockets) {
      for (const group of groups) {
        // A datagram that can't leave, because the link is down, is as good as lost on the way.
        socket.send(bytes, port, group, () => {});
      }
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const socket of this.#sockets) socket.close();
  }
}

/** Joins multicast groups; see the network port. */
export async function joinMulticast(
  options: MulticastOptions,
  onDatagram: OnDatagram,
): Promise<MulticastSocket> {
  const membership = new Membership(options);
  const interfaces = options.interfaces.length > 0 ? options.interfaces : [undefined];
  try {
    for (const address of interfaces) membership.add(await openSocket(address, options, onDatagram));
    return membership;
  } catch (error) {
    membership.close();
    throw error;
  }
}

/** One socket, joined to all groups by one interface. */
function openSocket(
  address: string | undefined,
  { groups, port, ttl }: MulticastOptions,
  onDatagram: OnDatagram,
): Promise<Socket> {
  const isV6 = isIPv6(groups[0] ?? "");
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: isV6 ? "udp6" : "udp4", reuseAddr: true });
    const fail = (what: string, cause: unknown) => {
      socket.close();
      const by = address === undefined ? "" : ` by the interface with ${address}`;
      reject(new Error(`Cannot ${what}${by}: ${(cause as Error).message}`, { cause }));
    };
    const onError = (error: Error) => fail(`open the multicast port ${port}`, error);
    socket.once("error", onError);
    socket.on("message", (bytes, { address: host, port: from }) => {
      try {
        onDatagram(bytes, plainAddress(host, from));
      } catch (error) {
        reportBug(error);
      }
    });
    socket.bind(port, isV6 ? "::" : "0.0.0.0", () => {
      socket.off("error", onError);
      // Errors of sending are told to nobody; those of receiving do not last.
      socket.on("error", () => {});
      const scope = isV6 && address !== undefined ? zoneOf(address) : address;
      let group = groups[0];
      try {
        for (group of groups) socket.addMembership(group, scope);
        if (ttl > 0) socket.setMulticastTTL(ttl);
        socket.setMulticastLoopback(true);
        if (scope !== undefined) socket.setMulticastInterface(scope);
      } catch (error) {
        return fail(`join the multicast group ${group}`, error);
      }
      resolve(socket);
    });
  });
}

/** IPv6 names an interface by its zone. */
function zoneOf(address: string): string {
  for (const [name, addresses] of Object.entries(os.networkInterfaces())) {
    if (addresses?.some((one) => one.address === address)) return `::%${name}`;
  }
  return address;
}
