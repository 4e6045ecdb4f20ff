/**
 * Replays recorded client traffic against a server and prints how many answers are equal, and what differs.
 * Without an address it starts a node of its own.
 *
 * Example: `deno run -A tools/replay/main.ts --host 127.0.0.1 --port 3000`
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { startNode } from "../node_process.ts";
import { print } from "../print.ts";
import { CLIENT_SUITE_RECORDING, readRecording } from "./recording.ts";
import { replay, type ReplayResult } from "./replay.ts";
import { faultsOf, printableReport, readExceptions } from "./report.ts";

const HELP = `Usage: deno run -A tools/replay/main.ts [--host H --port P] [--all]

Sends the recorded requests in order and compares the answers with the recorded ones.
--host, --port  an empty server with namespace "test", TTLs allowed; without them a node is started for it
--all           print every difference, not one of each kind
Exit code 1 when an answer differs that COMPAT.md does not document, or more than 30 are exceptions.`;

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, { string: ["host", "port"], boolean: ["all", "help"] });
  if (args.help) {
    print(HELP);
    return 0;
  }
  const exchanges = await readRecording(CLIENT_SUITE_RECORDING);
  const node = args.port === undefined ? await startNode() : undefined;
  try {
    const address = node ?? { host: args.host ?? "127.0.0.1", port: Number(args.port) };
    const result: ReplayResult = await replay(exchanges, { host: address.host, port: address.port });
    print(printableReport(result, { all: args.all }));
    const faults = faultsOf(result, await readExceptions());
    for (const fault of faults) print(`FAILED ${fault}`);
    return faults.length === 0 ? 0 : 1;
  } finally {
    await node?.stop();
  }
}

if (import.meta.main) Deno.exit(await main());
