/**
 * How deep evictions go, in the cluster-wide metadata: keys are namespaces, values void-times in seconds since 2010. Each
 * node evicts by itself what is due up to there. Source: server-operations reference, section 17.2.
 *
 * @module
 */

import type { Namespace } from "../transaction/mod.ts";
import { SMD_MODULE } from "../wire/mod.ts";
import type { SmdChange, SmdModuleHandler } from "./smd_module_handler.ts";

/** The module of eviction depths. */
export class EvictModule implements SmdModuleHandler {
  /** See {@linkcode SmdModuleHandler}. */
  readonly module: number = SMD_MODULE.EVICT;
  /** See {@linkcode SmdModuleHandler}. */
  readonly subject: string = "the depth of evictions";
  readonly #namespaces: readonly Namespace[];

  /** @param namespaces whose records are evicted */
  constructor(namespaces: readonly Namespace[]) {
    this.#namespaces = namespaces;
  }

  /** See {@linkcode SmdModuleHandler}. */
  apply(items: readonly SmdChange[]): void {
    for (const { key, value } of items) {
      const voidTime = Number(value ?? 0);
      const namespace = this.#namespaces.find(({ settings }) => settings.name === key);
      const isVoidTime = voidTime >= 0 && voidTime <= VOID_TIME_MAX && Number.isInteger(voidTime);
      if (isVoidTime) namespace?.store.supervision.agreeEviction(voidTime);
    }
  }
}

/** Void-times are 32 bits. */
const VOID_TIME_MAX = 0xffff_ffff;
