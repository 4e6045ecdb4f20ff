/**
 * The data message of an exchange: from what a node knows of itself to the message, and from a message to a member.
 *
 * A field that only aerie nodes send names the machine, as UTF-8 in a buffer with id 0x7a03; stock nodes skip it.
 *
 * @module
 */

import { utf8, utf8Decode } from "../base/mod.ts";
import {
  EXCHANGE_COMPATIBILITY_ID,
  type ExchangeData,
  PEER_FIELD,
  type PeerField,
  truncationsToTell,
} from "../wire/mod.ts";
import type { ExchangeMember, ExchangeOwn } from "./exchange_types.ts";
import type { NodeId } from "./node_id.ts";

/** Field id of the sender's machine. */
export const EXCHANGE_HOST_FIELD = 0x7a03;

/** Longest name of a machine; longer ones are taken as if the node had not told it. */
const HOST_SIZE_MAX = 64;

/** Makes the data message of a node. */
export function makeExchangeData(clusterKey: number, own: ExchangeOwn): ExchangeData {
  const { namespaces, capabilities, incarnation, host, truncations } = own;
  const unknown: PeerField[] = host === undefined
    ? []
    : [{ id: EXCHANGE_HOST_FIELD, type: PEER_FIELD.BUFFER, bytes: utf8(host).slice(0, HOST_SIZE_MAX) }];
  return {
    type: "exchange",
    kind: "data",
    clusterKey,
    compatibilityId: EXCHANGE_COMPATIBILITY_ID,
    namespaces,
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(incarnation === undefined ? {} : { incarnation }),
    ...(truncations === undefined ? {} : { truncations: truncationsToTell(truncations) }),
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}

/** What a data message says of its sender. */
export function readExchangeData(node: NodeId, data: ExchangeData): ExchangeMember {
  const host = data.unknown?.find(({ id, type }) => id === EXCHANGE_HOST_FIELD && type === PEER_FIELD.BUFFER);
  const isKnown = host !== undefined && host.bytes.length > 0 && host.bytes.length <= HOST_SIZE_MAX;
  return {
    node,
    compatibilityId: data.compatibilityId ?? 0,
    capabilities: data.capabilities,
    incarnation: data.incarnation,
    host: isKnown ? utf8Decode(host.bytes) : undefined,
    truncations: data.truncations ?? [],
    namespaces: new Map(data.namespaces.map((namespace) => [namespace.name, namespace])),
  };
}
