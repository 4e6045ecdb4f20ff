/**
 * Node ids as the cluster uses them: texts of 16 lower-case hexadecimal digits, so that texts sort like the numbers
 * and serve as keys of maps. Source: clustering reference, section 2.
 *
 * @module
 */

/** A node's id: 16 lower-case hexadecimal digits; never zero where a node is meant. */
export type NodeId = string;

/** "No node": an orphan has no principal, a content member prefers nobody. */
export const NO_NODE: NodeId = "0000000000000000";

/** Whether the text is a node id in canonical form, and not zero. */
export function isNodeId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text) && text !== NO_NODE;
}

/** How log lines write a node id: lower case, no leading zeros. */
export function nodeIdForLog(node: NodeId): string {
  return node.replace(/^0+(?=.)/, "");
}

/** Orders ids largest first, for `sort`. */
export function byIdDescending(a: NodeId, b: NodeId): number {
  return a < b ? 1 : a > b ? -1 : 0;
}

/** The ids without repetition, largest first: the order of a succession list. */
export function toSuccession(nodes: Iterable<NodeId>): NodeId[] {
  return [...new Set(nodes)].sort(byIdDescending);
}

/** Whether two succession lists are the same. */
export function sameSuccession(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((node, at) => node === b[at]);
}
