/**
 * Checks the repository's own rules, and that generated pages are fresh: `deno run -A tools/check.ts`.
 * Exit code 0 when nothing is wrong, 1 otherwise. Warnings fail nothing.
 *
 * @module
 */
import { CHECKS, type Finding, readTree } from "./checks/mod.ts";
import { print } from "./print.ts";

/** Generators that can say whether what they wrote is still what they would write. */
const GENERATORS = ["tools/generate_config_reference.ts", "tools/generate_info_reference.ts"];

/** Findings of one check that are printed; what is wrong everywhere is seen after fewer. */
const PRINTED_MAX = 50;

const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

function printFinding(finding: Finding): void {
  const place = finding.line === undefined ? finding.path : `${finding.path}:${finding.line}`;
  print(`  ${finding.warning ? "warning" : "error"}: ${place}: ${finding.text}`);
}

async function isFresh(generator: string): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", generator, "--check"],
    cwd: root,
    stdout: "inherit",
    stderr: "inherit",
  });
  return (await command.output()).success;
}

async function main(): Promise<number> {
  const tree = readTree(root);
  let failed = 0;
  for (const check of CHECKS) {
    const findings = check.run(tree);
    const errors = findings.filter((finding) => !finding.warning).length;
    print(`${errors === 0 ? "ok    " : "FAILED"} ${check.name}`);
    findings.slice(0, PRINTED_MAX).forEach(printFinding);
    if (findings.length > PRINTED_MAX) print(`  and ${findings.length - PRINTED_MAX} more`);
    if (errors > 0) failed++;
  }
  const generators = GENERATORS.filter((path) => tree.has(path));
  for (const generator of generators) {
    const fresh = await isFresh(generator);
    print(`${fresh ? "ok    " : "FAILED"} ${generator} --check`);
    if (!fresh) failed++;
  }
  print(`${CHECKS.length + generators.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
