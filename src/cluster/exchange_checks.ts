/**
 * Checks of what members told. All members have the same data, so that all come to the same answer: an exchange that one
 * refuses is committed by none. Source: clustering reference, section 9.7.
 *
 * @module
 */

import type { ExchangeData, ExchangeNamespace } from "../wire/mod.ts";
import { COMPATIBILITY_ID_MIN, type ExchangeMember } from "./exchange_types.ts";
import { nodeIdForLog } from "./node_id.ts";

/** Replication factors above it are refused: no cluster has more nodes. */
const REPLICATION_FACTOR_MAX = 256;

/**
 * What is wrong with the data of one member by itself.
 *
 * @returns undefined when nothing is; data that is refused is not acknowledged
 */
export function findDataFault(data: ExchangeData): string | undefined {
  const names = new Set<string>();
  for (const { name, replicationFactor } of data.namespaces) {
    if (name === "") return "a namespace has no name";
    if (names.has(name)) return `namespace "${name}" is there twice`;
    names.add(name);
    if (replicationFactor !== undefined && replicationFactor > REPLICATION_FACTOR_MAX) {
      return `namespace "${name}" has replication-factor ${replicationFactor}, at most 256 is possible`;
    }
  }
  return undefined;
}

/** Why members can't form one cluster, as texts for people; empty when they can. */
export function findProblems(members: readonly ExchangeMember[]): string[] {
  const problems: string[] = [];
  for (const { node, compatibilityId } of members) {
    if (compatibilityId >= COMPATIBILITY_ID_MIN) continue;
    problems.push(
      `node ${
        nodeIdForLog(node)
      } has compatibility id ${compatibilityId}, expected ${COMPATIBILITY_ID_MIN} or more: ` +
        "upgrade it",
    );
  }
  const names = new Set(members.flatMap(({ namespaces }) => [...namespaces.keys()]));
  for (const name of names) {
    const factors = members.map((member) => valueOf(member, name, replicationFactorOf));
    const factorText = describeDifference(members, factors);
    if (factorText !== undefined) {
      problems.push(
        `namespace "${name}" has replication-factor ${factorText}: set the same on all nodes`,
      );
    }
    const modes = members.map((member) => valueOf(member, name, modeOf));
    const modeText = describeDifference(members, modes);
    if (modeText !== undefined) {
      problems.push(
        `namespace "${name}" has strong-consistency ${modeText}: it must be the same on all nodes`,
      );
    }
  }
  return problems;
}

function valueOf<Value>(
  member: ExchangeMember,
  name: string,
  read: (namespace: ExchangeNamespace) => Value,
): Value | undefined {
  const namespace = member.namespaces.get(name);
  return namespace && read(namespace);
}

/** A namespace without the field is of a release before the field, which had no way to change it: 0. */
const replicationFactorOf = (namespace: ExchangeNamespace) => namespace.replicationFactor ?? 0;

const modeOf = (namespace: ExchangeNamespace) => (namespace.rebalanceRegime ?? 0) !== 0;

/** "2 on node a and 3 on node b" for the first two values that differ; members without a value don't count. */
function describeDifference(
  members: readonly ExchangeMember[],
  values: readonly unknown[],
): string | undefined {
  const first = values.findIndex((value) => value !== undefined);
  const other = values.findIndex((value) => value !== undefined && value !== values[first]);
  if (other < 0) return undefined;
  const [a, b] = [members[first], members[other]].map(({ node }) => nodeIdForLog(node));
  return `${values[first]} on node ${a} and ${values[other]} on node ${b}`;
}
