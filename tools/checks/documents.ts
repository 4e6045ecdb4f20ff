/**
 * The documents that a reader is sent to exist, their links lead somewhere, and every command that names a Deno version
 * names the one of `tools/deno_version`.
 *
 * @module
 */
import { type Check, type Finding, lineOf, type Tree } from "./tree.ts";

const REQUIRED = [
  "README.md",
  "CHANGELOG.md",
  "COMPAT.md",
  "LICENSE",
  "docs/ARCHITECTURE.md",
  "docs/DEPENDENCIES.md",
  "docs/GLOSSARY.md",
];

const VERSION_FILE = "tools/deno_version";

/** See the module's text. */
export const documents: Check = {
  name: "documents",
  run(tree: Tree): Finding[] {
    return [...missing(tree), ...brokenLinks(tree), ...otherVersions(tree)];
  },
};

function missing(tree: Tree): Finding[] {
  return REQUIRED.filter((path) => (tree.get(path) ?? "").trim() === "")
    .map((path) => ({ path, text: "is missing or empty" }));
}

function brokenLinks(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (!path.endsWith(".md")) continue;
    for (const match of text.matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)) {
      const link = match[1]!;
      if (/^[a-z]+:/.test(link)) continue;
      const target = new URL(link, `file:///${path}`).pathname.slice(1).replace(/\/$/, "");
      const found = tree.has(target) || target.startsWith("testdata") ||
        [...tree.keys()].some((file) => file.startsWith(`${target}/`));
      if (!found) {
        findings.push({
          path,
          line: lineOf(text, match.index),
          text: `link to ${link}, which does not exist`,
        });
      }
    }
  }
  return findings;
}

function otherVersions(tree: Tree): Finding[] {
  const version = tree.get(VERSION_FILE)?.trim();
  if (version === undefined) {
    return [{ path: VERSION_FILE, text: "is missing; it holds the one Deno version in use" }];
  }
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (path.startsWith("tools/checks/")) continue;
    for (const match of text.matchAll(/\bdeno@(\d+\.\d+\.\d+)/g)) {
      if (match[1] === version) continue;
      findings.push({
        path,
        line: lineOf(text, match.index),
        text: `${match[0]}, but ${VERSION_FILE} says ${version}`,
      });
    }
  }
  return findings;
}
