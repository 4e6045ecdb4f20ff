/**
 * Modules of functions in the cluster-wide metadata: keys are file names, values the stock server's JSON with the text
 * in base64.
 *
 * @module
 */

import type { Log } from "../port/mod.ts";
import { decodeModule, isModuleName, type UdfModules } from "../udf/mod.ts";
import { SMD_MODULE } from "../wire/mod.ts";
import type { SmdChange, SmdModuleHandler } from "./smd_module_handler.ts";

/** The module of modules. */
export class UdfModule implements SmdModuleHandler {
  /** See {@linkcode SmdModuleHandler}. */
  readonly module: number = SMD_MODULE.UDF;
  /** See {@linkcode SmdModuleHandler}. */
  readonly subject: string = "a module of functions";
  readonly #modules: UdfModules;
  readonly #log: Log;

  /** @param modules of the node; @param log where items that make no sense are told of */
  constructor(modules: UdfModules, log: Log) {
    this.#modules = modules;
    this.#log = log;
  }

  /** See {@linkcode SmdModuleHandler}. */
  apply(items: readonly SmdChange[]): void {
    for (const { key, value } of items) {
      const source = value === null ? undefined : decodeModule(value);
      const isGood = isModuleName(key) && (value === null || source !== undefined);
      if (isGood) this.#modules.set(key, source);
      else {this.#log.write(
          "warning",
          "udf",
          `metadata of module "${key}" is passed over: it is no text of Lua`,
        );}
    }
  }
}
