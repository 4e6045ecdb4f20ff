/**
 * `aerie config check | print | reference`: looks at a configuration without starting a node.
 *
 * @module
 */
// deno-lint-ignore-file no-console
import { readFile } from "node:fs/promises";
import process from "node:process";
import {
  CONFIG_FILE_SIZE_MAX,
  formatDiagnostic,
  type LoadInput,
  loadSettings,
  printSettings,
  referencePage,
  SHORT_FLAG_HELP,
  splitSettingFlags,
  yamlForm,
} from "../src/config/mod.ts";

const help = `aerie config: look at a configuration without starting a node

  aerie config check FILE              every error at once: line, key, allowed values, nearest known name
  aerie config print [FLAGS]           effective settings, and where each came from
  aerie config reference               all options, as Markdown

Flags
  --config-file FILE                   the file, aerospike.conf or YAML (by its ending, or --yaml)
  --yaml                               the file is in the YAML form
  --given                              print only what is not a default
${SHORT_FLAG_HELP.map(([flag, doc]) => `  ${flag.padEnd(36)} ${doc}`).join("\n")}

Precedence, the later wins: defaults, the container image's names (without a file), the file,
AERIE_<CONTEXT>__<NAME> in the environment, flags.

Example
  aerie config check /etc/aerospike/aerospike.conf
  AERIE_NAMESPACE__TEST__DEFAULT_TTL=30D aerie config print --port 3100 --given
`;

/** Exit codes of the verb: done, failed, used wrongly. */
const FINE = 0;
const FAILED = 1;
const USAGE = 2;

/**
 * Runs the verb.
 *
 * @param args the words after `config`
 * @returns the exit code: 0 fine, 1 the configuration is wrong, 2 wrong usage
 */
export async function runConfig(args: string[]): Promise<number> {
  const [verb, ...words] = args;
  if (args.includes("--help") || args.includes("-h") || verb === "help") {
    console.log(help);
    return FINE;
  }
  switch (verb) {
    case "check":
      return await check(words);
    case "print":
      return await print(words);
    case "reference":
      if (words.length > 0) return usage(`config reference takes no "${words[0]}"`);
      console.log(referencePage());
      return FINE;
    default:
      return usage(
        verb === undefined ? "config needs check, print or reference" : `unknown verb "config ${verb}"`,
      );
  }
}

async function check(args: readonly string[]): Promise<number> {
  const parsed = parseWords(args);
  if (typeof parsed === "string") return usage(parsed);
  const fileName = parsed.fileName ?? parsed.operand;
  if (fileName === undefined) return usage("config check needs a FILE");
  if (parsed.given || (parsed.operand !== undefined && parsed.fileName !== undefined)) {
    return usage("config check takes one FILE");
  }
  const file = await readConfig(fileName, parsed.yaml);
  if (file === undefined) return FAILED;
  // The file alone is judged, so that the answer does not depend on who asks.
  const { ok, diagnostics } = loadSettings({ ...file, flags: parsed.flags });
  for (const diagnostic of diagnostics) console.log(formatDiagnostic(diagnostic));
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === "error").length;
  const warnings = diagnostics.length - errors;
  console.log(`${fileName}: ${counted(errors, "error")}, ${counted(warnings, "warning")}`);
  return ok ? FINE : FAILED;
}

async function print(args: readonly string[]): Promise<number> {
  const parsed = parseWords(args);
  if (typeof parsed === "string") return usage(parsed);
  if (parsed.operand !== undefined) return usage(`unknown word "${parsed.operand}"; use --config-file FILE`);
  let file: LoadInput = {};
  if (parsed.fileName !== undefined) {
    const read = await readConfig(parsed.fileName, parsed.yaml);
    if (read === undefined) return FAILED;
    file = read;
  }
  const { ok, settings, origins, diagnostics } = loadSettings({
    ...file,
    env: process.env,
    flags: parsed.flags,
  });
  for (const diagnostic of diagnostics) console.error(formatDiagnostic(diagnostic));
  if (!ok) return FAILED;
  for (const line of printSettings(settings, origins, { givenOnly: parsed.given })) console.log(line);
  return FINE;
}

/** What the words of a verb say. */
interface Words {
  fileName: string | undefined;
  operand: string | undefined;
  yaml: boolean;
  given: boolean;
  flags: ReturnType<typeof splitSettingFlags>["flags"];
}

/** The words, or what is wrong with them. */
function parseWords(args: readonly string[]): Words | string {
  const { flags, rest } = splitSettingFlags(args);
  const words: Words = { fileName: undefined, operand: undefined, yaml: false, given: false, flags };
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index];
    if (word === "--yaml") words.yaml = true;
    else if (word === "--given") words.given = true;
    else if (word.startsWith("--config-file=")) words.fileName = word.slice("--config-file=".length);
    else if (word === "--config-file") {
      words.fileName = rest[++index];
      if (words.fileName === undefined) return "--config-file needs a FILE";
    } else if (word.startsWith("-")) return `unknown flag "${word}"`;
    else if (words.operand === undefined) words.operand = word;
    else return `unknown word "${word}"`;
  }
  return words;
}

/** Reads the file, or says on the error output why it can't. */
async function readConfig(fileName: string, yaml: boolean): Promise<LoadInput | undefined> {
  try {
    const bytes = await readFile(fileName);
    // Four bytes are the most that one character of the limit can take.
    if (bytes.length > 4 * CONFIG_FILE_SIZE_MAX) {
      throw new Error(`the file has ${bytes.length} bytes, which is too many`);
    }
    const fileText = new TextDecoder().decode(bytes);
    const isYaml = yaml || /\.ya?ml$/i.test(fileName);
    return { fileText, fileName, form: isYaml ? await yamlForm() : undefined };
  } catch (error) {
    console.error(`Cannot read "${fileName}": ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function usage(problem: string): number {
  console.error(`${problem}\nTry: aerie config --help`);
  return USAGE;
}
