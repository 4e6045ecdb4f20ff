/**
 * The modules that are registered, and calls of their functions.
 *
 * Lua itself is loaded at the first registration or call: a node that runs no functions never pays for it. A module's
 * state is made at its first call and kept; a module's globals live as long as it. When any module changes, all states
 * go, since one may have required another.
 *
 * A failure inside the machine (not of a script) leaves it in doubt: machine and states are made anew.
 *
 * @module
 */

import {
  decodeBase64,
  encodeBase64,
  UDF_CONTENT_SIZE_MAX,
  UDF_MODULE_COUNT_MAX,
  UDF_NAME_SIZE_MAX,
  UDF_STATE_COUNT_MAX,
  utf8,
  utf8Decode,
} from "../base/mod.ts";
import type { ModLuaSettings } from "../config/mod.ts";
import type { Clock, Compute, Log } from "../port/mod.ts";
import { LuaEngine } from "./engine.ts";
import { HostFunctions } from "./host_functions.ts";
import type { UdfChanges, UdfRecord } from "./record.ts";
import { Script, type ScriptEnd, type ScriptHost } from "./script.ts";
import { SIGNATURE } from "./trampoline.ts";

/** What calls need from outside. */
export interface UdfModulesOptions {
  /** Time, for the scripts' clock and against slow ones. */
  clock: Clock;
  /** Inflates Lua, hashes modules. */
  compute: Compute;
  /** Where scripts log. */
  log: Log;
  /** The `mod-lua` settings. */
  settings: ModLuaSettings;
}

/** A registered module. */
export interface UdfModule {
  /** File name, for example `a.lua`. */
  readonly fileName: string;
  /** Text of the module. */
  readonly source: Uint8Array;
  /** Lower-case hexadecimal SHA-1 of the value that the metadata keeps, as the stock server hashes it. */
  readonly hash: string;
}

/** A call of a record function. */
export interface UdfCall {
  /** Name of the module, without `.lua`. */
  moduleName: Uint8Array;
  /** Name of the function. */
  functionName: Uint8Array;
  /** A msgpack list of the arguments behind the record. */
  arguments: Uint8Array;
  /** The record. */
  record: UdfRecord;
  /** Receives what is to be done with it. */
  changes: UdfChanges;
}

/** Why a module's text can't be registered. */
export interface CompileError {
  /** Line, 0 when unknown. */
  line: number;
  /** What Lua says. */
  message: string;
}

/** The text that answers a call of a module that is not registered. */
const MODULE_NOT_FOUND = "module not found: register it with udf-put first";
const SUFFIX = ".lua";

/** See the module's text. */
export class UdfModules {
  readonly #options: UdfModulesOptions;
  readonly #modules = new Map<string, UdfModule>();
  readonly #scripts = new Map<string, Script>();
  #host: ScriptHost | undefined;

  /** @param options what calls need; nothing is loaded yet */
  constructor(options: UdfModulesOptions) {
    this.#options = options;
  }

  /** Registered modules, in the order of their names. */
  list(): UdfModule[] {
    return [...this.#modules.values()].sort((left, right) => left.fileName < right.fileName ? -1 : 1);
  }

  /** A module by file name. */
  find(fileName: string): UdfModule | undefined {
    return this.#modules.get(fileName);
  }

  /** Whether one more module may be registered under a name. */
  hasRoomFor(fileName: string): boolean {
    return this.#modules.has(fileName) || this.#modules.size < UDF_MODULE_COUNT_MAX;
  }

  /** Whether a text is a module; what is wrong with it otherwise. Nothing of it runs. */
  check(fileName: string, source: Uint8Array): CompileError | undefined {
    const end = Script.check(this.#loadedHost(), source, this.#chunkName(fileName));
    if (end.ok) return undefined;
    const match = /:(\d+): (.*)$/s.exec(end.text);
    return match === null ? { line: 0, message: end.text } : { line: Number(match[1]), message: match[2] };
  }

  /** Registers a module, or with undefined forgets it. */
  set(fileName: string, source: Uint8Array | undefined): void {
    if (source === undefined) {
      this.#modules.delete(fileName);
    } else {
      const hash = this.#options.compute.sha1Hex(utf8(encodeModule({ fileName, source })));
      this.#modules.set(fileName, { fileName, source, hash });
    }
    this.clearCache();
  }

  /** Forgets the states of all modules: the next call of each makes a new one. */
  clearCache(): void {
    for (const script of this.#scripts.values()) script.close();
    this.#scripts.clear();
  }

  /** Calls a record function. */
  apply(call: UdfCall): ScriptEnd {
    return this.#guarded((): ScriptEnd => {
      const script = this.#script(utf8Decode(call.moduleName));
      if (typeof script === "string") return { ok: false, text: script };
      const end = script.apply(call);
      if (!this.#options.settings.cacheEnabled) this.clearCache();
      return end;
    }, (text) => ({ ok: false, text }));
  }

  /** A script of its own for a stream, which its user closes; or the error. */
  openScript(moduleName: Uint8Array): Script | string {
    return this.#guarded(() => this.#load(utf8Decode(moduleName)), (text) => text);
  }

  /** Runs a step of a stream; what can't be told to a script's mistake ends in `onFault`. */
  guarded<Result>(run: () => Result, onFault: (text: string) => Result): Result {
    return this.#guarded(run, onFault);
  }

  #guarded<Result>(run: () => Result, onFault: (text: string) => Result): Result {
    try {
      return run();
    } catch (error) {
      this.#host = undefined;
      this.#scripts.clear();
      const text = `Lua failed and was started anew: ${(error as Error).message}`;
      this.#options.log.write("warning", "udf", text.replaceAll("\n", " "));
      return onFault(text);
    }
  }

  #script(name: string): Script | string {
    const cached = this.#scripts.get(name);
    if (cached !== undefined) return cached;
    const script = this.#load(name);
    if (typeof script === "string") return script;
    for (const [oldest, unused] of this.#scripts) {
      if (this.#scripts.size < UDF_STATE_COUNT_MAX) break;
      unused.close();
      this.#scripts.delete(oldest);
    }
    this.#scripts.set(name, script);
    return script;
  }

  #load(name: string): Script | string {
    const module = this.#modules.get(`${name}${SUFFIX}`) ?? this.#modules.get(name);
    if (module === undefined) return MODULE_NOT_FOUND;
    const { fileName, source } = module;
    const script = Script.load(this.#loadedHost(), { name, source, chunkName: this.#chunkName(fileName) });
    return script instanceof Script ? script : script.error;
  }

  #chunkName(fileName: string): string {
    return `@${this.#options.settings.userPath}/${fileName}`;
  }

  #loadedHost(): ScriptHost {
    if (this.#host !== undefined) return this.#host;
    const { clock, log } = this.#options;
    const engine = new LuaEngine(this.#options);
    const functions = new HostFunctions({
      engine,
      clock,
      log,
      findModule: (name) => {
        const module = this.#modules.get(`${name}${SUFFIX}`);
        return module && { source: module.source, chunkName: this.#chunkName(module.fileName) };
      },
    });
    const entries = Object.entries(functions.table());
    const pointers = engine.machine.install(
      entries.map(([, run]) => ({ signature: SIGNATURE.FUNCTION, run })),
    );
    const byName = Object.fromEntries(entries.map(([name], index) => [name, pointers[index]]));
    return this.#host = { engine, functions, pointers: byName };
  }
}

/** Whether a name may be that of a module: a plain file name, as it stands in info commands and paths. */
export function isModuleName(fileName: string): boolean {
  const sizeBytes = utf8(fileName).length;
  return sizeBytes > 0 && sizeBytes <= UDF_NAME_SIZE_MAX && !/[\/\\\p{Cc}]/u.test(fileName) &&
    fileName !== "." &&
    fileName !== "..";
}

/** The text of a module from the value that cluster-wide metadata keeps; undefined when it is none. */
export function decodeModule(value: string): Uint8Array | undefined {
  if (value.length > UDF_CONTENT_SIZE_MAX + 256) return undefined;
  try {
    const parsed = JSON.parse(value) as { content64?: unknown } | null;
    return typeof parsed?.content64 === "string" ? decodeBase64(parsed.content64) : undefined;
  } catch {
    return undefined;
  }
}

/** The value that cluster-wide metadata keeps for a module, in the stock server's form. */
export function encodeModule({ fileName, source }: Pick<UdfModule, "fileName" | "source">): string {
  const [content, name] = [encodeBase64(source), fileName].map((text) => JSON.stringify(text));
  return `{"content64": ${content}, "type": "LUA", "name": ${name}}`;
}
