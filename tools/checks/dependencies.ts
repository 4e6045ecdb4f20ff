/**
 * Every package has a row in `docs/DEPENDENCIES.md`, an exact version, and one version throughout the repository; the
 * lock file knows it and names no host.
 *
 * @module
 */
import { type Check, type Finding, lineOf, type Tree } from "./tree.ts";

const DOCUMENT = "docs/DEPENDENCIES.md";
const CONFIG = "deno.json";
const LOCK = "deno.lock";

/** One `npm:` specifier that stands somewhere. */
interface Use {
  path: string;
  line: number;
  name: string;
  version: string;
}

/** See the module's text. */
export const dependencies: Check = {
  name: "dependencies",
  run(tree: Tree): Finding[] {
    const uses = packagesOf(tree);
    return [...rowFaults(tree, uses), ...versionFaults(uses), ...lockFaults(tree, uses)];
  },
};

/** The packages that `deno.json` and the sources name. */
function packagesOf(tree: Tree): Use[] {
  const uses: Use[] = [];
  for (const [path, text] of tree) {
    if (path !== CONFIG && !(path.endsWith(".ts") && !path.startsWith("tools/checks/"))) continue;
    for (const match of text.matchAll(/["']npm:\/?((?:@[\w.-]+\/)?[\w.-]+)(?:@([^"'/]*))?/g)) {
      uses.push({ path, line: lineOf(text, match.index), name: match[1]!, version: match[2] ?? "" });
    }
  }
  return uses;
}

function rowFaults(tree: Tree, uses: Use[]): Finding[] {
  const text = tree.get(DOCUMENT);
  if (text === undefined) return [{ path: DOCUMENT, text: "is missing; each dependency has a row there" }];
  const rows = new Set([...text.matchAll(/^\| *`([^`]+)`/gm)].map((match) => match[1]!));
  return uses.filter(({ name }) => !rows.has(name)).map(({ path, line, name }) => ({
    path,
    line,
    text: `${name} has no row in ${DOCUMENT} (need, licence, size, permissions, how to remove it)`,
  }));
}

function versionFaults(uses: Use[]): Finding[] {
  const findings: Finding[] = [];
  const first = new Map<string, Use>();
  for (const use of uses) {
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(use.version)) {
      findings.push({ ...use, text: `${use.name}@${use.version}: state one exact version` });
    }
    const other = first.get(use.name) ?? use;
    first.set(use.name, other);
    if (other.version !== use.version) {
      findings.push({ ...use, text: `${use.name}@${use.version}, but ${other.path} has ${other.version}` });
    }
  }
  return findings;
}

function lockFaults(tree: Tree, uses: Use[]): Finding[] {
  const text = tree.get(LOCK);
  if (text === undefined) return [{ path: LOCK, text: "is missing; run `deno install` and commit it" }];
  const findings: Finding[] = [];
  for (const match of text.matchAll(/https?:\/\/[^"/]+/g)) {
    findings.push({
      path: LOCK,
      line: lineOf(text, match.index),
      text: `names the host ${match[0]}; a clone elsewhere could not use it`,
    });
  }
  const locked = new Set(
    Object.keys((JSON.parse(text) as { specifiers?: Record<string, string> }).specifiers ?? {}),
  );
  for (const { path, line, name, version } of uses) {
    if (!locked.has(`npm:${name}@${version}`)) {
      findings.push({
        path,
        line,
        text: `npm:${name}@${version} is not in ${LOCK}; run \`deno install\` and commit it`,
      });
    }
  }
  return findings;
}
