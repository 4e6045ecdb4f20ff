/**
 * What one info command is, and what its answer may draw on. Source: wire-protocol reference, sections 9.1 and 9.2.
 *
 * @module
 */

import { NAMESPACE_NAME_SIZE_MAX, utf8 } from "../base/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { type InfoCommand, infoParameter } from "../wire/mod.ts";
import { PendingAnswer } from "./info_pending.ts";
import type { AerieNode } from "./node.ts";
import type { Session } from "./session.ts";

export { safeText } from "../wire/mod.ts";

/** Answer to a command that changed something or has nothing to tell. */
export const OK = "ok";
/** Answer to a name that is not in the table. */
export const UNRECOGNIZED = "ERROR:4:unrecognized command";
/** Answer to commands of the Enterprise edition. */
export const ENTERPRISE_ONLY = "ERROR:25:enterprise only";

/** Answers to a change of the cluster-wide metadata. */
const KEEP_ANSWERS = {
  ok: OK,
  refused: "ERROR:4:refused: too many changes at once, or a name too long",
  timeout: "ERROR:9:timeout: not all members have confirmed it; it may have happened or happen yet",
} as const;

/** What a user needs to be allowed to ask, once there are users. */
export type InfoPermission =
  | "set-config"
  | "logging-ctrl"
  | "service-ctrl"
  | "query-admin"
  | "sindex-admin"
  | "truncate"
  | "udf-admin"
  | "evict-admin"
  | "record-info"
  | "masking-admin"
  | "xdr-set-filter";

/** One info command. */
export interface InfoRow {
  /** Name, at most 31 bytes. */
  name: string;
  /** Parameters as people write them, square brackets around optional ones; absent for none. */
  parameters?: string;
  /** Grammar of the answer. */
  reply: string;
  /** What it tells or does, in one line. */
  doc: string;
  /** Who asks. */
  askedBy: string;
  /** What a user needs to be allowed to ask. */
  permission?: InfoPermission;
  /** Answered, but not listed by `help`. */
  hidden?: boolean;
  /** Answered and counted as deprecated; the name of what to ask instead. */
  deprecated?: string;
  /** The answer, without line feeds; a pending one when other nodes must agree first. */
  answer: (context: InfoContext) => string | PendingAnswer;
}

/** What a command's answer may draw on. */
export class InfoContext {
  /** The node that is asked. */
  readonly node: AerieNode;
  /** The connection that asks. */
  readonly session: Session;
  /** The command. */
  readonly command: InfoCommand;
  /** The command was asked in a form that is deprecated. */
  usedDeprecatedForm = false;

  /** @param parts who asks whom for what */
  constructor(parts: { node: AerieNode; session: Session; command: InfoCommand }) {
    this.node = parts.node;
    this.session = parts.session;
    this.command = parts.command;
  }

  /** The parameter text has `key=value` items, rather than words between slashes or nothing. */
  get isKeyed(): boolean {
    return /^[^/]*=/.test(this.command.parameters);
  }

  /** The words of the older form `name/word/word`; empty when there are none. */
  get words(): string[] {
    const { parameters } = this.command;
    return parameters === "" || this.isKeyed ? [] : parameters.split("/").filter((word) => word !== "");
  }

  /** Value of a parameter, possibly empty; undefined when it is missing. */
  get(key: string): string | undefined {
    return infoParameter(this.command.parameters, key);
  }

  /**
   * A parameter that must be there and have a value.
   *
   * @param options `sizeMaxBytes` of the value; `code` of the errors, by default 4
   */
  need(key: string, options: { sizeMaxBytes?: number; code?: number } = {}): Parameter {
    const { sizeMaxBytes = Infinity, code = 4 } = options;
    const value = this.get(key);
    if (value === undefined) return { error: `ERROR:${code}:missing '${key}'` };
    if (value === "") return { error: `ERROR:${code}:missing '${key}' value` };
    if (utf8(value).length > sizeMaxBytes) return { error: `ERROR:${code}:'${key}' value too long` };
    return { value };
  }

  /**
   * Sets an item of the cluster-wide metadata, null removes it.
   *
   * @returns `ok`, once all members have the item
   */
  keep(module: number, key: string, value: string | null): PendingAnswer {
    const pending = new PendingAnswer();
    this.node.metadata.set(module, key, value, (result) => pending.settle(KEEP_ANSWERS[result]));
    return pending;
  }

  /** The name of the namespace that the command is about, whether or not it is on this node. */
  namespaceName(): Parameter {
    const key = this.get("namespace") === undefined && this.get("ns") !== undefined ? "ns" : "namespace";
    return this.need(key, { sizeMaxBytes: NAMESPACE_NAME_SIZE_MAX, code: 20 });
  }

  /** The namespace that the command names (as `namespace` or, older, as `ns`), or the error that says why not. */
  namespace(): { value: Namespace; error?: never } | { value?: never; error: string } {
    const name = this.namespaceName();
    if (name.error !== undefined) return name;
    const value = this.node.namespace(name.value);
    return value === undefined ? { error: "ERROR:20:namespace not found on node" } : { value };
  }
}

/** A parameter's value, or the error that says why there is none. */
export type Parameter = { value: string; error?: never } | { value?: never; error: string };
