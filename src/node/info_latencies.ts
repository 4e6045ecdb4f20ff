/**
 * Info commands that tell how long requests take. Source: wire-protocol reference, section 9.11.
 *
 * @module
 */

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
];
