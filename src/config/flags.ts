/**
 * Command-line flags that are settings: any `--CONTEXT.….NAME VALUE`, and the short ones.
 *
 * | Flag | Means |
 * |---|---|
 * | `--bind ADDRESS` | address of the service, info and HTTP listeners |
 * | `--port N` | `--network.service.port N` |
 * | `--http N` or `off` | `--network.http.port N` |
 * | `--data-size SIZE` | `storage-engine.data-size` of every namespace |
 * | `--data DIR` | every namespace keeps its records in a file `DIR/NAME.dat`; DIR is the work directory, too |
 *
 * @module
 */
import type { Override } from "./overrides.ts";
import type { Settings } from "./settings.ts";

/** One flag as written. */
export interface SettingFlag {
  /** Name with its dashes. */
  name: string;
  /** Its value; undefined when none followed. */
  value: string | undefined;
}

/** A command line, split into settings and the rest. */
export interface SplitArguments {
  /** The settings, in order. */
  flags: SettingFlag[];
  /** All other words, in order, for the verb's own parser. */
  rest: string[];
}

const shortFlags = ["--bind", "--port", "--http", "--data-size", "--data"];

/** The short flags with what follows them, for `--help`. */
export const SHORT_FLAG_HELP: readonly (readonly [flag: string, doc: string])[] = [
  ["--bind ADDRESS", "listen address of service, info and HTTP, for example 0.0.0.0"],
  ["--port N", "service port (default 3000)"],
  ["--http N|off", "HTTP port (default 8081)"],
  ["--data DIR", "keep records in files in a folder, so that they are there again after a restart"],
  ["--data-size SIZE", "memory for the records of each namespace, for example 2G"],
  ["--CONTEXT.NAME VALUE", "any option, for example --namespace.test.default-ttl 30D"],
];

/**
 * Takes the flags that are settings out of a command line. Words after `--` are left alone.
 *
 * @param args the words after the verb
 */
export function splitSettingFlags(args: readonly string[]): SplitArguments {
  const flags: SettingFlag[] = [];
  const rest: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const word = args[index];
    if (word === "--") {
      rest.push(...args.slice(index));
      break;
    }
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    if (!isSettingFlag(name)) {
      rest.push(word);
      continue;
    }
    if (equals >= 0) flags.push({ name, value: word.slice(equals + 1) });
    else if (isValue(args[index + 1])) flags.push({ name, value: args[++index] });
    else flags.push({ name, value: undefined });
  }
  return { flags, rest };
}

function isSettingFlag(name: string): boolean {
  return shortFlags.includes(name) || /^--[a-z][a-z0-9-]*\../.test(name);
}

/** A word that begins with a dash is the next flag, unless it is a negative number. */
function isValue(word: string | undefined): word is string {
  return word !== undefined && (!word.startsWith("-") || /^-\d/.test(word));
}

/**
 * The overrides that flags ask for.
 *
 * @param flags in the order in which they were given
 * @param settings what the earlier layers made; says which listeners and namespaces the short flags mean
 */
export function flagOverrides(flags: readonly SettingFlag[], settings: Settings): Override[] {
  return flags.flatMap(({ name, value }) =>
    name === "--data"
      ? dataOverrides(value, settings)
      : pathsOf(name, settings).map((path): Override => ({ kind: "flag", source: name, path, value }))
  );
}

/** Size of a file that `--data` asks for, unless `filesize` says otherwise. It is sparse. */
const DATA_FILE_SIZE = "4G";
/** Blocks in memory of a namespace that `--data` asks for: it is meant for small machines. */
const DATA_CACHE_SIZE = "64M";

function dataOverrides(folder: string | undefined, { namespaces }: Settings): Override[] {
  const make = (path: string[], value: string | undefined): Override => ({
    kind: "flag",
    source: "--data",
    path,
    value,
  });
  const directory = folder?.replace(/(?<=.)\/+$/, "");
  const engines = namespaces.flatMap(({ name, storage }) => {
    const engine = ["namespace", name, "storage-engine"];
    return [
      make(engine, "device"),
      make([...engine, "file"], directory === undefined ? undefined : `${directory}/${name}.dat`),
      ...(storage.filesize === 0 ? [make([...engine, "filesize"], DATA_FILE_SIZE)] : []),
      make([...engine, "post-write-cache"], DATA_CACHE_SIZE),
    ];
  });
  return [...engines, make(["service", "work-directory"], directory)];
}

function pathsOf(name: string, settings: Settings): string[][] {
  const { network, namespaces } = settings;
  switch (name) {
    case "--bind":
      return ["service", ...network.info ? ["info"] : [], ...network.http ? ["http"] : []]
        .map((listener) => ["network", listener, "address"]);
    case "--port":
      return [["network", "service", "port"]];
    case "--http":
      return [["network", "http", "port"]];
    case "--data-size":
      return namespaces.map((namespace) => ["namespace", namespace.name, "storage-engine", "data-size"]);
    default:
      return [name.slice(2).split(".")];
  }
}
