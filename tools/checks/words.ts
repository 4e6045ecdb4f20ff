/**
 * Words that do not belong in the repository: hosts of package registries, paths of somebody's machine, notes to
 * oneself, and switches that silence the compiler or all tests but one.
 *
 * @module
 */
import { type Check, type Finding, lineOf, type Tree } from "./tree.ts";

interface Rule {
  pattern: RegExp;
  paths: RegExp;
  why: string;
}

/** The brackets keep a pattern from finding itself. */
const RULES: readonly Rule[] = [
  {
    pattern: /n[p]mjs\.|registry\.n[p]m|registry\.y[a]rnpkg|deb\.d[e]bian|j[s]r\.io|dl\.d[e]no\.land/g,
    paths: /./,
    why: "names the host of a package registry; the machine's own settings decide where packages come from",
  },
  {
    pattern: /(?<![\w.$}-])\/(w[o]rk|r[o]ot|f[a]rm|h[o]me\/[a-z]+|t[m]p\/bash_jobs)\//g,
    paths: /./,
    why: "is a path of one machine",
  },
  {
    pattern: /\b(T[O]DO|F[I]XME|H[A]CK)\b/g,
    paths: /./,
    why: "is a note to oneself; do it, or write down what is not there yet in COMPAT.md",
  },
  {
    pattern: /@ts-(i[g]nore|n[o]check|expect-e[r]ror)/g,
    paths: /\.ts$/,
    why: "silences the compiler",
  },
  {
    pattern: /\b(Deno\.test|describe|it)\.o[n]ly\(|\bo[n]ly: true/g,
    paths: /_test\.ts$/,
    why: "keeps the other tests from running",
  },
];

/** See the module's text. */
export const words: Check = {
  name: "words",
  run(tree: Tree): Finding[] {
    const findings: Finding[] = [];
    for (const [path, text] of tree) {
      for (const rule of RULES) {
        if (!rule.paths.test(path)) continue;
        for (const match of text.matchAll(rule.pattern)) {
          findings.push({ path, line: lineOf(text, match.index), text: `"${match[0]}" ${rule.why}` });
        }
      }
    }
    return findings;
  },
};
