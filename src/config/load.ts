/**
 * From texts to settings. Precedence, the later wins:
 *
 * 1. the default of the table (without a file: namespace `test` in memory, everything on loopback)
 * 2. the names of the container image (`SERVICE_PORT`, `NAMESPACE`, …), only when no file is given
 * 3. the configuration file
 * 4. the environment, `AERIE_<CONTEXT>__<NAME>`
 * 5. command-line flags, `--<context>.<name>`
 *
 * A file replaces the default namespace, and its `network` block the default listeners: info and HTTP listeners exist
 * then only when the block names them. What the file leaves out of `network` stays on loopback.
 *
 * @module
 */
import { type Assignment, type Origin, pathText } from "./assignment.ts";
import { checkSettings } from "./checks.ts";
import { type ConfTree, parseConf } from "./conf_parser.ts";
import { type Diagnostic, hasErrors } from "./diagnostic.ts";
import { flagOverrides, type SettingFlag } from "./flags.ts";
import { imageEnvironment } from "./image_environment.ts";
import { LOG_LEVEL_DEFAULT } from "./logging_options.ts";
import type { OptionValue } from "./option.ts";
import { environmentOverrides, readOverrides } from "./overrides.ts";
import { type Layer, readTree } from "./read_tree.ts";
import {
  bareSettings,
  consoleSink,
  defaultAdminListener,
  defaultHttpListener,
  defaultInfoListener,
  defaultNamespace,
  defaultSet,
  type Settings,
  starterNamespace,
  starterNetwork,
} from "./settings.ts";

/** A form of the file: text to a tree. */
export type ParseTree = (text: string, fileName: string) => ConfTree;

/** What settings are made of. */
export interface LoadInput {
  /** Text of the configuration file; without it the node has the default namespace. */
  fileText?: string | undefined;
  /** Name of that file, for origins and remarks. */
  fileName?: string | undefined;
  /** The form of the file when it is not `aerospike.conf`'s: the result of `yamlForm()`. */
  form?: ParseTree | undefined;
  /** The environment. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Flags, from `splitSettingFlags`. */
  flags?: readonly SettingFlag[];
}

/** Settings, where they came from, and what is wrong with them. */
export interface LoadResult {
  /** False when a remark is an error; the settings must not be used then. */
  ok: boolean;
  /** The settings, as far as they could be read. */
  settings: Settings;
  /** Origin by path, for example `namespace.test.default-ttl`; what is not in it is a default. */
  origins: Map<string, Origin>;
  /** Errors and warnings, in the order of the layers. */
  diagnostics: Diagnostic[];
}

/**
 * Makes the settings of a node. Never throws on bad input.
 *
 * @param input the texts; all of them may be absent
 */
export function loadSettings(input: LoadInput = {}): LoadResult {
  const loader = input.fileText === undefined ? startWithoutFile(input.env ?? {}) : startWithFile(input);
  loader.apply(readOverrides(environmentOverrides(input.env ?? {}), loader.settings));
  loader.apply(readOverrides(flagOverrides(input.flags ?? [], loader.settings), loader.settings));
  const { settings, origins, diagnostics } = loader;
  for (const name of ["info", "http"] as const) {
    const listener = settings.network[name];
    if (listener?.port === LISTENER_OFF_PORT) delete settings.network[name];
    else if (listener?.addresses.length === 0) listener.addresses = ["127.0.0.1"];
  }
  const fileName = input.fileText === undefined ? undefined : input.fileName ?? DEFAULT_FILE_NAME;
  // A value that was refused leaves gaps which the checks would report a second time.
  if (!hasErrors(diagnostics)) diagnostics.push(...checkSettings({ settings, origins, fileName }));
  return { ok: !hasErrors(diagnostics), settings, origins, diagnostics };
}

/** The port number that the word `off` stands for. */
const LISTENER_OFF_PORT = -1;
const DEFAULT_FILE_NAME = "aerospike.conf";

function startWithoutFile(env: Readonly<Record<string, string | undefined>>): Loader {
  const image = imageEnvironment(env);
  const loader = new Loader({
    ...bareSettings(),
    network: starterNetwork(),
    logging: [consoleSink()],
    namespaces: [starterNamespace(image.namespace)],
  });
  loader.diagnostics.push(...image.diagnostics);
  loader.apply(readOverrides(image.overrides, loader.settings));
  return loader;
}

function startWithFile(input: LoadInput): Loader {
  const fileName = input.fileName ?? DEFAULT_FILE_NAME;
  const parse = input.form ?? parseConf;
  const tree = parse(input.fileText ?? "", fileName);
  const settings = bareSettings();
  const opened = (keyword: string) => tree.nodes.find((node) => node.keyword === keyword);
  const starter = starterNetwork();
  const listeners = opened("network")?.children?.map((node) => node.keyword);
  if (listeners === undefined) settings.network = starter;
  for (const name of ["service", "heartbeat", "fabric"] as const) {
    if (!listeners?.includes(name)) settings.network[name].addresses = [...starter[name].addresses];
  }
  if (opened("logging") === undefined) settings.logging = [consoleSink()];
  const loader = new Loader(settings);
  loader.apply(readTree(tree, fileName));
  return loader;
}

type Fields = Record<string, OptionValue>;

/** Settings in the making. */
class Loader {
  readonly settings: Settings;
  readonly origins = new Map<string, Origin>();
  readonly diagnostics: Diagnostic[] = [];

  constructor(settings: Settings) {
    this.settings = settings;
  }

  apply(layer: Layer): void {
    this.diagnostics.push(...layer.diagnostics);
    for (const assignment of layer.assignments) {
      if (assignment.what === "open") this.#open(assignment);
      else this.#set(assignment);
    }
  }

  #open(assignment: Extract<Assignment, { what: "open" }>): void {
    const { path, context, origin } = assignment;
    this.origins.set(pathText(path), origin);
    this.#target(path);
    const [first, name, keyword] = path;
    if (first !== "namespace" || context.kind === undefined) return;
    const namespace = this.settings.namespaces.find((candidate) => candidate.name === name);
    if (namespace === undefined) return;
    if (keyword === "storage-engine") {
      namespace.storage.kind = context.kind === "device" ? "device" : "memory";
    }
    if (context.kind !== "shmem") return;
    if (keyword === "index-type") namespace.indexType = "shmem";
    if (keyword === "sindex-type") namespace.sindexType = "shmem";
  }

  #set(assignment: Extract<Assignment, { what: "set" }>): void {
    const { path, option, value, origin } = assignment;
    const target = this.#target(path);
    // The level of all contexts replaces those of single ones that an earlier line gave.
    if (path[0] === "logging" && option.name === "any") {
      for (const name of Object.keys(target)) delete target[name];
    }
    target[option.field] = typeof value === "object" ? [...value] : value;
    this.origins.set(pathText(path, option.name), origin);
  }

  /** The object that holds the options of a block; what may be opened is made. */
  #target(path: readonly string[]): Fields {
    const { settings } = this;
    switch (path[0]) {
      case "service":
        return settings.service as unknown as Fields;
      case "mod-lua":
        return settings.modLua as unknown as Fields;
      case "logging":
        return path.length === 1 ? {} : this.#sink(path[1], path[2]);
      case "network":
        return path.length === 1 ? {} : this.#listener(path[1]);
      case "namespace":
        return this.#namespace(path[1], path.slice(2));
      default:
        throw new RangeError(`no settings for the block ${pathText(path)}`);
    }
  }

  #sink(kind: string, path: string = ""): Fields {
    const { logging } = this.settings;
    let sink = logging.find((candidate) => candidate.kind === kind && candidate.path === path);
    if (sink === undefined) {
      sink = { kind: kind === "file" ? "file" : "console", path, levels: { any: LOG_LEVEL_DEFAULT } };
      logging.push(sink);
    }
    return sink.levels;
  }

  #listener(name: string): Fields {
    const { network } = this.settings;
    switch (name) {
      case "admin":
        return (network.admin ??= defaultAdminListener()) as unknown as Fields;
      case "info":
        return (network.info ??= defaultInfoListener()) as unknown as Fields;
      case "http":
        return (network.http ??= defaultHttpListener()) as unknown as Fields;
      case "heartbeat":
        return network.heartbeat as unknown as Fields;
      case "fabric":
        return network.fabric as unknown as Fields;
      default:
        return network.service as unknown as Fields;
    }
  }

  #namespace(name: string, [keyword, set]: readonly string[]): Fields {
    const { namespaces } = this.settings;
    let namespace = namespaces.find((candidate) => candidate.name === name);
    if (namespace === undefined) namespaces.push(namespace = defaultNamespace(name));
    switch (keyword) {
      case "storage-engine":
        return namespace.storage as unknown as Fields;
      case "geo2dsphere-within":
        return namespace.geo2dsphereWithin as unknown as Fields;
      case "set": {
        let settings = namespace.sets.get(set);
        if (settings === undefined) namespace.sets.set(set, settings = defaultSet());
        return settings as unknown as Fields;
      }
      case undefined:
        return namespace as unknown as Fields;
      default:
        return {};
    }
  }
}
