/**
 * The cases of all ports as a program for Node, where `deno test` can't go:
 * `deno run -A tools/build_node.ts --entry src/platform/node_testing.ts --out dist/ports`, then
 * `node dist/ports/aerie.mjs`.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import {
  clockCases,
  computeCases,
  diskCases,
  hostCases,
  multicastCases,
  networkCases,
  type PortCase,
} from "../port_testing/mod.ts";
import { createPlatform } from "./mod.ts";

/** Runs every case; resolves to the exit code. */
export async function main(_program: string, _args: string[]): Promise<number> {
  const ports = await createPlatform();
  let failedCount = 0;
  const cases: PortCase[] = [
    ...networkCases,
    ...multicastCases,
    ...clockCases,
    ...computeCases,
    ...diskCases,
    ...hostCases,
  ];
  for (const { name, run } of cases) {
    const folder = mkdtempSync(`${tmpdir()}/aerie-ports-`);
    try {
      await run({ ports, host: "127.0.0.1", folder });
    } catch (error) {
      failedCount++;
      process.stdout.write(`FAILED ${name}\n${error instanceof Error ? error.stack : String(error)}\n`);
    }
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(
    `${cases.length} cases of the ports on ${ports.host.platform().runtime}, ${failedCount} failed\n`,
  );
  return failedCount === 0 ? 0 : 1;
}
