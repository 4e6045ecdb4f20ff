/**
 * Devices of nodes that go out of service in a run, and whether what was on them comes back from replicas.
 *
 * @module
 */
import { DIGEST_SIZE_BYTES, PARTITION_COUNT } from "../base/mod.ts";
import { DEVICE_STATE, type DiskSpace, EntryRef } from "../storage/mod.ts";
import { digestKey } from "./cluster_copies.ts";
import type { ClusterMember } from "./cluster_members.ts";

/** What became of devices. */
export interface DeviceCounts {
  /** Devices that took no more writes while another one of their node did. */
  closed: number;
  /** Devices that could not be read any more while their node went on. */
  failed: number;
  /** Of the failed ones with records those whose records all were on other devices of their node later. */
  refilled: number;
  /** Records that came back so. */
  refilledRecords: number;
}

/** Counts of nothing yet. */
export function noDevices(): DeviceCounts {
  return { closed: 0, failed: 0, refilled: 0, refilledRecords: 0 };
}

/** Adds what another run counted. */
export function addDevices(sum: DeviceCounts, other: Readonly<DeviceCounts>): void {
  sum.closed += other.closed;
  sum.failed += other.failed;
  sum.refilled += other.refilled;
  sum.refilledRecords += other.refilledRecords;
}

interface Failed {
  readonly member: ClusterMember;
  readonly space: DiskSpace;
  readonly device: number;
  readonly recordCount: number;
}

/** See the head of the file. */
export class ClusterDevices {
  /** So far. */
  readonly counts: DeviceCounts = noDevices();
  readonly #states = new WeakMap<DiskSpace, Uint8Array>();
  #failed: Failed[] = [];

  /** Looks at the devices of all nodes that run: often enough to see each state. */
  look(members: readonly ClusterMember[]): void {
    for (const member of members) {
      const space = member.isUp ? member.store.disk : undefined;
      if (space === undefined) continue;
      const { states } = space.watch;
      const known = this.#states.get(space) ?? new Uint8Array(states.length);
      this.#states.set(space, known);
      for (let device = 0; device < states.length; device++) {
        if (states[device] === known[device]) continue;
        known[device] = states[device];
        if (states[device] === DEVICE_STATE.CLOSED) this.counts.closed++;
        if (states[device] === DEVICE_STATE.FAILED) this.#noteFailed(member, space, device);
      }
    }
  }

  /**
   * Which node has records where nobody can read them any more, though another node has them; undefined when all are back.
   * Tombstones of what has expired count for nothing: each node makes its own, when it finds out.
   *
   * @param members all nodes
   * @param names of records by digest, as text
   */
  whyNotRefilled(
    members: readonly ClusterMember[],
    names: ReadonlyMap<string, string>,
  ): string | undefined {
    for (const { member, space, device, recordCount } of this.#failed) {
      if (!member.isUp || member.store.disk !== space) continue;
      const others = members.filter((other) => other !== member && other.isUp);
      const isCounted = (digest: Uint8Array, { isTombstone }: EntryRef) =>
        !(isTombstone && names.get(digestKey(digest))?.startsWith("t")) && isAtOneOf(others, digest);
      const left = countOn(member, { space, device, isCounted });
      if (left > 0) {
        return `${left} of ${recordCount} records of ${member.id} are on its failed device ${device}`;
      }
    }
    return undefined;
  }

  /** The cluster is whole: what nodes have lost with their devices is back. */
  noteWhole(): void {
    for (const { member, space, recordCount } of this.#failed) {
      if (recordCount === 0 || !member.isUp || member.store.disk !== space) continue;
      this.counts.refilled++;
      this.counts.refilledRecords += recordCount;
    }
    this.#failed = [];
  }

  #noteFailed(member: ClusterMember, space: DiskSpace, device: number): void {
    this.counts.failed++;
    this.#failed.push({ member, space, device, recordCount: countOn(member, { space, device }) });
  }
}

function isAtOneOf(members: readonly ClusterMember[], digest: Uint8Array): boolean {
  const entry = new EntryRef();
  return members.some(({ store }) => store.find(digest, 0, entry));
}

/** Entries that lead to records on a device. */
function countOn(
  { store: { index } }: ClusterMember,
  { space: { blocks }, device, isCounted = () => true }: {
    space: DiskSpace;
    device: number;
    isCounted?: (digest: Uint8Array, entry: EntryRef) => boolean;
  },
): number {
  const digest = new Uint8Array(DIGEST_SIZE_BYTES);
  let count = 0;
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    if (index.partitionEntryCounts[partition] === 0) continue;
    index.forEach(partition, undefined, (entry) => {
      if (blocks.deviceOf[blocks.blockOf(entry.location)] !== device) return true;
      entry.copyDigest(digest, 0);
      if (isCounted(digest, entry)) count++;
      return true;
    });
  }
  return count;
}
