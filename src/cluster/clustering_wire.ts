/**
 * Clustering messages between the core, which calculates with hybrid times, and the codec, which holds them as text.
 *
 * @module
 */

import type { ClusteringMessage as WireMessage } from "../wire/mod.ts";
import type { ClusteringMessage } from "./clustering_types.ts";
import { hlcFromText, hlcToText } from "./hlc.ts";

/** The codec's form of a message. */
export function clusteringToWire(message: ClusteringMessage): WireMessage {
  const timestamp = hlcToText(message.timestamp);
  if (!("sequenceNumber" in message)) return { ...message, type: "clustering", timestamp };
  return { ...message, type: "clustering", timestamp, sequenceNumber: hlcToText(message.sequenceNumber) };
}

/** The core's form of a decoded message. */
export function clusteringFromWire(message: WireMessage): ClusteringMessage {
  const timestamp = hlcFromText(message.timestamp);
  if (!("sequenceNumber" in message)) return { ...message, timestamp };
  return { ...message, timestamp, sequenceNumber: hlcFromText(message.sequenceNumber) };
}
