/**
 * The copies of records that the nodes of a cluster hold, compared with each other and with what a policy names.
 *
 * @module
 */
import { CITRUSLEAF_EPOCH_S, PARTITION_COUNT, partitionId } from "../base/mod.ts";
import { covers, type MergingCopy, VERSION_BIT, VERSION_LINEAGE_MASK } from "../partition/mod.ts";
import { EntryRef, forgottenAfterMs, isLeftOver, LOADED, UNIT_SIZE_BYTES } from "../storage/mod.ts";
import { SIM_WALL_START_MS, wallAheadMs } from "./clock.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { mayBeTruncated } from "./workload.ts";

/** Nobody removes records by their age within this time of their expiry, whatever the clocks say. */
const EXPIRY_SLACK_S = 3;

/** Stands for the bytes of a copy that can't be read. */
const UNREAD = new Uint8Array(32);

/** Offset of the byte with the tree id, in a flat record. */
const TREE_ID_AT = 7;

/** One node's copy of a record. */
export interface RecordCopy {
  readonly member: ClusterMember;
  readonly generation: number;
  /** Milliseconds since 2010. */
  readonly lastUpdateMs: number;
  /** Seconds since 2010, 0 for never. */
  readonly voidTime: number;
  readonly isTombstone: boolean;
  /** Another node's copy of the partition is complete, and has all that was acknowledged of this one. */
  readonly isCovered: boolean;
  /** The flat record, without its tree id. */
  readonly bytes: Uint8Array;
}

/** Copies by digest, as text. */
export type CopiesByDigest = ReadonlyMap<string, readonly RecordCopy[]>;

/** A digest as a key of maps. */
export function digestKey(digest: Uint8Array): string {
  let text = "";
  for (const byte of digest.subarray(0, 20)) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The partition of a key of {@linkcode CopiesByDigest}. */
export function partitionOf(key: string): number {
  return partitionId(Uint8Array.of(parseInt(key.slice(0, 2), 16), parseInt(key.slice(2, 4), 16)), 0);
}

/** Bytes of records that a node has on its device alone, by node and digest. */
export type StoredBytes = ReadonlyMap<ClusterMember, ReadonlyMap<string, Uint8Array>>;

/** Reads what is on devices alone; the nodes must be quiet. */
export async function readStored(members: readonly ClusterMember[]): Promise<StoredBytes> {
  const stored = new Map<ClusterMember, Map<string, Uint8Array>>();
  for (const member of members) {
    const found = new Map<string, Uint8Array>();
    stored.set(member, found);
    for (const digest of digestsOnDevice(member)) {
      const bytes = await readRecord(member, digest);
      if (bytes !== undefined) found.set(digestKey(digest), bytes);
    }
  }
  return stored;
}

function digestsOnDevice({ store: { index, space } }: ClusterMember): Uint8Array[] {
  const digests: Uint8Array[] = [];
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    index.forEach(partition, undefined, (entry: EntryRef) => {
      if (space.peek(entry.location, entry.sizeUnits) !== undefined) return true;
      const digest = new Uint8Array(20);
      entry.copyDigest(digest, 0);
      digests.push(digest);
      return true;
    });
  }
  return digests;
}

/** Undefined when the record is gone meanwhile, or can't be read. */
async function readRecord({ store }: ClusterMember, digest: Uint8Array): Promise<Uint8Array | undefined> {
  const entry = new EntryRef();
  for (;;) {
    if (!store.find(digest, 0, entry)) return undefined;
    let wake = () => {};
    const woken = new Promise<void>((resolve) => void (wake = resolve));
    const loaded = store.load(entry, { wake: () => wake() });
    if (loaded === LOADED.FAILED) return undefined;
    const { flat } = store;
    if (loaded === LOADED.HERE) {
      return flat.bytes.slice(flat.at, flat.at + entry.sizeUnits * UNIT_SIZE_BYTES);
    }
    await woken;
  }
}

/** All copies on these nodes; the bytes are copied. */
export function collectCopies(members: readonly ClusterMember[], stored?: StoredBytes): CopiesByDigest {
  const copies = new Map<string, RecordCopy[]>();
  for (const member of members) {
    const others = members.filter((other) => other !== member);
    forEachCopy(member, { others, stored: stored?.get(member) }, (digest, copy) => {
      const key = digestKey(digest);
      const list = copies.get(key);
      if (list === undefined) copies.set(key, [copy]);
      else list.push(copy);
    });
  }
  return copies;
}

function forEachCopy(
  member: ClusterMember,
  { others, stored }: {
    others: readonly ClusterMember[];
    stored: ReadonlyMap<string, Uint8Array> | undefined;
  },
  visit: (digest: Uint8Array, copy: RecordCopy) => void,
): void {
  const { store } = member;
  const { index, space } = store;
  const digest = new Uint8Array(20);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    if (index.partitionEntryCounts[partition] === 0) continue;
    const isSubset = others.some((other) => hasAllOf(other, member, { members: others, partition }));
    // The merge has begun, so that the copy's version is a new one; what it had before counts for nothing.
    const isSuperseded = member.partitions.isSuperseded(partition);
    index.forEach(partition, undefined, (entry: EntryRef) => {
      entry.copyDigest(digest, 0);
      const bytes = space.peek(entry.location, entry.sizeUnits)?.slice() ?? stored?.get(digestKey(digest));
      // What no other node has either can't be read any more, and says so when it is asked for.
      if (bytes === undefined && store.disk?.isOnFailed(entry.location) === true) return true;
      visit(digest, {
        member,
        generation: entry.generation,
        lastUpdateMs: entry.lastUpdateMs,
        voidTime: entry.voidTime,
        isTombstone: entry.isTombstone,
        isCovered: isSubset || isLeftOver(store, entry, isSuperseded),
        bytes: withoutTreeId(bytes ?? UNREAD),
      });
      return true;
    });
  }
}

/**
 * Whether one node's copy of a partition is complete and known to contain another's, by its own lineage or by that of a
 * third copy, which is a subset of it; see `src/partition/lineage.ts`.
 */
function hasAllOf(
  one: ClusterMember,
  other: ClusterMember,
  { members, partition }: { members: readonly ClusterMember[]; partition: number },
): boolean {
  const copy = copyOf(other, partition);
  const whole = copyOf(one, partition);
  if (!one.partitions.versions.exists(partition) || isSubset(whole)) return false;
  if (isKin(whole, copy)) return isSubset(copy);
  return covers(whole, copy) || members.some((member) => {
    const subset = copyOf(member, partition);
    return isSubset(subset) && isKin(subset, whole) && covers({ ...whole, lineage: subset.lineage }, copy);
  });
}

function copyOf({ partitions: { versions, lineages } }: ClusterMember, partition: number): MergingCopy {
  return { low: versions.low[partition], high: versions.high[partition], lineage: lineages.get(partition) };
}

function isSubset({ high }: MergingCopy): boolean {
  return (high & VERSION_BIT.SUBSET) !== 0;
}

function isKin(one: MergingCopy, other: MergingCopy): boolean {
  return one.low === other.low && ((one.high ^ other.high) & VERSION_LINEAGE_MASK) === 0;
}

/** Each node counts the trees that it has dropped by itself; the number is in the upper bits of the second word. */
function withoutTreeId(bytes: Uint8Array): Uint8Array {
  bytes[TREE_ID_AT] &= 0x03;
  return bytes;
}

/** Whether some clock says, or soon will, that the record has expired: nodes may have removed it. */
export function mayBeExpired({ voidTime }: RecordCopy, members: readonly ClusterMember[]): boolean {
  return voidTime !== 0 && latestS(members) + EXPIRY_SLACK_S >= voidTime;
}

/** Whether some node may take a copy for a tombstone that is old enough to be forgotten. */
function mayBeForgotten(
  { isTombstone, lastUpdateMs }: RecordCopy,
  members: readonly ClusterMember[],
): boolean {
  const { tombRaiderEligibleAge: ageS } = members[0].store.settings;
  return isTombstone && latestS(members) + EXPIRY_SLACK_S >= lastUpdateMs / 1000 + ageS;
}

/** Whether a copy is a tombstone that the writer of another copy may have been without, for its age. */
function isOutlived(copy: RecordCopy, copies: readonly RecordCopy[]): boolean {
  const ageMs = forgottenAfterMs(copy.member.store);
  return copy.isTombstone &&
    copies.some(({ isTombstone, lastUpdateMs }) => !isTombstone && lastUpdateMs - copy.lastUpdateMs > ageMs);
}

/** The latest time that any node's clock has shown, in seconds of the records' epoch. */
function latestS(members: readonly ClusterMember[]): number {
  const { nowUs } = members[0].machine.world.simulation;
  const ahead = members.map(({ machine: { wall } }) =>
    Math.max(wallAheadMs(wall, nowUs), wall.mostAheadMs ?? 0)
  );
  return (SIM_WALL_START_MS + nowUs / 1000 + Math.max(...ahead)) / 1000 - CITRUSLEAF_EPOCH_S;
}

/** Order in which copies win under a policy: the best one first. */
export function compareCopies(policy: "generation" | "last-update-time") {
  return (left: RecordCopy, right: RecordCopy): number => {
    const byGeneration = right.generation - left.generation;
    const byTime = right.lastUpdateMs - left.lastUpdateMs;
    const order = policy === "generation" ? byGeneration || byTime : byTime || byGeneration;
    return order || compareBytes(right.bytes, left.bytes);
  };
}

/** Whether two copies are the same record, byte for byte. */
export function sameCopy(left: RecordCopy, right: RecordCopy): boolean {
  return sameVersion(left, right) && compareBytes(left.bytes, right.bytes) === 0;
}

function sameVersion(left: RecordCopy, right: RecordCopy): boolean {
  return left.generation === right.generation && left.lastUpdateMs === right.lastUpdateMs &&
    left.voidTime === right.voidTime;
}

/** Whether a record may have come from a copy; of one whose device failed when it was looked at, the version is known. */
function mayComeFrom(copy: RecordCopy, found: RecordCopy): boolean {
  return copy.bytes === UNREAD ? sameVersion(copy, found) : sameCopy(copy, found);
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const count = Math.min(left.length, right.length);
  for (let at = 0; at < count; at++) if (left[at] !== right[at]) return left[at] - right[at];
  return left.length - right.length;
}

/** A copy for a report. */
export function copyText(
  { member, generation, lastUpdateMs, voidTime, isTombstone, isCovered, bytes }: RecordCopy,
): string {
  const kind = (isTombstone ? "tombstone" : `${bytes.length} bytes`) + (isCovered ? ", covered" : "");
  const expiry = voidTime === 0 ? "" : ` void-time ${voidTime}`;
  return `${member.id}: generation ${generation} LUT ${lastUpdateMs}${expiry} ${kind}`;
}

/** What there is to know about a cluster whose copies are compared. */
export interface ReplicaCheck {
  /** Names of records by digest. */
  readonly names: ReadonlyMap<string, string>;
  /** A member takes no tombstones: masters keep theirs, replicas just drop the record. */
  readonly hasStockLike: boolean;
  /** What is on devices alone. */
  readonly stored?: StoredBytes | undefined;
  /** Beside a member that tells no delta: whether a replica may have a record that the others don't know. */
  readonly mayBeStray?: (name: string) => boolean;
  /** Hears of each record that some replicas have alone, as they may. */
  readonly noteStray?: (name: string) => void;
}

/**
 * A whole and quiet cluster: every record has the same bytes on exactly the replicas of its partition, each partition
 * has one master, and clients can find every column.
 *
 * @throws {Error} that says what differs
 */
export function checkReplicas(members: readonly ClusterMember[], options: ReplicaCheck): CopiesByDigest {
  const { names } = options;
  checkOwnership(members);
  const copies = collectCopies(members, options.stored);
  for (const [key, list] of copies) {
    const isDropped = options.hasStockLike && list.every(({ isTombstone }) => isTombstone);
    const name = names.get(key) ?? key;
    if (isDropped || list.some((copy) => mayBeExpired(copy, members)) || list.every(isOver)) continue;
    const partition = partitionOf(key);
    const holders = list.map(({ member }) => member.id).sort().join(" ");
    const replicas = members.filter((member) => isReplica(member, partition)).map(({ id }) => id).sort().join(
      " ",
    );
    const text = list.map(copyText).join("; ");
    if (list.some((copy) => !sameCopy(copy, list[0]))) {
      throw new Error(`Copies of ${name} in partition ${partition} differ: ${text}`);
    }
    // Where no delta tells what a replica has alone, nothing removes what the others have lost by time or truncation.
    // What a write in doubt has left on one of them stays there, too.
    const mayBeAlone = options.hasStockLike &&
      (name.startsWith("t") || mayBeTruncated(name) || options.mayBeStray?.(name) === true) &&
      list.every(({ member }) => isReplica(member, partition));
    if (holders === replicas) continue;
    if (mayBeAlone) options.noteStray?.(name);
    else {
      throw new Error(
        `Record ${name} of partition ${partition} is on ${holders}, its replicas are ${replicas}: ${text}`,
      );
    }
  }
  return copies;
}

/**
 * Whether a copy may be what is left of an expired record. Only where an older copy is on its own device does a node
 * leave a tombstone then, so that others may have none.
 */
function isOver({ isTombstone, member }: RecordCopy): boolean {
  return isTombstone && member.store.space.keepsOldCopies;
}

function isReplica({ partitions }: ClusterMember, partition: number): boolean {
  const { balance } = partitions;
  if (balance === undefined) return true;
  return balance.selfPlace[partition] < partitions.effectiveReplicationFactor;
}

function checkOwnership(members: readonly ClusterMember[]): void {
  const { effectiveReplicationFactor: columnCount } = members[0].partitions;
  for (let column = 0; column < columnCount; column++) {
    const sum = new Uint8Array(PARTITION_COUNT);
    for (const { partitions } of members) {
      const bits = partitions.bitmap(column);
      for (let partition = 0; partition < PARTITION_COUNT; partition++) {
        if ((bits[partition >> 3] & (0x80 >> (partition & 7))) !== 0) sum[partition]++;
      }
    }
    const wrong = sum.findIndex((count) => count !== 1);
    if (wrong >= 0) {
      throw new Error(`${sum[wrong]} nodes claim copy ${column} of partition ${wrong} in a quiet cluster`);
    }
  }
}

/**
 * Whether a copy may be what is left when copies meet in steps, some by policy and some by time: each that is better by both
 * rules lost by one of them to a third copy, which lost by the other one.
 */
function mayWinSteps(
  found: RecordCopy,
  copies: readonly RecordCopy[],
  byPolicy: (left: RecordCopy, right: RecordCopy) => number,
): boolean {
  const byTime = compareCopies("last-update-time");
  const isBest = (copy: RecordCopy) => byPolicy(copy, found) < 0 && byTime(copy, found) < 0;
  const hasLost = (copy: RecordCopy) =>
    copies.some((third) =>
      (byTime(third, copy) < 0 && byPolicy(found, third) < 0) ||
      (byPolicy(third, copy) < 0 && byTime(found, third) < 0)
    );
  return copies.some((copy) => sameCopy(found, copy)) &&
    copies.every((copy) => !isBest(copy) || hasLost(copy));
}

/**
 * After a split: each record is the best of the copies that there were before the network healed, but for those that
 * others covered: a copy that was left behind has nothing that was acknowledged and is not in a later one.
 *
 * @param before all copies at that moment, when no client wrote any more
 * @throws {Error} that names a record with another value
 */
export function checkPolicy(
  { before, after }: { before: CopiesByDigest; after: CopiesByDigest },
  options: {
    policy: "generation" | "last-update-time";
    members: readonly ClusterMember[];
    names: ReadonlyMap<string, string>;
    /** Whether a request that its client gave up may have changed the record since. */
    inDoubt: (name: string) => boolean;
    /** Whether a copy was truncated since. */
    isTruncated?: (name: string, copy: RecordCopy) => boolean;
    /** Whether copies of a record met in several steps, some by policy and some by time. */
    hadBothRules?: (key: string) => boolean;
    /** A member takes no tombstones: each node that is told to drop a record makes one of its own. */
    hasStockLike?: boolean;
  },
): void {
  const { policy, members, names, inDoubt, hasStockLike } = options;
  const order = compareCopies(policy);
  const byTime = compareCopies("last-update-time");
  for (const [key, all] of before) {
    const found = after.get(key)?.[0];
    const name = names.get(key) ?? "";
    const list = all.filter((copy) => !options.isTruncated?.(name, copy));
    const known = found === undefined ? list : [...list, found];
    if (known.some((copy) => mayBeExpired(copy, members))) continue;
    // A later version may have expired before the network healed: without a trace, or one node has the tombstone of an older.
    if (name.startsWith("t") && (found === undefined || isOver(found))) continue;
    if (hasStockLike && known.some(({ isTombstone }) => isTombstone)) continue;
    const merged = list.filter(({ isCovered }) => !isCovered);
    if (found === undefined && merged.length === 0) continue;
    // Copies may have been merged before the truncation came, which then removed the best one.
    if (found === undefined && !list.includes([...all].sort(order)[0])) continue;
    // What one node alone has, in doubt, may be left behind with it; the copies that the others went on from are truncated.
    const isAlone = merged.length === 1 && list.length < all.length && inDoubt(name);
    if (found === undefined && isAlone) continue;
    const [best] = [...merged].sort(order);
    const [outliving] = merged.filter((copy) => !isOutlived(copy, merged)).sort(order);
    if (found !== undefined && outliving !== undefined && mayComeFrom(outliving, found)) continue;
    // Where it is in doubt whether copies went different ways the later one stays.
    const [latest] = [...merged].sort(byTime);
    if (
      found !== undefined && [best, latest].some((copy) => copy !== undefined && mayComeFrom(copy, found))
    ) {
      continue;
    }
    // A tombstone of what has expired may be on one replica alone, for an older copy on its device, and counts for nothing.
    const lasting = name.startsWith("t") ? merged.filter((copy) => !isOver(copy)) : [];
    const winners = [[...lasting].sort(order)[0], [...lasting].sort(byTime)[0]];
    if (found !== undefined && winners.some((copy) => copy !== undefined && mayComeFrom(copy, found))) {
      continue;
    }
    const isForgotten = found === undefined && [best, latest].every((copy) => mayBeForgotten(copy, members));
    if (isForgotten) continue;
    if (options.hadBothRules?.(key) && found !== undefined && mayWinSteps(found, merged, order)) continue;
    // A covered copy may have gone its own way since, and is merged then.
    const isCovered = list.some((copy) => copy.isCovered && found !== undefined && mayComeFrom(copy, found));
    if (isCovered && (merged.length === 0 || order(found!, best) < 0 || byTime(found!, latest) < 0)) continue;
    // A request that was under way when the copies were looked at may have been run since.
    const isBetter = found !== undefined &&
      (best === undefined || found.lastUpdateMs > best.lastUpdateMs || order(found, best) < 0);
    if (isBetter && inDoubt(name)) continue;
    // What not all replicas had confirmed may go when the copies of one side are made equal.
    if (found !== undefined && inDoubt(name) && list.some((copy) => mayComeFrom(copy, found))) continue;
    throw new Error(
      `After the split ${name} is not what the policy "${policy}" names: ${
        found === undefined ? "it is gone" : copyText(found)
      }; there were ${all.map(copyText).join("; ")}`,
    );
  }
}
