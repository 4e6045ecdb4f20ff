/**
 * The sources that change single settings: `AERIE_…` names of the environment, command-line flags, and, when no file is
 * given, the names that the stock container image takes.
 *
 *     --namespace.test.default-ttl 30D        AERIE_NAMESPACE__TEST__DEFAULT_TTL=30D
 *     --network.service.port=3100             AERIE_NETWORK__SERVICE__PORT=3100
 *
 * A path is written with dots in flags and with two underscores in the environment, where `-` becomes `_` and all
 * letters are upper case. A list takes its entries separated by commas.
 *
 * @module
 */
import { acceptValue, type Assignment, type Origin, pathText } from "./assignment.ts";
import { childrenNamed, type ContextSpec, rootContext } from "./contexts.ts";
import { type Diagnostic, type DiagnosticSite, quoted } from "./diagnostic.ts";
import { nearestName } from "./nearest.ts";
import { obsoleteAdvice } from "./obsolete.ts";
import type { Layer } from "./read_tree.ts";
import type { Settings } from "./settings.ts";

/** Prefix of the environment names that are settings. */
export const ENVIRONMENT_PREFIX = "AERIE_";

/** One setting that a flag or an environment name gives. */
export interface Override {
  /** The layer it belongs to. */
  kind: "environment" | "flag" | "image";
  /** The name as written, with dashes or prefix, for origins and remarks. */
  source: string;
  /** Path and option, for example `["namespace", "test", "default-ttl"]`. */
  path: readonly string[];
  /** Text of the value; undefined when a flag had none. */
  value: string | undefined;
}

/** The overrides of an environment: names with the prefix and at least one `__`. */
export function environmentOverrides(env: Readonly<Record<string, string | undefined>>): Override[] {
  return Object.keys(env).filter((name) => name.startsWith(ENVIRONMENT_PREFIX) && name.includes("__")).sort()
    .map(
      (name) => ({
        kind: "environment",
        source: name,
        path: name.slice(ENVIRONMENT_PREFIX.length).split("__").map((part) =>
          part.toLowerCase().replaceAll("_", "-")
        ),
        value: env[name],
      }),
    );
}

/**
 * Turns overrides into assignments. Blocks that the overrides open (a new namespace, an optional listener) come first.
 *
 * @param overrides in the order in which they were given
 * @param settings what the earlier layers made; says which namespaces and sets exist
 */
export function readOverrides(overrides: readonly Override[], settings: Settings): Layer {
  const reader = new OverrideReader(settings);
  const opens = overrides.filter((override) => override.path.at(-1) === "storage-engine");
  for (const override of opens) reader.storageEngine(override);
  for (const override of overrides) if (!opens.includes(override)) reader.option(override);
  return reader;
}

class OverrideReader implements Layer {
  readonly assignments: Assignment[] = [];
  readonly diagnostics: Diagnostic[] = [];
  /** Namespaces by name, with the names of their sets. */
  readonly #namespaces: Map<string, Set<string>>;
  /** Kinds of the namespaces' storage engines. */
  readonly #engines: Map<string, string>;
  readonly #lists = new Map<string, Extract<Assignment, { what: "set" }>>();

  constructor(settings: Settings) {
    this.#engines = new Map(settings.namespaces.map(({ name, storage }) => [name, storage.kind]));
    this.#namespaces = new Map(
      settings.namespaces.map((namespace) => [namespace.name, new Set(namespace.sets.keys())]),
    );
  }

  /** `namespace.NAME.storage-engine KIND`: the only override that may name a new namespace. */
  storageEngine(override: Override): void {
    const { path: [first, given], value } = override;
    const site = siteOf(override);
    if (override.path.length !== 3 || first !== "namespace") return this.#unknown(override, rootContext, 0);
    const namespace = childrenNamed(rootContext, "namespace")[0];
    const engines = childrenNamed(namespace, "storage-engine");
    const engine = engines.find((candidate) => candidate.kind === value);
    if (engine === undefined) {
      const allowed = engines.map((candidate) => candidate.kind).join(", ");
      return this.#error(site, `${quoted(value ?? "")} is no known kind`, { allowed });
    }
    if (engine.unsupported !== undefined) return this.#error(site, engine.unsupported);
    const name = this.#existing(given, this.#namespaces.keys(), override) ?? given;
    const origin = originOf(override);
    this.#engines.set(name, engine.kind!);
    if (!this.#namespaces.has(name)) {
      this.#namespaces.set(name, new Set());
      this.assignments.push({ what: "open", path: ["namespace", name], context: namespace, origin });
    }
    this.assignments.push({
      what: "open",
      path: ["namespace", name, "storage-engine"],
      context: engine,
      origin,
    });
  }

  option(override: Override): void {
    let context = rootContext;
    const path: string[] = [];
    let index = 0;
    while (index < override.path.length - 1) {
      const keyword = override.path[index];
      const next = this.#child(context, keyword, { override, path });
      if (next === undefined) return this.#unknown(override, context, index);
      if (next.unsupported !== undefined) return this.#error(siteOf(override), next.unsupported);
      context = next;
      path.push(keyword);
      index++;
      if (context.names === undefined) continue;
      // A file's path may hold dots, which separate the parts of a flag.
      const last = context.names === "file" ? override.path.length - 1 : index + 1;
      const name = this.#name(context, override.path.slice(index, last).join("."), { override, path });
      if (name === undefined) return;
      path.push(name);
      index = last;
    }
    this.#set(override, context, path);
  }

  /** The storage engine's kind is not part of the path: it is the one that the namespace has. */
  #child(
    context: ContextSpec,
    keyword: string,
    { override, path }: { override: Override; path: readonly string[] },
  ): ContextSpec | undefined {
    const candidates = childrenNamed(context, keyword);
    if (candidates.length <= 1) return candidates[0];
    if (override.path.length <= 3) return undefined;
    const kind = this.#engines.get(path[1]);
    return candidates.find((candidate) => candidate.kind === kind) ?? candidates[0];
  }

  #name(
    context: ContextSpec,
    given: string,
    options: { override: Override; path: readonly string[] },
  ): string | undefined {
    const { override, path } = options;
    if (context.names === "file") return given;
    if (context.names === "set") {
      const sets = this.#namespaces.get(path[1]);
      return this.#existing(given, sets ?? [], override) ?? given;
    }
    const found = this.#existing(given, this.#namespaces.keys(), override);
    if (found !== undefined) return found;
    const known = [...this.#namespaces.keys()];
    const nearest = nearestName(given, known);
    const message = `no namespace ${quoted(given)} is configured; there is ${known.join(", ") || "none"}. ` +
      `To add it, give ${
        override.kind === "flag" ? "--namespace.NAME.storage-engine" : "AERIE_NAMESPACE__NAME__STORAGE_ENGINE"
      } memory`;
    this.#error(siteOf(override), message, nearest === undefined ? {} : { nearest });
    return undefined;
  }

  /** A name as it exists: exactly for flags; for the environment, which has no lower case, the one that reads alike. */
  #existing(given: string, names: Iterable<string>, override: Override): string | undefined {
    const fold = (name: string) => name.toLowerCase().replaceAll("_", "-");
    for (const name of names) {
      if (name === given || (override.kind === "environment" && fold(name) === given)) return name;
    }
    return undefined;
  }

  #set(override: Override, context: ContextSpec, path: readonly string[]): void {
    const name = override.path.at(-1)!;
    const option = context.table.byName.get(name);
    if (option === undefined) return this.#unknown(override, context, override.path.length - 1);
    const site = siteOf(override);
    const report = (diagnostic: Diagnostic) => void this.diagnostics.push(diagnostic);
    const isList = option.type === "list";
    const texts = isList
      ? (override.value ?? "").split(",").map((part) => part.trim())
      : [override.value ?? ""];
    if (override.value === undefined && option.type !== "bool") texts.splice(0, texts.length, "");
    const values = texts.map((text) => acceptValue(option, text.replace(/\s+/g, " "), { site, report }));
    if (values.some((value) => value === undefined)) return;
    const value = isList ? values.flat() as string[] : values[0]!;
    const key = `${override.kind} ${pathText(path, name)}`;
    const earlier = this.#lists.get(key);
    if (isList && earlier) return void (earlier.value as string[]).push(...value as string[]);
    const assignment: Assignment = { what: "set", path, context, option, value, origin: originOf(override) };
    if (isList) this.#lists.set(key, assignment);
    this.assignments.push(assignment);
  }

  #unknown(override: Override, context: ContextSpec, index: number): void {
    const name = override.path[index] ?? "";
    const where = context.path === "" ? "at the top level" : `in ${context.path}`;
    const advice = obsoleteAdvice(name, context.path);
    if (advice !== undefined) {
      return this.#error(siteOf(override), `${quoted(name)} is no longer a name; ${advice}`);
    }
    const blocks = context.children.map((child) => child.keyword);
    const isLast = index === override.path.length - 1;
    const nearest = nearestName(name, isLast ? [...context.table.byName.keys(), ...blocks] : blocks);
    const message = isLast && blocks.includes(name)
      ? `${quoted(name)} is a block; name one of its options`
      : `unknown name ${quoted(name)} ${where}`;
    this.#error(siteOf(override), message, nearest === undefined || nearest === name ? {} : { nearest });
  }

  #error(site: DiagnosticSite, message: string, details: { allowed?: string; nearest?: string } = {}): void {
    this.diagnostics.push({ severity: "error", ...site, message, ...details });
  }
}

function siteOf(override: Override): DiagnosticSite {
  return { source: override.source, line: 0, key: override.kind === "flag" ? "" : pathText(override.path) };
}

function originOf(override: Override): Origin {
  return { kind: override.kind, text: override.source };
}
