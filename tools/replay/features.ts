/**
 * Which parts of the protocol a request uses that the server does not have yet. A request that uses one of them is
 * outside the comparison with the stock server, and so is a test of the official client that sends one.
 * A feature leaves the table when it is built.
 *
 * @module
 */

import { FIELD, INFO1, INFO2, PROTO_TYPE_AS_MSG, PROTO_TYPE_INFO } from "../../src/wire/mod.ts";
import { utf8Decode } from "../../src/base/mod.ts";
import { decodeMessages, fieldOf, frameBody, frameType, type Message } from "./message.ts";

/** A part of the protocol that a request can use. */
export type Feature = "background query";

/** Info commands by the start of their name. */
const FEATURE_OF_INFO: readonly (readonly [prefix: string, feature: Feature])[] = [
  ["query-show", "background query"],
  ["query-abort", "background query"],
];

/** Whether a record message is a scan or query: it names no record and is no batch. */
export function isQuery(message: Message): boolean {
  return (message.info1 & INFO1.BATCH) === 0 && fieldOf(message, FIELD.DIGEST) === undefined;
}

/** Whether a record message is a batch. */
export function isBatch(message: Message): boolean {
  return (message.info1 & INFO1.BATCH) !== 0;
}

/** The feature that one line of an info request uses. */
export function featureOfInfoLine(line: string): Feature | undefined {
  return FEATURE_OF_INFO.find(([prefix]) => line.startsWith(prefix))?.[1];
}

/**
 * The features that a request frame uses.
 *
 * @param frame a whole, well-formed request
 */
export function featuresOfFrame(frame: Uint8Array): Set<Feature> {
  const features = new Set<Feature>();
  if (frameType(frame) === PROTO_TYPE_INFO) {
    for (const line of utf8Decode(frameBody(frame)).split("\n")) add(features, featureOfInfoLine(line));
  }
  if (frameType(frame) !== PROTO_TYPE_AS_MSG) return features;
  const message = decodeMessages(frameBody(frame))[0];
  if (isQuery(message) && (message.info2 & INFO2.WRITE) !== 0) features.add("background query");
  return features;
}

function add(features: Set<Feature>, feature: Feature | undefined): void {
  if (feature !== undefined) features.add(feature);
}
