/**
 * `aerie version`.
 *
 * @module
 */

import { AERIE_VERSION, SERVER_BUILD, SERVER_EDITION } from "../src/base/mod.ts";
import { print, printError } from "./terminal.ts";

const HELP = `Usage: aerie version [--json]

Prints the version of aerie, and the release whose protocol it speaks.

Example: aerie version --json`;

/** Runs the verb; resolves to the exit code. */
export function runVersion(args: string[]): Promise<number> {
  const [option, ...more] = args;
  if (option === "--help") print(HELP);
  else if (option === undefined) print(`aerie ${AERIE_VERSION} (${SERVER_EDITION} build ${SERVER_BUILD})`);
  else if (option === "--json" && more.length === 0) {
    print(JSON.stringify({ aerie: AERIE_VERSION, build: SERVER_BUILD, edition: SERVER_EDITION }));
  } else {
    printError(`aerie version: unknown option "${args.join(" ")}"\n\n${HELP}`);
    return Promise.resolve(2);
  }
  return Promise.resolve(0);
}
