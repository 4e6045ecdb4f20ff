/**
 * The tree of contexts: which blocks exist, what their lines are, and which blocks they hold. The parser's result, the
 * environment, the flags, the reference page and the nearest-name search all follow this one tree.
 *
 * @module
 */
import { NAMESPACE_NAME_SIZE_MAX, SET_NAME_SIZE_MAX } from "../base/mod.ts";
import { logContextOptions, syslogOptions } from "./logging_options.ts";
import {
  geo2dsphereWithinOptions,
  indexTypeOptions,
  namespaceOptions,
  setOptions,
  sindexTypeOptions,
} from "./namespace_options.ts";
import {
  adminListenerOptions,
  fabricOptions,
  heartbeatOptions,
  httpListenerOptions,
  infoListenerOptions,
  serviceListenerOptions,
  tlsOptions,
} from "./network_options.ts";
import { defineNames, type OptionTable } from "./option.ts";
import { ldapOptions, modLuaOptions, securityLogOptions, securityOptions } from "./security_options.ts";
import { serviceOptions } from "./service_options.ts";
import { deviceStorageOptions, memoryStorageOptions, pmemStorageOptions } from "./storage_options.ts";
import { xdrDcOptions, xdrNamespaceOptions, xdrOptions } from "./xdr_options.ts";

/** Namespaces of one node. */
export const NAMESPACE_COUNT_MAX = 32;
/** Log sinks of one node, as in the stock server. */
export const LOG_SINK_COUNT_MAX = 8;

/** One kind of block. */
export interface ContextSpec {
  /** First word of the opening line. */
  keyword: string;
  /** Path for people and for the reference page, for example `namespace.storage-engine memory`. */
  path: string;
  /** Second word of the opening line when it chooses among blocks of one keyword, for example `memory`. */
  kind?: string;
  /** What the second word names, when the block has a name of its own. */
  names?: "namespace" | "set" | "file" | "tls" | "dc";
  /** Word that begins every line of the block (`context` in log sinks). */
  lineKeyword?: string;
  /** The options of the block. */
  table: OptionTable;
  /** Blocks inside it. */
  children: readonly ContextSpec[];
  /** Why the block is refused, and what to use instead; absent when it works. */
  unsupported?: string;
  /** The braces may be left out. */
  braceOptional?: boolean;
  /** One line for the reference page. */
  doc: string;
}

type SpecDetails = Partial<Omit<ContextSpec, "path" | "doc" | "table">>;

const none: OptionTable = defineNames({});

function block(path: string, doc: string, table: OptionTable = none, details: SpecDetails = {}): ContextSpec {
  const last = path.slice(path.lastIndexOf(".") + 1);
  const [keyword, second] = last.split(" ");
  const kind = second !== undefined && second === second.toLowerCase() ? { kind: second } : {};
  return { keyword, path, ...kind, table, doc, children: [], ...details };
}

const later = "is not supported yet";

const storageEngines: readonly ContextSpec[] = [
  block("namespace.storage-engine memory", "Records in memory.", memoryStorageOptions, {
    braceOptional: true,
  }),
  block("namespace.storage-engine device", "Records on devices or in files.", deviceStorageOptions, {
    braceOptional: true,
  }),
  block("namespace.storage-engine pmem", "Records in persistent memory.", pmemStorageOptions, {
    braceOptional: true,
    unsupported: `${later}; use storage-engine device or memory, with a file`,
  }),
];

function indexTypes(keyword: string, table: OptionTable): ContextSpec[] {
  const unsupported = `${later}; leave the block out, indexes are kept in memory`;
  return [
    block(`namespace.${keyword} shmem`, "Index in shared memory; here it stays in the process.", none, {
      braceOptional: true,
    }),
    block(`namespace.${keyword} pmem`, "Index in persistent memory.", table, {
      braceOptional: true,
      unsupported,
    }),
    block(`namespace.${keyword} flash`, "Index on devices.", table, { braceOptional: true, unsupported }),
  ];
}

/** All contexts; the root stands for the whole file. */
export const rootContext: ContextSpec = block("", "The whole file.", none, {
  children: [
    block("service", "The whole node.", serviceOptions),
    block("logging", "Where log lines go.", none, {
      children: [
        block("logging.console", "Log lines to the error output.", logContextOptions, {
          lineKeyword: "context",
        }),
        block("logging.file PATH", "Log lines to a file.", logContextOptions, {
          lineKeyword: "context",
          names: "file",
        }),
        block("logging.syslog", "Log lines to syslog.", syslogOptions, {
          unsupported: `${later}; use console or file`,
        }),
      ],
    }),
    block("network", "Listeners.", none, {
      children: [
        block("network.service", "The listener that clients use.", serviceListenerOptions),
        block(
          "network.admin",
          "A listener for administrators: info and security commands only.",
          adminListenerOptions,
        ),
        block("network.heartbeat", "How nodes find each other.", heartbeatOptions),
        block("network.fabric", "How nodes talk to each other.", fabricOptions),
        block("network.info", "Info commands as plain lines or in the binary form.", infoListenerOptions),
        block("network.http", "Health, metrics and status over HTTP; aerie's own.", httpListenerOptions),
        block("network.tls NAME", "Certificates.", tlsOptions, { names: "tls", unsupported: later }),
      ],
    }),
    block("namespace NAME", "One namespace.", namespaceOptions, {
      names: "namespace",
      children: [
        block("namespace.set NAME", "One set.", setOptions, { names: "set" }),
        block("namespace.geo2dsphere-within", "How regions are covered by cells.", geo2dsphereWithinOptions),
        ...indexTypes("index-type", indexTypeOptions),
        ...indexTypes("sindex-type", sindexTypeOptions),
        ...storageEngines,
      ],
    }),
    block("mod-lua", "User-defined functions.", modLuaOptions),
    block("security", "Access control; the presence of the block turns it on.", securityOptions, {
      unsupported: later,
      children: [
        block("security.ldap", "Users from a directory server.", ldapOptions, { unsupported: later }),
        block("security.log", "What access control logs.", securityLogOptions, { unsupported: later }),
      ],
    }),
    block("xdr", "Shipping to other clusters.", xdrOptions, {
      unsupported: later,
      children: [
        block("xdr.dc NAME", "One destination.", xdrDcOptions, {
          names: "dc",
          unsupported: later,
          children: [
            block("xdr.dc.namespace NAME", "What is shipped of one namespace.", xdrNamespaceOptions, {
              names: "namespace",
              unsupported: later,
            }),
          ],
        }),
      ],
    }),
  ],
});

/** All contexts below the root, parents before their children. */
export function allContexts(from: ContextSpec = rootContext): ContextSpec[] {
  return from.children.flatMap((child) => [child, ...allContexts(child)]);
}

/** The contexts of a block that one keyword opens. */
export function childrenNamed(context: ContextSpec, keyword: string): ContextSpec[] {
  return context.children.filter((child) => child.keyword === keyword);
}

/** Paths of the contexts that have an option or a block of a name. */
export function contextsThatKnow(name: string): string[] {
  const holders = [rootContext, ...allContexts()].filter((context) =>
    (context.lineKeyword === undefined && context.table.byName.has(name)) ||
    childrenNamed(context, name).length > 0
  );
  return holders.map((context) => context.path === "" ? "the top level" : context.path);
}

const nameSizeMax: Readonly<Record<string, number>> = {
  namespace: NAMESPACE_NAME_SIZE_MAX,
  set: SET_NAME_SIZE_MAX,
  file: 1023,
  tls: 255,
  dc: 31,
};

/**
 * What is wrong with the name of a block.
 *
 * @returns text, or undefined when the name is good
 */
export function nameProblem(context: ContextSpec, name: string): string | undefined {
  const sizeBytes = new TextEncoder().encode(name).length;
  const sizeMax = nameSizeMax[context.names ?? "file"];
  if (sizeBytes > sizeMax) return `the name has ${sizeBytes} bytes; give at most ${sizeMax}`;
  // Info commands separate names by these characters.
  if (context.names !== "file" && /[;:,=/\s]/.test(name)) return `the name must not hold ; : , = / or spaces`;
  return undefined;
}
