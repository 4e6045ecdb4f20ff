/**
 * What is wrong with a configuration, for the person who wrote it: where, which key, what, what is allowed, and the
 * nearest known name.
 *
 * @module
 */

/** One remark about a configuration. */
export interface Diagnostic {
  /** An error keeps the node from starting; a warning does not. */
  severity: "error" | "warning";
  /** File name, environment name or flag. */
  source: string;
  /** Line of a file, from 1; 0 when the source is no file or the whole file is meant. */
  line: number;
  /** Path of the option or context, for example `namespace.test.nsup-period`; empty for a whole line. */
  key: string;
  /** What is wrong, and what to do. */
  message: string;
  /** Values that would be accepted. */
  allowed?: string;
  /** The known name that is written most alike. */
  nearest?: string;
}

/** A place that remarks can be about. */
export type DiagnosticSite = Pick<Diagnostic, "source" | "line" | "key">;

/** One line of text for people: `file:line: error: key: what; allowed: …; nearest known name: "…"`. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { source, line, severity, key, message, allowed, nearest } = diagnostic;
  const parts = [line > 0 ? `${source}:${line}` : source, severity];
  if (key !== "") parts.push(key);
  const allowedText = allowed === undefined ? "" : `; allowed: ${allowed}`;
  const nearestText = nearest === undefined ? "" : `; nearest known name: "${nearest}"`;
  return printable(`${parts.join(": ")}: ${message}${allowedText}${nearestText}`);
}

/** Whether any remark is an error. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === "error");
}

/** Quotes what a person wrote, cut to a readable length. */
export function quoted(text: string): string {
  return `"${text.length > QUOTED_LENGTH_MAX ? `${text.slice(0, QUOTED_LENGTH_MAX)}…` : text}"`;
}

const QUOTED_LENGTH_MAX = 80;

/** Input may hold control characters; a terminal must not obey them. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
