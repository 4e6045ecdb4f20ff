/**
 * Info commands that tell what a node is. Source: wire-protocol reference, section 9.3.
 *
 * @module
 */

import {
  AERIE_VERSION,
  COMPATIBILITY_ID,
  PARTITION_COUNT,
  SERVER_BUILD,
  SERVER_EDITION,
  SERVER_FEATURES,
} from "../base/mod.ts";
import type { AerieNode } from "./node.ts";
import type { InfoRow } from "./info_row.ts";

/** What stands for the commit of a build. */
const BUILD_LABEL = `aerie-${AERIE_VERSION}`;

function releaseText(node: AerieNode): string {
  const { os, arch } = node.ports.host.platform();
  return `edition=${SERVER_EDITION};version=${SERVER_BUILD};os=${os};arch=${arch};sha=${BUILD_LABEL}`;
}

/** See the module's text. */
export const identityCommands: readonly InfoRow[] = [
  {
    name: "node",
    reply: "NODE-ID: hexadecimal, upper case, up to 16 digits",
    doc: "id of this node",
    askedBy: "clients, tools",
    answer: ({ node }) => node.identity.id,
  },
  {
    name: "name",
    reply: "NODE-ID",
    doc: "id of this node",
    askedBy: "old clients",
    deprecated: "node",
    hidden: true,
    answer: ({ node }) => node.identity.id,
  },
  {
    name: "build",
    reply: "four numbers joined by dots",
    doc: "release whose protocol is spoken; clients choose their commands by it",
    askedBy: "clients, tools",
    answer: () => SERVER_BUILD,
  },
  {
    name: "edition",
    reply: "text",
    doc: "edition whose rules apply",
    askedBy: "asadm, exporter",
    deprecated: "release",
    answer: () => SERVER_EDITION,
  },
  {
    name: "version",
    reply: "EDITION build BUILD",
    doc: "edition and release in one text",
    askedBy: "tools",
    deprecated: "release",
    answer: () => `${SERVER_EDITION} build ${SERVER_BUILD}`,
  },
  {
    name: "release",
    reply: "edition=TEXT;version=BUILD;os=TEXT;arch=TEXT;sha=TEXT",
    doc: "all about the build; sha names the version of aerie",
    askedBy: "asadm",
    answer: ({ node }) => releaseText(node),
  },
  {
    name: "build_os",
    reply: "text",
    doc: "operating system",
    askedBy: "asadm",
    deprecated: "release",
    answer: ({ node }) => node.ports.host.platform().os,
  },
  {
    name: "build_arch",
    reply: "text",
    doc: "architecture of the processor",
    askedBy: "asadm",
    deprecated: "release",
    answer: ({ node }) => node.ports.host.platform().arch,
  },
  {
    name: "build_time",
    reply: "unknown",
    doc: "time of the build, which is not recorded; some clients stumble over an empty value",
    askedBy: "asadm",
    deprecated: "release",
    answer: () => "unknown",
  },
  {
    name: "build_sha",
    reply: "text",
    doc: "version of aerie",
    askedBy: "asadm",
    deprecated: "release",
    answer: () => BUILD_LABEL,
  },
  {
    name: "build_ee_sha",
    reply: "text, empty",
    doc: "commit of the Enterprise part, of which there is none",
    askedBy: "asadm",
    deprecated: "release",
    answer: () => "",
  },
  {
    name: "features",
    reply: "WORD;WORD;...",
    doc: "feature words of the release",
    askedBy: "clients",
    deprecated: "build",
    answer: () => SERVER_FEATURES.join(";"),
  },
  {
    name: "compatibility-id",
    reply: "NUMBER",
    doc: "version of the protocol between nodes",
    askedBy: "tools",
    deprecated: "statistics",
    answer: () => String(COMPATIBILITY_ID),
  },
  {
    name: "status",
    reply: "ok",
    doc: "the node answers",
    askedBy: "scripts, health checks",
    answer: () => "ok",
  },
  {
    name: "connection",
    reply: "admin=true | admin=false",
    doc: "whether this connection came in by the admin port",
    askedBy: "asadm",
    hidden: true,
    answer: ({ session }) => `admin=${session.kind === "admin"}`,
  },
  {
    name: "cluster-name",
    reply: "NAME | null",
    doc: "configured name of the cluster",
    askedBy: "clients, tools",
    answer: ({ node }) => node.settings.service.clusterName || "null",
  },
  {
    name: "digests",
    reply: "RIPEMD160",
    doc: "hash that makes digests of keys",
    askedBy: "old clients",
    hidden: true,
    answer: () => "RIPEMD160",
  },
  {
    name: "partitions",
    reply: "4096",
    doc: "partitions of a namespace",
    askedBy: "old clients",
    hidden: true,
    answer: () => String(PARTITION_COUNT),
  },
  {
    name: "objects",
    reply: "NUMBER",
    doc: "records of all namespaces",
    askedBy: "scripts",
    hidden: true,
    answer: ({ node }) => String(node.namespaces.reduce((sum, { store }) => sum + store.objectCount, 0)),
  },
  {
    name: "namespaces",
    reply: "NS;NS;...",
    doc: "names of the namespaces",
    askedBy: "tools",
    answer: ({ node }) => node.namespaces.map(({ settings }) => settings.name).join(";"),
  },
];
