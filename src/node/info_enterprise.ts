/**
 * Info commands of the Enterprise edition: all answer the stock Community server's error, by which tools decide what to
 * show. Source: wire-protocol reference, sections 9.2, 9.4 and 9.12.
 *
 * @module
 */

import { ENTERPRISE_ONLY, type InfoPermission, type InfoRow } from "./info_row.ts";

function row(name: string, doc: string, permission?: InfoPermission): InfoRow {
  return {
    name,
    reply: ENTERPRISE_ONLY,
    doc,
    askedBy: "asadm, rack-aware clients",
    hidden: true,
    ...(permission === undefined ? {} : { permission }),
    answer: () => ENTERPRISE_ONLY,
  };
}

/** See the module's text. */
export const enterpriseCommands: readonly InfoRow[] = [
  row("feature-key", "licence"),
  row("revive", "accept dead partitions", "service-ctrl"),
  row("roster", "nodes of strong consistency"),
  row("roster-set", "change the nodes of strong consistency", "service-ctrl"),
  row("masking", "hide bins from users", "masking-admin"),
  row("masking-show", "rules that hide bins"),
  row("xdr-dc-state", "state of shipping"),
  row("xdr-get-filter", "filter of shipping"),
  row("xdr-set-filter", "change the filter of shipping", "xdr-set-filter"),
  row("peers-tls-std", "other nodes, by TLS"),
  row("peers-tls-alt", "other nodes, by TLS and their alternate addresses"),
  row("alumni-tls-std", "nodes that were ever seen, by TLS"),
  row("alumni-tls-alt", "nodes that were ever seen, by TLS and their alternate addresses"),
  row("service-tls-std", "addresses of this node, by TLS"),
  row("service-tls-alt", "alternate addresses of this node, by TLS"),
  row("admin-tls-std", "addresses of the admin port, by TLS"),
];
