/**
 * From the tree of a file to assignments: every name is looked up in the tree of contexts, every value is read, and
 * everything that is wrong is reported, with the nearest known name.
 *
 * @module
 */
import { acceptValue, type Assignment, type Origin, pathText } from "./assignment.ts";
import { CONFIG_DIAGNOSTICS_MAX, type ConfNode, type ConfTree } from "./conf_parser.ts";
import { childrenNamed, type ContextSpec, contextsThatKnow, nameProblem, rootContext } from "./contexts.ts";
import { type Diagnostic, type DiagnosticSite, quoted } from "./diagnostic.ts";
import { nearestName } from "./nearest.ts";
import { obsoleteAdvice } from "./obsolete.ts";

/** The result of one source. */
export interface Layer {
  /** What the source sets, in order. */
  assignments: Assignment[];
  /** What is wrong with it. */
  diagnostics: Diagnostic[];
}

/**
 * Gives the lines and blocks of a file their meaning.
 *
 * @param tree from {@linkcode parseConf} or from the YAML form
 * @param fileName for origins and remarks
 */
export function readTree(tree: ConfTree, fileName: string): Layer {
  const reader = new Reader(fileName, tree.diagnostics);
  reader.block(tree.nodes, { context: rootContext, path: [], muted: false });
  const diagnostics = reader.diagnostics.toSorted((left, right) => left.line - right.line);
  return { assignments: reader.assignments, diagnostics };
}

type SetAssignment = Extract<Assignment, { what: "set" }>;

/** A block that is being read. */
interface Place {
  context: ContextSpec;
  path: readonly string[];
  /** The block was refused: its names are checked, its values go nowhere. */
  muted: boolean;
}

class Reader {
  readonly assignments: Assignment[] = [];
  readonly diagnostics: Diagnostic[];
  readonly #fileName: string;
  /** Line of each opened block. */
  readonly #opened = new Map<string, number>();
  /** First line of each repeatable option. */
  readonly #lists = new Map<string, SetAssignment>();

  constructor(fileName: string, diagnostics: readonly Diagnostic[]) {
    this.#fileName = fileName;
    this.diagnostics = [...diagnostics];
  }

  /** Depth is bounded by the tree of contexts: an unknown block is not entered. */
  block(nodes: readonly ConfNode[], place: Place): void {
    for (const node of nodes) {
      if (this.diagnostics.length >= CONFIG_DIAGNOSTICS_MAX) return;
      const blocks = childrenNamed(place.context, node.keyword);
      const isOption = place.context.lineKeyword === undefined &&
        place.context.table.byName.has(node.keyword);
      if (blocks.length > 0 && !(isOption && !node.children)) this.#open(node, blocks, place);
      else if (node.keyword === place.context.lineKeyword) this.#lineOfNames(node, place);
      else if (isOption) this.#option(node, place);
      else this.#unknown(node, place);
    }
  }

  #open(node: ConfNode, blocks: readonly ContextSpec[], place: Place): void {
    const { keyword, args } = node;
    const site = this.#site(node, pathText(place.path, keyword));
    const kinds = blocks.flatMap((spec) => spec.kind ?? []);
    const context = kinds.length === 0 ? blocks[0] : blocks.find((spec) => spec.kind === args[0]);
    if (context === undefined) {
      const nearest = nearestName(args[0] ?? "", kinds);
      const message = args.length === 0 ? "must name its kind" : `${quoted(args[0])} is no known kind`;
      return this.#error(site, message, { allowed: kinds.join(", "), ...(nearest ? { nearest } : {}) });
    }
    const wordsWanted = context.kind !== undefined || context.names !== undefined ? 1 : 0;
    if (args.length < wordsWanted) return this.#error(site, `must be followed by a name: ${keyword} NAME {`);
    if (args.length > wordsWanted) {
      return this.#error(
        site,
        `takes ${wordsWanted === 0 ? "no word" : "one word"} before "{", not ${args.length}`,
      );
    }
    if (!node.children && !context.braceOptional) {
      return this.#error(site, `is a block; end the line with "{"`);
    }
    const name = context.names === undefined ? [] : [args[0]];
    const path = [...place.path, keyword, ...name];
    const problem = name.length === 0 ? undefined : nameProblem(context, name[0]);
    if (problem !== undefined) this.#error(site, problem);
    this.#enter(node, { context, path, muted: place.muted || problem !== undefined });
  }

  #enter(node: ConfNode, place: Place): void {
    const { context, path } = place;
    const key = pathText(path);
    const site = this.#site(node, key);
    const before = this.#opened.get(key);
    if (before !== undefined) {
      return this.#error(site, `was opened on line ${before} already; join the two blocks`);
    }
    this.#opened.set(key, node.line);
    if (context.unsupported !== undefined && !place.muted) {
      this.#error({ ...site, key: context.kind ? `${key} ${context.kind}` : key }, context.unsupported);
    }
    const muted = place.muted || context.unsupported !== undefined;
    if (!muted) this.assignments.push({ what: "open", path, context, origin: this.#origin(node) });
    this.block(node.children ?? [], { context, path, muted });
  }

  #option(node: ConfNode, place: Place): void {
    const option = place.context.table.byName.get(node.keyword)!;
    const site = this.#site(node, pathText(place.path, option.name));
    if (node.children) return this.#error(site, `is no block; remove "{"`);
    const raw = node.args.join(" ");
    const report = (diagnostic: Diagnostic) => void this.diagnostics.push(diagnostic);
    const value = acceptValue(option, raw, { site, report, muted: place.muted });
    if (value === undefined || place.muted) return;
    const { context, path } = place;
    this.#set({ what: "set", path, context, option, value, origin: this.#origin(node) });
  }

  /** Later values override, but repeatable options collect theirs. */
  #set(assignment: SetAssignment): void {
    if (assignment.option.type !== "list") return void this.assignments.push(assignment);
    const key = pathText(assignment.path, assignment.option.name);
    const earlier = this.#lists.get(key);
    if (earlier) return void (earlier.value as string[]).push(...assignment.value as string[]);
    this.#lists.set(key, assignment);
    this.assignments.push(assignment);
  }

  /** `context NAME LEVEL`: the option NAME with the value LEVEL. */
  #lineOfNames(node: ConfNode, place: Place): void {
    const { table, lineKeyword } = place.context;
    const [name, ...args] = node.args;
    if (name !== undefined && table.byName.has(name)) {
      return this.#option({ ...node, keyword: name, args }, place);
    }
    const site = this.#site(node, pathText(place.path));
    if (name === undefined) return this.#error(site, `${lineKeyword} must be followed by a name and a level`);
    const nearest = nearestName(name, table.byName.keys());
    this.#error(site, `unknown ${lineKeyword} ${quoted(name)}`, nearest === undefined ? {} : { nearest });
  }

  #unknown(node: ConfNode, place: Place): void {
    const { context } = place;
    const site = this.#site(node, pathText(place.path));
    const name = node.keyword;
    const advice = obsoleteAdvice(name, context.path);
    if (advice !== undefined) return this.#error(site, `${quoted(name)} is no longer a name; ${advice}`);
    const homes = contextsThatKnow(name);
    const kind = node.children ? "block" : "name";
    const where = context.path === "" ? "at the top level" : `in ${context.path}`;
    const message = `unknown ${kind} ${quoted(name)} ${where}`;
    if (homes.length > 0) return this.#error(site, `${message}; it belongs in ${homes.join(" or ")}`);
    const names = context.lineKeyword === undefined ? context.table.byName.keys() : [context.lineKeyword];
    const known = [...names, ...context.children.map((child) => child.keyword)];
    const nearest = nearestName(name, known);
    this.#error(site, message, nearest === undefined ? {} : { nearest });
  }

  #error(site: DiagnosticSite, message: string, details: { allowed?: string; nearest?: string } = {}): void {
    this.diagnostics.push({ severity: "error", ...site, message, ...details });
  }

  #site(node: ConfNode, key: string): DiagnosticSite {
    return { source: this.#fileName, line: node.line, key };
  }

  #origin(node: ConfNode): Origin {
    return { kind: "file", text: `${this.#fileName}:${node.line}` };
  }
}
