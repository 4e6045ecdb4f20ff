/**
 * `aerie asd`, and a file named `asd`: takes the stock server's command line. Source: server-operations reference,
 * section 5.1.
 *
 * @module
 */

import { SERVER_BUILD, SERVER_EDITION } from "../src/base/mod.ts";
import { readSettings } from "./serve.ts";
import { print, printError } from "./terminal.ts";

const CONFIG_FILE_DEFAULT = "/etc/aerospike/aerospike.conf";

const HELP = `asd: run a node with the stock server's command line

Usage: asd [OPTIONS]

  --help                 print this and exit
  --version              print edition and version and exit
  --config-file FILE     configuration file (default ${CONFIG_FILE_DEFAULT})
  --foreground           stay in the foreground (aerie always does)
  --fgdaemon             stay in the foreground, as under a service manager
  --early-verbose        taken, has no effect
  --cold-start           taken, has no effect: there is no fast start to skip
  --instance N           taken, has no effect
  --experimental         the file is in the YAML form
  --schema-file FILE     taken, has no effect: names and ranges are built in

Example: asd --foreground --config-file /opt/aerospike/etc/aerospike.conf`;

const TAKEN_WITHOUT_VALUE = new Set(["--foreground", "--fgdaemon", "--early-verbose", "--cold-start"]);
const TAKEN_WITH_VALUE = new Set(["--instance", "--schema-file"]);

/** Runs the verb; resolves to the exit code: 1 for wrong usage too, as the stock server does. */
export async function runAsd(args: string[]): Promise<number> {
  let configFile = CONFIG_FILE_DEFAULT;
  let yaml = false;
  const words = args.flatMap((word) => {
    const equals = word.indexOf("=");
    return word.startsWith("--") && equals > 0 ? [word.slice(0, equals), word.slice(equals + 1)] : [word];
  });
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    if (word === "--help") {
      print(HELP);
      return 0;
    } else if (word === "--version") {
      print(`${SERVER_EDITION} build ${SERVER_BUILD}`);
      return 0;
    } else if (word === "--config-file" && words[index + 1] !== undefined) configFile = words[++index];
    else if (word === "--experimental") yaml = true;
    else if (TAKEN_WITH_VALUE.has(word) && words[index + 1] !== undefined) index++;
    else if (!TAKEN_WITHOUT_VALUE.has(word)) {
      printError(`asd: unknown option "${word}"\n\n${HELP}`);
      return 1;
    }
  }
  const settings = await readSettings({}, { configFile, yaml, quiet: true });
  return settings === undefined
    ? 1
    : await (await import("./serve_node.ts")).serve(settings, { quiet: true });
}
