/**
 * The YAML form of the configuration: the same names; repeatable options become plural lists, named blocks become maps
 * keyed by name or lists of maps with `name`, a number may be written with its unit as `{ value: 4, unit: G }`.
 * The result is the tree that `aerospike.conf` gives, so that everything after it is shared.
 *
 *     namespaces:
 *       test:
 *         replication-factor: 1
 *         storage-engine: { type: memory, data-size: 1G }
 *     logging:
 *       - type: console
 *         contexts: { any: info }
 *
 * @module
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from "yaml";
import {
  CONFIG_DIAGNOSTICS_MAX,
  CONFIG_FILE_SIZE_MAX,
  CONFIG_NESTING_MAX,
  fileTooLarge,
} from "./conf_parser.ts";
import type { ConfNode, ConfTree } from "./conf_parser.ts";
import { childrenNamed, type ContextSpec, rootContext } from "./contexts.ts";
import { type Diagnostic, quoted } from "./diagnostic.ts";
import { pluralName } from "./option.ts";

/**
 * Reads the YAML form.
 *
 * @param text the whole file, at most 1 MiB
 * @param fileName for the problems' source
 */
export function parseYaml(text: string, fileName: string): ConfTree {
  if (text.length > CONFIG_FILE_SIZE_MAX) return { nodes: [], diagnostics: [fileTooLarge(text, fileName)] };
  const lines = new LineCounter();
  const reader = new YamlReader(fileName, lines);
  try {
    const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, logLevel: "silent" });
    for (const error of document.errors.slice(0, CONFIG_DIAGNOSTICS_MAX)) {
      reader.problem(lines.linePos(error.pos[0]).line, error.message.split("\n")[0]);
    }
    if (document.errors.length > 0) return { nodes: [], diagnostics: reader.diagnostics };
    return { nodes: reader.block(document.contents, rootContext, 0), diagnostics: reader.diagnostics };
  } catch (error) {
    // The package throws, instead of reporting, for input that nests deeper than its own recursion can follow.
    reader.problem(1, `can't be read as YAML: ${error instanceof Error ? error.message : String(error)}`);
    return { nodes: [], diagnostics: reader.diagnostics };
  }
}

/** Words for units, and the suffix of the text form. */
const unitSuffixes: Readonly<Record<string, string>> = {
  k: "K",
  kibibytes: "K",
  kibi: "K",
  m: "M",
  mebibytes: "M",
  mebi: "M",
  g: "G",
  gibibytes: "G",
  gibi: "G",
  t: "T",
  tebibytes: "T",
  tebi: "T",
  p: "P",
  pebibytes: "P",
  pebi: "P",
  s: "S",
  seconds: "S",
  minutes: "M",
  h: "H",
  hours: "H",
  d: "D",
  days: "D",
};

class YamlReader {
  readonly diagnostics: Diagnostic[] = [];
  readonly #fileName: string;
  readonly #lines: LineCounter;

  constructor(fileName: string, lines: LineCounter) {
    this.#fileName = fileName;
    this.#lines = lines;
  }

  /** The pairs of a map as lines and blocks; `depth` bounds the recursion. */
  block(value: unknown, context: ContextSpec | undefined, depth: number): ConfNode[] {
    if (value === null || value === undefined) return [];
    if (depth > CONFIG_NESTING_MAX) {
      this.problem(this.#lineOf(value), `blocks are nested more than ${CONFIG_NESTING_MAX} deep`);
      return [];
    }
    if (isScalar(value) && value.value === null) return [];
    if (!isMap(value)) {
      this.problem(this.#lineOf(value), "here must be a map of names and values");
      return [];
    }
    return value.items.flatMap((pair) => this.#pair(pair, { context, depth }));
  }

  #pair(pair: Pair, { context, depth }: { context: ContextSpec | undefined; depth: number }): ConfNode[] {
    const name = isScalar(pair.key) ? String(pair.key.value) : "";
    const line = this.#lineOf(pair.key);
    const value = pair.value;
    if (context?.path === "" && name === "logging") return [this.#logging(value, line)];
    const singular = this.#singularBlock(context, name);
    if (singular !== undefined) return this.#namedBlocks(value, { spec: singular, line, depth });
    const specs = context === undefined ? [] : childrenNamed(context, name);
    if (specs.length > 0) return [this.#block(value, { specs, line, depth })];
    const scalar = context?.table.byName.get(name);
    const isOne = scalar !== undefined && scalar.type !== "list";
    if (isOne && (isSeq(value) || (isMap(value) && !isUnitValue(value)))) {
      this.problem(line, `${name} takes a single value`);
      return [];
    }
    const option = context?.table.rows.find((row) => row.type === "list" && pluralName(row.name) === name);
    if (option !== undefined || isSeq(value)) {
      const entries = isSeq(value) ? value.items : [value];
      return entries.map((entry) => this.#line(option?.name ?? name, entry, this.#lineOf(entry) || line));
    }
    if (isMap(value) && !isUnitValue(value)) {
      return [{ keyword: name, args: [], line, children: this.block(value, undefined, depth + 1) }];
    }
    return [this.#line(name, value, line)];
  }

  /** `namespaces`, `sets`, `dcs`: the plural of a block that has a name. */
  #singularBlock(context: ContextSpec | undefined, name: string): ContextSpec | undefined {
    return context?.children.find((child) =>
      child.names !== undefined && (pluralName(child.keyword) === name || child.keyword === name)
    );
  }

  #namedBlocks(
    value: unknown,
    { spec, line, depth }: { spec: ContextSpec; line: number; depth: number },
  ): ConfNode[] {
    const named = (name: string, content: unknown, at: number): ConfNode => ({
      keyword: spec.keyword,
      args: name === "" ? [] : [name],
      line: at,
      children: this.block(content, spec, depth + 1).filter((node) => node.keyword !== "name"),
    });
    if (isSeq(value)) {
      return value.items.map((item) => {
        const name = isMap(item) ? item.get("name") : undefined;
        return named(name === undefined ? "" : String(name), item, this.#lineOf(item) || line);
      });
    }
    if (isMap(value)) {
      return value.items.map((pair) => {
        const name = isScalar(pair.key) ? String(pair.key.value) : "";
        return named(name, pair.value, this.#lineOf(pair.key) || line);
      });
    }
    this.problem(line, `${pluralName(spec.keyword)} must be a map keyed by name`);
    return [];
  }

  /** A block that is one of its kind, or chosen by `type`. */
  #block(
    value: unknown,
    { specs, line, depth }: { specs: readonly ContextSpec[]; line: number; depth: number },
  ): ConfNode {
    const keyword = specs[0].keyword;
    if (specs[0].kind === undefined) {
      return { keyword, args: [], line, children: this.block(value, specs[0], depth + 1) };
    }
    if (isScalar(value)) return { keyword, args: [String(value.value)], line };
    const type = isMap(value) ? value.get("type") : undefined;
    const spec = specs.find((candidate) => candidate.kind === type) ?? specs[0];
    const children = this.block(value, spec, depth + 1).filter((node) => node.keyword !== "type");
    return { keyword, args: type === undefined ? [] : [String(type)], line, children };
  }

  /** A list of sinks: `type` (or `name`), for files `path`, and levels, directly or under `contexts`. */
  #logging(value: unknown, line: number): ConfNode {
    const children: ConfNode[] = [];
    const sinks = isSeq(value) ? value.items : [];
    if (!isSeq(value)) this.problem(line, "logging must be a list of sinks");
    for (const sink of sinks) {
      const at = this.#lineOf(sink) || line;
      if (!isMap(sink)) {
        this.problem(at, "a sink must be a map with type");
        continue;
      }
      const type = String(sink.get("type") ?? sink.get("name") ?? "");
      const kind = type === "console" || type === "syslog" ? type : "file";
      const path = sink.get("path") ?? (type === "file" ? sink.get("name") : type);
      const args = kind === "file" && path !== undefined ? [String(path)] : [];
      children.push({ keyword: kind, args, line: at, children: this.#levels(sink, kind) });
    }
    return { keyword: "logging", args: [], line, children };
  }

  #levels(sink: YAMLMap, kind: string): ConfNode[] {
    return sink.items.flatMap((pair) => {
      const name = isScalar(pair.key) ? String(pair.key.value) : "";
      const line = this.#lineOf(pair.key);
      if (name === "contexts" && isMap(pair.value)) return this.#levels(pair.value, kind);
      if (name === "type" || name === "name" || (name === "path" && kind === "file")) return [];
      const level = this.#line(name, pair.value, line);
      return [kind === "syslog" ? level : { keyword: "context", args: [name, ...level.args], line }];
    });
  }

  #line(name: string, value: unknown, line: number): ConfNode {
    const text = this.#text(value, line);
    return { keyword: name, args: text.split(/\s+/).filter((word) => word !== ""), line };
  }

  #text(value: unknown, line: number): string {
    if (isScalar(value)) return value.value === null ? "" : String(value.value);
    if (isMap(value) && isUnitValue(value)) {
      const unit = String(value.get("unit"));
      const suffix = unitSuffixes[unit.toLowerCase()];
      if (suffix === undefined) {
        this.problem(line, `unknown unit ${quoted(unit)}; use K, M, G, T, P, S, H or D`);
      }
      return `${value.get("value")}${suffix ?? ""}`;
    }
    this.problem(line, "here must be a single value");
    return "";
  }

  #lineOf(node: unknown): number {
    const range = (node as Node | null | undefined)?.range;
    return range ? this.#lines.linePos(range[0]).line : 0;
  }

  problem(line: number, message: string): void {
    if (this.diagnostics.length >= CONFIG_DIAGNOSTICS_MAX) return;
    this.diagnostics.push({ severity: "error", source: this.#fileName, line, key: "", message });
  }
}

function isUnitValue(value: YAMLMap): boolean {
  return value.has("value") && value.has("unit");
}
