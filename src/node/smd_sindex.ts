/**
 * Definitions of secondary indexes in the cluster-wide metadata: keys are definitions, values names of indexes.
 *
 * @module
 */

import type { Log } from "../port/mod.ts";
import { compileExpression, isIndexContext } from "../record/mod.ts";
import { type IndexDefinition, parseDefinitionKey } from "../sindex/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { safeText, SMD_MODULE } from "../wire/mod.ts";
import type { SmdChange, SmdModuleHandler } from "./smd_module_handler.ts";

/** The module of definitions of indexes. */
export class SindexModule implements SmdModuleHandler {
  /** See {@linkcode SmdModuleHandler}. */
  readonly module: number = SMD_MODULE.SINDEX;
  /** See {@linkcode SmdModuleHandler}. */
  readonly subject: string = "the definition of an index";
  readonly #namespaces: readonly Namespace[];
  readonly #log: Log;

  /** @param namespaces whose indexes are defined */
  constructor(namespaces: readonly Namespace[], log: Log) {
    this.#namespaces = namespaces;
    this.#log = log;
  }

  /** See {@linkcode SmdModuleHandler}. */
  apply(items: readonly SmdChange[]): void {
    // Removals first: a name that is free again may be taken by another definition among the items.
    for (const { key, value } of items) if (value === null) this.#apply(key, null);
    for (const { key, value } of items) if (value !== null) this.#apply(key, value);
  }

  #apply(key: string, name: string | null): void {
    const parsed = parseDefinitionKey(key);
    if (parsed === undefined || !isUsable(parsed.definition)) {
      this.#log.write(
        "warning",
        "sindex",
        `index definition "${safeText(key)}" is not understood and left out`,
      );
      return;
    }
    const namespace = this.#namespaces.find(({ settings }) => settings.name === parsed.namespaceName);
    if (namespace === undefined) return;
    if (name === null) namespace.indexes.remove(key);
    else namespace.indexes.create(parsed.definition, name);
  }
}

/** Whether what another node or an earlier run has accepted can be worked with here. */
function isUsable(definition: IndexDefinition): boolean {
  if (definition.kind === "set") return true;
  const { context, expression } = definition;
  if (context !== undefined && !isIndexContext(context)) return false;
  if (expression === undefined) return true;
  const program = compileExpression(expression);
  return typeof program !== "number" && program.isIndexable;
}
