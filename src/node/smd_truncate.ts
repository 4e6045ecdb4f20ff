/**
 * Truncation marks in the cluster-wide metadata: keys are `namespace` or `namespace|set`, values ms since 2010.
 *
 * @module
 */

import { utf8 } from "../base/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { SMD_MODULE } from "../wire/mod.ts";
import type { SmdChange, SmdModuleHandler } from "./smd_module_handler.ts";

const KEY_SEPARATOR = "|";

/** Key of a mark; the set is undefined for a whole namespace. */
export function truncateKey(namespaceName: string, setName: string | undefined): string {
  return setName === undefined ? namespaceName : `${namespaceName}${KEY_SEPARATOR}${setName}`;
}

/** The module of truncation marks. */
export class TruncateModule implements SmdModuleHandler {
  /** See {@linkcode SmdModuleHandler}. */
  readonly module: number = SMD_MODULE.TRUNCATE;
  /** See {@linkcode SmdModuleHandler}. */
  readonly subject: string = "a truncation mark";
  readonly #namespaces: readonly Namespace[];

  /** @param namespaces whose records are marked */
  constructor(namespaces: readonly Namespace[]) {
    this.#namespaces = namespaces;
  }

  /** See {@linkcode SmdModuleHandler}. */
  apply(items: readonly SmdChange[]): void {
    for (const { key, value } of items) {
      applyMark(this.#namespaces, key, value === null ? undefined : Number(value));
    }
  }
}

/**
 * Marks a namespace or set, or with undefined ends its mark; a set that has no record yet is created, so that its mark is
 * in force from the start.
 */
function applyMark(namespaces: readonly Namespace[], key: string, lutMs: number | undefined): void {
  const at = key.indexOf(KEY_SEPARATOR);
  const name = at < 0 ? key : key.slice(0, at);
  const store = namespaces.find(({ settings }) => settings.name === name)?.store;
  if (store === undefined) return;
  const bytes = utf8(key.slice(at + 1));
  const set = at < 0 ? undefined : store.sets.findOrCreate(bytes, 0, bytes.length);
  if (at >= 0 && set === undefined) return;
  if (lutMs === undefined) store.undoTruncate(set);
  else if (Number.isSafeInteger(lutMs)) store.truncate(set, lutMs);
}
