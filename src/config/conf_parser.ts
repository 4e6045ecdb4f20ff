/**
 * The grammar of `aerospike.conf`: text to a tree of lines and blocks, which means nothing yet.
 *
 *     # comment, to the end of the line
 *     name [value [value [value]]]
 *     context [name] [kind] {
 *     }
 *
 * The opening brace ends its line, the closing one stands alone. Every problem is collected, and reading goes on after
 * it. Source: server-operations reference, section 1.1.
 *
 * @module
 */
import { type Diagnostic, quoted } from "./diagnostic.ts";

/** Largest configuration file; a real one has some kilobytes. */
export const CONFIG_FILE_SIZE_MAX = 1024 * 1024;
/** Longest line, as in the stock server. */
export const CONFIG_LINE_LENGTH_MAX = 1023;
/** Deepest nesting of blocks, as in the stock server. */
export const CONFIG_NESTING_MAX = 8;
/** Words of one line, name included; the longest known line has four. */
export const CONFIG_WORDS_MAX = 4;
/** Problems that are reported for one source; a file with more is no configuration file. */
export const CONFIG_DIAGNOSTICS_MAX = 100;

/** One line, or one block. */
export interface ConfNode {
  /** First word: the name of an option or context. */
  keyword: string;
  /** The words after it, without the brace. */
  args: string[];
  /** Line of the file, from 1. */
  line: number;
  /** The lines of a block; absent for a plain line. */
  children?: ConfNode[];
}

/** A tree, and what was wrong with the text. */
export interface ConfTree {
  /** Lines and blocks of the file. */
  nodes: ConfNode[];
  /** Problems of form. */
  diagnostics: Diagnostic[];
}

/**
 * Reads the text of an `aerospike.conf`.
 *
 * @param text the whole file, at most 1 MiB
 * @param fileName for the problems' source
 */
export function parseConf(text: string, fileName: string): ConfTree {
  if (text.length > CONFIG_FILE_SIZE_MAX) {
    return { nodes: [], diagnostics: [fileTooLarge(text, fileName)] };
  }
  const parser = new Parser(fileName);
  const lines = text.split("\n");
  for (let index = 0; index < lines.length; index++) {
    if (parser.diagnostics.length >= CONFIG_DIAGNOSTICS_MAX) break;
    parser.line(lines[index], index + 1);
  }
  parser.end(lines.length);
  return { nodes: parser.root, diagnostics: parser.diagnostics };
}

/** The problem of a file that is larger than {@linkcode CONFIG_FILE_SIZE_MAX}. */
export function fileTooLarge(text: string, source: string): Diagnostic {
  const message = `the file has ${text.length} characters; give at most ${CONFIG_FILE_SIZE_MAX}`;
  return { severity: "error", source, line: 0, key: "", message };
}

class Parser {
  readonly root: ConfNode[] = [];
  readonly diagnostics: Diagnostic[] = [];
  readonly #source: string;
  /** Open blocks, the innermost last; blocks nested too deeply are counted instead. */
  readonly #open: ConfNode[] = [];
  #tooDeep = 0;

  constructor(source: string) {
    this.#source = source;
  }

  line(raw: string, line: number): void {
    if (raw.length > CONFIG_LINE_LENGTH_MAX) {
      this.#problem(line, `the line has ${raw.length} characters; give at most ${CONFIG_LINE_LENGTH_MAX}`);
      return;
    }
    const words = raw.replace(/#.*$/, "").split(/[ \t\r\v\f]+/).filter((word) => word !== "");
    if (words.length === 0) return;
    if (words[0] === "}") return this.#close(words, line);
    if (words[0] === "{") {
      this.#problem(line, `"{" stands alone; put it at the end of the line that opens the block`);
      return;
    }
    const opens = words[words.length - 1] === "{";
    if (opens) words.pop();
    if (words.some((word) => word === "{" || word === "}")) {
      this.#problem(
        line,
        `a brace stands inside the line; end the line after "{" and put "}" on its own line`,
      );
      return;
    }
    if (words.length > CONFIG_WORDS_MAX) {
      const message = `the line has ${words.length} words; a name takes at most ${
        CONFIG_WORDS_MAX - 1
      } values`;
      this.#problem(line, message);
      if (!opens) return;
    }
    this.#add({ keyword: words[0], args: words.slice(1), line, ...(opens ? { children: [] } : {}) });
  }

  end(lastLine: number): void {
    if (this.diagnostics.length >= CONFIG_DIAGNOSTICS_MAX) return;
    for (const block of this.#open.toReversed()) {
      const message = `the block ${
        quoted(block.keyword)
      } opened on line ${block.line} is not closed; add "}"`;
      this.#problem(lastLine, message);
    }
  }

  #add(node: ConfNode): void {
    if (node.children && this.#open.length >= CONFIG_NESTING_MAX) {
      this.#tooDeep++;
      this.#problem(node.line, `blocks are nested more than ${CONFIG_NESTING_MAX} deep`);
      return;
    }
    if (this.#tooDeep > 0) return;
    (this.#open.at(-1)?.children ?? this.root).push(node);
    if (node.children) this.#open.push(node);
  }

  #close(words: string[], line: number): void {
    if (words.length > 1) this.#problem(line, `"}" must stand alone on its line`);
    if (this.#tooDeep > 0) {
      this.#tooDeep--;
      return;
    }
    if (this.#open.pop() === undefined) this.#problem(line, `"}" closes nothing; remove it`);
  }

  #problem(line: number, message: string): void {
    this.diagnostics.push({ severity: "error", source: this.#source, line, key: "", message });
  }
}
