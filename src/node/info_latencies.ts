/**
 * Info commands that tell how long requests take, and how records are spread by life and size. Source: wire-protocol reference, section 9.11.
 *
 * @module
 */

import { NO_SET } from "../storage/mod.ts";
import type { InfoContext, InfoRow } from "./info_row.ts";
import { latencyText } from "./latencies.ts";

function latencies(context: InfoContext): string {
  const { node } = context;
  const name = context.get("hist");
  const histograms = name === undefined ? node.latencies.shown() : node.latencies.find(name);
  if (histograms.length === 0) return "ERROR:4:bad hist name";
  const unit = node.settings.service.microsecondHistograms ? "usec" : "msec";
  return histograms.map((one) => latencyText(one.name, node.latencies.slice(one.histogram), unit)).join(";");
}

/** The histogram `type` of a namespace or, with `set`, of a set. */
function histogram(context: InfoContext): string {
  const { value: namespace, error } = context.namespace();
  if (error !== undefined) return error;
  const type = context.need("type");
  if (type.error !== undefined) return type.error;
  const { histograms, sets } = namespace.store;
  if (context.get("set") === undefined) return histograms.text(type.value, NO_SET);
  const setName = context.need("set");
  if (setName.error !== undefined) return setName.error;
  const set = sets.byName(setName.value);
  return set === undefined ? "ERROR:4:unknown set name" : histograms.text(type.value, set.id);
}

/** See the module's text. */
export const latencyCommands: readonly InfoRow[] = [
  {
    name: "latencies",
    parameters: "[hist=NAME]",
    reply:
      "NAME:UNIT,PER-SECOND,P0,...,P16;... (Pn: percent that took 2^n units or more) | ERROR:4:bad hist name",
    doc: "latencies of the last slice of ticker-interval seconds",
    askedBy: "asadm, exporter",
    answer: latencies,
  },
  {
    name: "histogram",
    parameters: "namespace=NS;type=ttl|object-size|object-size-linear[;set=SET]",
    reply:
      "units=UNIT:hist-width=N:bucket-width=N:buckets=N,... | units=bytes:[LOW-HIGH)=N:... | hist-unavailable",
    doc: "lives or sizes of records, collected every nsup-hist-period and when first asked for",
    askedBy: "asadm",
    answer: histogram,
  },
];
