/**
 * What every source of settings is turned into: blocks that are opened, and options that are set, each with its origin.
 * Later assignments win; a list that is given again in a later source replaces the earlier one.
 *
 * @module
 */
import type { ContextSpec } from "./contexts.ts";
import type { Diagnostic, DiagnosticSite } from "./diagnostic.ts";
import type { Option, OptionValue } from "./option.ts";
import { describeAllowed, formatValue, parseValue, sameValue } from "./value.ts";

/** Where a value came from. */
export interface Origin {
  /** The layer. */
  kind: "default" | "image" | "file" | "environment" | "flag";
  /** For people: `default`, `aerospike.conf:12`, `AERIE_SERVICE__PROTO_FD_MAX`, `--service.proto-fd-max`. */
  text: string;
}

/** One step towards the settings. `path` names the block, for example `["namespace", "test", "set", "users"]`. */
export type Assignment =
  | { what: "open"; path: readonly string[]; context: ContextSpec; origin: Origin }
  | {
    what: "set";
    path: readonly string[];
    context: ContextSpec;
    option: Option;
    value: OptionValue;
    origin: Origin;
  };

/** The path of an option as it is printed: `namespace.test.set.users.default-ttl`. */
export function pathText(path: readonly string[], name?: string): string {
  return [...path, ...(name === undefined ? [] : [name])].join(".");
}

/**
 * Reads one value and judges whether this version can honour it.
 *
 * @param option the row
 * @param raw text of the value, words separated by single spaces
 * @param options where to report, and whether the whole block is refused already
 * @returns the value, or undefined when it is refused
 */
export function acceptValue(
  option: Option,
  raw: string,
  options: { site: DiagnosticSite; report: (diagnostic: Diagnostic) => void; muted?: boolean },
): OptionValue | undefined {
  const { site, report, muted } = options;
  const parsed = parseValue(option, raw);
  if (!parsed.ok) {
    const allowed = parsed.allowed === undefined ? {} : { allowed: parsed.allowed };
    report({ severity: "error", ...site, message: parsed.problem, ...allowed });
    return undefined;
  }
  if (muted || sameValue(parsed.value, option.default)) return parsed.value;
  if (option.status === "unsupported") {
    const message = option.instead ?? "is not supported yet; leave it out";
    const hasAllowed = option.instead === undefined && option.type !== "list" && option.default !== "";
    const allowed = hasAllowed ? { allowed: formatValue(option, option.default) } : {};
    report({ severity: "error", ...site, message, ...allowed });
    return undefined;
  }
  if (option.status === "accepted" && !option.quiet) {
    const message = option.instead ?? "is accepted and has no effect in this version";
    report({ severity: "warning", ...site, message });
  }
  return parsed.value;
}

/** The remark for an option that was given without the value it needs. */
export function missingValue(option: Option, site: DiagnosticSite): Diagnostic {
  return { severity: "error", ...site, message: "must have a value", allowed: describeAllowed(option) };
}
