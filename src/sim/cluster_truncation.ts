/**
 * Whether what was truncated is gone, on every node.
 *
 * @module
 */
import { type CopiesByDigest, copyText, type RecordCopy } from "./cluster_copies.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { mayBeTruncated, TRUNCATED_SET } from "./workload.ts";

/** The mark of the set on a node: milliseconds since 2010, 0 for none. */
export function truncationMark({ store }: ClusterMember): number {
  return store.sets.byName(TRUNCATED_SET)?.truncateLutMs ?? 0;
}

/** Whether all nodes have the same mark and have removed what it removes; else what is missing. */
export function whyNotTruncated(members: readonly ClusterMember[]): string | undefined {
  const mark = truncationMark(members[0]);
  for (const member of members) {
    if (truncationMark(member) !== mark) {
      return `${member.id} truncates to ${truncationMark(member)}, ${members[0].id} to ${mark}`;
    }
    if (member.store.sets.byName(TRUNCATED_SET)?.truncating) {
      return `${member.id} still removes what was truncated`;
    }
  }
  return undefined;
}

/** Whether a truncation removes a copy. */
export function isTruncated(name: string, { lastUpdateMs }: RecordCopy, markMs: number): boolean {
  return mayBeTruncated(name) && lastUpdateMs <= markMs;
}

/**
 * A whole and quiet cluster: no node holds a copy that is older than the truncation of its set.
 *
 * @throws {Error} that names the copy
 */
export function checkTruncated(
  members: readonly ClusterMember[],
  copies: CopiesByDigest,
  names: ReadonlyMap<string, string>,
): void {
  const markMs = truncationMark(members[0]);
  for (const [digest, list] of copies) {
    const name = names.get(digest) ?? "";
    const back = list.find((copy) => isTruncated(name, copy, markMs));
    if (back !== undefined) {
      throw new Error(`Record ${name} was truncated to ${markMs} and is there: ${copyText(back)}`);
    }
  }
}
