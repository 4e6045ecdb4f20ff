/**
 * Whether the secondary indexes of a whole and quiet cluster say what its records say.
 *
 * @module
 */
import { PARTITION_COUNT } from "../base/mod.ts";
import { flipSign, TreeKey } from "../sindex/mod.ts";
import type { EntryRef } from "../storage/mod.ts";
import { type CopiesByDigest, digestKey, mayBeExpired } from "./cluster_copies.ts";
import type { ClusterMember } from "./cluster_members.ts";
import type { Outcome } from "./record_model.ts";
import { mayBeTruncated, WORKLOAD_INDEX } from "./workload.ts";

const FIRST_WORD = 0;
const LAST_VALUE = { high: 0xffff_ffff, low: 0xffff_ffff };
const TWO_32 = 0x1_0000_0000;

/** Whether a node has the index, with all records that it has. */
export function hasIndex({ node }: ClusterMember): boolean {
  return node!.namespaces[0].indexes.byName(WORKLOAD_INDEX)?.isReady === true;
}

/**
 * Compares the index of every node with the records that it holds.
 *
 * @param copies all copies; those of a record are equal
 * @param options names of records by digest, what each record holds, by its name, and which are on some replicas alone
 * @throws {Error} that names a record which is not where it should be in an index
 */
export function checkIndexes(
  members: readonly ClusterMember[],
  copies: CopiesByDigest,
  options: {
    readonly names: ReadonlyMap<string, string>;
    readonly outcomes: ReadonlyMap<string, Outcome>;
    readonly strays: ReadonlySet<string>;
  },
): void {
  for (const member of members) {
    const indexed = valuesInIndex(member);
    forEachRecord(member, (digest, handle) => {
      const name = options.names.get(digest);
      const found = indexed.get(handle);
      indexed.delete(handle);
      if (name === undefined || options.strays.has(name)) return;
      if (copies.get(digest)?.some((copy) => mayBeExpired(copy, members))) return;
      const value = mayBeTruncated(name) ? undefined : options.outcomes.get(name)?.bins?.n;
      if (found === value) return;
      throw new Error(
        `The index of ${member.id} has ${name} under ${found ?? "nothing"}, the record holds ${
          value ?? "nothing"
        }`,
      );
    });
    const [stray] = indexed;
    if (stray !== undefined) {
      throw new Error(`The index of ${member.id} has a record under ${stray[1]} that is not there`);
    }
  }
}

/** Values by handle of the record. */
function valuesInIndex({ node }: ClusterMember): Map<number, number> {
  const values = new Map<number, number>();
  const { tree } = node!.namespaces[0].indexes.byName(WORKLOAD_INDEX)!;
  const from = new TreeKey();
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    from.setStart(partition, FIRST_WORD, 0);
    tree.forEach(from, { after: false, last: LAST_VALUE }, (handle, high, low) => {
      values.set(handle, (flipSign(high) | 0) * TWO_32 + low);
      return true;
    });
  }
  return values;
}

function forEachRecord({ store }: ClusterMember, visit: (digest: string, handle: number) => void): void {
  const digest = new Uint8Array(20);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    store.index.forEach(partition, undefined, (entry: EntryRef) => {
      entry.copyDigest(digest, 0);
      if (!entry.isTombstone) visit(digestKey(digest), entry.handle);
      return true;
    });
  }
}
