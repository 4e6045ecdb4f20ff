/**
 * Metrics in the Prometheus text format, under the names of Aerospike's Prometheus exporter, so that its dashboards work
 * without it: `aerospike_node_stats_*`, `aerospike_namespace_*`, `aerospike_sets_*`, `aerospike_sindex_*`, `aerospike_latencies_*`. They come
 * from the functions that answer the info commands. Source: server-operations reference, section 10.2.
 *
 * A node may have thousands of sets, so the text is made in slices, between which clients are served.
 *
 * @module
 */

import { decodeBase64, SERVER_BUILD, SLICE_MAX_MS, utf8Decode } from "../base/mod.ts";
import { endpointText, getConfig, namespaceLines } from "../config/mod.ts";
import {
  type AerieNode,
  namespaceStatistics,
  nodeStatistics,
  serviceEndpoints,
  setsOf,
  setStatistics,
  sindexStatistics,
  type Statistic,
  userAgentCounts,
} from "../node/mod.ts";
import { isGauge, type MetricGroup, NAMES_WITHOUT_METRIC } from "./metric_types.ts";
import { Families, type Labels } from "./prometheus_text.ts";

/** Sets between two looks at the clock. */
const SETS_PER_STEP = 64;

/** All metrics of a node as text. */
export async function metricsText(node: AerieNode): Promise<string> {
  const { clock } = node.ports;
  const parts: string[] = [];
  let deadlineMs = clock.monotonicMs() + SLICE_MAX_MS;
  for (const part of metricsParts(node)) {
    parts.push(part);
    if (clock.monotonicMs() < deadlineMs) continue;
    await new Promise<void>((resolve) => clock.nextTurn(resolve));
    deadlineMs = clock.monotonicMs() + SLICE_MAX_MS;
  }
  return parts.join("");
}

/** The text in parts; an empty one is a moment to do something else. */
function* metricsParts(node: AerieNode): Generator<string> {
  const labels = nodeLabels(node);
  yield* nodeFamilies(node, labels).text();
  yield* namespaceFamilies(node, labels);
  yield* setFamilies(node, labels);
  yield* indexFamilies(node, labels);
  yield* latencyFamilies(node, labels).text();
}

function nodeLabels(node: AerieNode): Labels {
  const [endpoint] = serviceEndpoints(node);
  return {
    cluster_name: node.settings.service.clusterName || "null",
    service: endpoint === undefined ? "" : endpointText(endpoint),
  };
}

function nodeFamilies(node: AerieNode, labels: Labels): Families {
  const families = new Families();
  const about = { build: SERVER_BUILD, node_id: node.identity.id };
  const isUp = node.state === "ready" ? 1 : 0;
  families.add({ name: "aerospike_node_up", type: "gauge", labels: { ...labels, ...about }, value: isUp });
  addStatistics(families, "node_stats", labels, nodeStatistics(node));
  addConfig(families, "node_stats", labels, getConfig(node.settings, { context: "service" }).split(";"));
  addUserAgents(families, node, labels);
  return families;
}

/** A user agent is `1,CLIENT-VERSION,APPLICATION` in base64; clients may say anything. */
function addUserAgents(families: Families, node: AerieNode, labels: Labels): void {
  for (const [agent, value] of userAgentCounts(node)) {
    const [, client = "", application = ""] = utf8Decode(decodeBase64(agent)!).split(",");
    families.add({
      name: metricName("node_stats", "user_agent_details"),
      type: "gauge",
      labels: { ...labels, client_library_version: client, client_app_id: application },
      value,
    });
  }
}

function* namespaceFamilies(node: AerieNode, labels: Labels): Generator<string> {
  const families = new Families();
  for (const namespace of node.namespaces) {
    const { name, storage } = namespace.settings;
    const own = { ...labels, ns: name, storage_engine: storage.kind };
    addStatistics(families, "namespace", own, namespaceStatistics(node, namespace));
    addConfig(families, "namespace", own, namespaceLines(namespace.settings));
    yield "";
  }
  yield* families.text();
}

function* setFamilies(node: AerieNode, labels: Labels): Generator<string> {
  const families = new Families();
  for (const namespace of node.namespaces) {
    let count = 0;
    for (const set of setsOf(namespace)) {
      const own = { ...labels, ns: namespace.settings.name, set: set.name };
      addStatistics(families, "sets", own, setStatistics(namespace, set));
      if (++count % SETS_PER_STEP === 0) yield "";
    }
  }
  yield* families.text();
}

function* indexFamilies(node: AerieNode, labels: Labels): Generator<string> {
  const families = new Families();
  for (const { indexes, settings } of node.namespaces) {
    for (const index of indexes.list()) {
      if (index.name === "") continue;
      addStatistics(
        families,
        "sindex",
        { ...labels, ns: settings.name, sindex: index.name },
        sindexStatistics(index),
      );
    }
    yield "";
  }
  yield* families.text();
}

/** Operations per second of the last slice, by the time that they took at most, as the exporter has it. */
function latencyFamilies(node: AerieNode, labels: Labels): Families {
  const families = new Families();
  const unit = node.settings.service.microsecondHistograms ? "us" : "ms";
  for (const { namespace, operation, histogram } of node.latencies.shown()) {
    const slice = node.latencies.slice(histogram);
    if (slice === undefined) continue;
    const own: Labels = namespace === undefined ? labels : { ...labels, ns: namespace };
    const name = `aerospike_latencies_${operation.replaceAll("-", "_")}_${unit}`;
    const add = (le: string, value: number) =>
      families.add({ name: `${name}_bucket`, type: "gauge", labels: { ...own, le }, value });
    const perSecond = slice.count === 0 ? 0 : slice.perSecond / slice.count;
    slice.slowerCounts.forEach((slower, exponent) =>
      add(String(2 ** exponent), (slice.count - slower) * perSecond)
    );
    add("+Inf", slice.perSecond);
    families.add({ name: `${name}_count`, type: "gauge", labels: own, value: slice.perSecond });
  }
  return families;
}

function addStatistics(
  families: Families,
  group: MetricGroup,
  labels: Labels,
  statistics: readonly Statistic[],
): void {
  for (const [name, value] of statistics) {
    const number = numberOf(value);
    if (number === undefined || NAMES_WITHOUT_METRIC.has(name)) continue;
    const [, kind, index] = /^storage-engine\.(stripe|file|device)\[(\d+)\]\./.exec(name) ?? [];
    const plain = index === undefined ? name : name.replace(`[${index}]`, "");
    families.add({
      name: metricName(group, plain),
      type: isGauge(group, plain) ? "gauge" : "counter",
      labels: index === undefined ? labels : { ...labels, ...placeLabels(kind, index) },
      value: number,
    });
  }
}

/** Labels of a stripe, file or device. */
function placeLabels(kind: string, index: string): Labels {
  return kind === "stripe"
    ? { stripe: `stripe-${index}`, stripe_index: index }
    : { [`${kind}_index`]: index };
}

/** Configuration values that are numbers or booleans are gauges. */
function addConfig(families: Families, group: MetricGroup, labels: Labels, lines: readonly string[]): void {
  for (const line of lines) {
    const equals = line.indexOf("=");
    const name = line.slice(0, equals);
    const text = line.slice(equals + 1);
    if (NAMES_WITHOUT_METRIC.has(name) || !/^(true|false|-?\d+(\.\d+)?)$/.test(text)) continue;
    const value = text === "true" ? 1 : text === "false" ? 0 : Number(text);
    families.add({ name: metricName(group, name), type: "gauge", labels, value });
  }
}

function metricName(group: MetricGroup, name: string): string {
  return `aerospike_${group}_${name.replace(/[^A-Za-z0-9_]/g, "_")}`;
}

/** A statistic's number; texts count only as decimal fractions and as pairs, of which the second number counts. */
function numberOf(value: Statistic[1]): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  const text = /^(?:\d+:(\d+)|(-?\d+\.\d+))$/.exec(value);
  return text === null ? undefined : Number(text[1] ?? text[2]);
}
