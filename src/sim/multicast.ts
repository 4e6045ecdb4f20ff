/**
 * Multicast between simulated machines: datagrams that are lost, come twice and overtake each other. Every machine hears
 * every group of which one of its processes is a member; the time to live and the interfaces make no difference here.
 *
 * @module
 */
import type { Address, MulticastOptions, MulticastSocket } from "../port/mod.ts";
import type { SimNetwork } from "./network.ts";
import { EventKind } from "./simulation.ts";
import type { SimProcess } from "./world.ts";

type OnDatagram = (bytes: Uint8Array, from: Address) => void;

/** Largest datagram of UDP over IPv4. */
export const DATAGRAM_SIZE_MAX_BYTES = 65_507;

interface Member {
  readonly process: SimProcess;
  readonly options: MulticastOptions;
  readonly onDatagram: OnDatagram;
}

/** All members of all groups. */
export class SimMulticast {
  readonly #network: SimNetwork;
  readonly #members = new Set<Member>();

  /** @param network whose conditions hold for datagrams too */
  constructor(network: SimNetwork) {
    this.#network = network;
  }

  /** Lets a process join groups. */
  join(process: SimProcess, options: MulticastOptions, onDatagram: OnDatagram): Promise<MulticastSocket> {
    return new Promise((resolve, reject) => {
      const { simulation, random } = this.#network;
      simulation.schedule(random.between(1, 50), EventKind.NETWORK, process, () => {
        const own = ["127.0.0.1", "::1", ...process.machine.addresses];
        const foreign = options.interfaces.find((address) => !own.includes(address));
        if (foreign !== undefined) {
          return reject(
            new Error(
              `Cannot join the multicast group ${options.groups[0]} by the interface with ${foreign}: ` +
                "no interface of this machine has that address",
            ),
          );
        }
        const member = { process, options, onDatagram };
        this.#members.add(member);
        resolve({
          send: (bytes) => this.#send(member, bytes),
          close: () => void this.#members.delete(member),
        });
      });
    });
  }

  /** A process is gone. */
  leaveAll(process: SimProcess): void {
    for (const member of this.#members) if (member.process === process) this.#members.delete(member);
  }

  #send(sender: Member, bytes: Uint8Array): void {
    if (!this.#members.has(sender) || bytes.length > DATAGRAM_SIZE_MAX_BYTES) return;
    const copy = bytes.slice();
    const { groups, port } = sender.options;
    for (const group of groups) {
      for (const member of this.#members) {
        if (member.options.port === port && member.options.groups.includes(group)) {
          this.#carry(sender, member, copy);
        }
      }
    }
  }

  #carry(sender: Member, member: Member, bytes: Uint8Array): void {
    const { random, conditions, simulation } = this.#network;
    const { datagramLossChance: chance } = conditions;
    if (random.chance(chance)) return;
    const from = { host: sender.process.machine.addresses[0], port: sender.options.port };
    const count = random.chance(chance) ? 2 : 1;
    for (let copy = 0; copy < count; copy++) {
      const machines = [sender.process.machine, member.process.machine] as const;
      simulation.schedule(this.#network.latencyUs(...machines), EventKind.NETWORK, undefined, () => {
        if (this.#network.isCut(...machines) || !this.#members.has(member)) return;
        // In an event of the process, so that what reaches one that stands still waits.
        simulation.schedule(0, EventKind.NETWORK, member.process, () => {
          if (this.#members.has(member)) member.onDatagram(bytes, from);
        });
      });
    }
  }
}
