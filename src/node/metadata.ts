/**
 * The node's part in the cluster-wide metadata: today the truncation marks, of a node alone, which is its own principal.
 * They are kept in the work directory, so that a mark is there again after a restart, before any record is.
 *
 * A command acts on the stores at once and is kept afterwards: its answer does not wait for the disk, as the answer of
 * no info command does. A node that dies within these milliseconds forgets the mark; one that stops in order does not.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S, utf8 } from "../base/mod.ts";
import { Smd, type SmdContent, type SmdEffect, type SmdEvent, SmdStore } from "../cluster/mod.ts";
import type { Settings } from "../config/mod.ts";
import type { Ports } from "../port/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { SMD_MODULE } from "../wire/mod.ts";

const { TRUNCATE } = SMD_MODULE;
const MODULES = [TRUNCATE];
const KEY_SEPARATOR = "|";

/**
 * Reads what an earlier run of the node kept.
 *
 * @throws {Error} when there is a file that can't be read or understood
 */
export function loadMetadata(settings: Settings, ports: Ports): Promise<Map<number, SmdContent>> {
  return new SmdStore(ports.disk, settings.service.workDirectory).load(MODULES);
}

/** What {@linkcode NodeMetadata} stands on. */
export interface NodeMetadataOptions {
  /** Node id, hexadecimal. */
  id: string;
  /** Key of the cluster that the node is alone in, hexadecimal. */
  clusterKey: string;
  /** What was kept. */
  kept: ReadonlyMap<number, SmdContent>;
  /** Settings of the node. */
  settings: Settings;
  /** The outside world. */
  ports: Ports;
  /** Whose marks are kept. */
  namespaces: readonly Namespace[];
}

/** See the head of the file. */
export class NodeMetadata {
  readonly #smd: Smd;
  readonly #store: SmdStore;
  readonly #ports: Ports;
  /** Settles when the last write that was begun is over. */
  #writing: Promise<void> = Promise.resolve();
  #request = 0;

  /** Applies the marks that were kept to the stores. */
  constructor(options: NodeMetadataOptions) {
    const { ports, settings, namespaces, kept } = options;
    const self = options.id.toLowerCase().padStart(16, "0");
    this.#ports = ports;
    this.#store = new SmdStore(ports.disk, settings.service.workDirectory);
    this.#smd = new Smd({
      self,
      modules: MODULES,
      kept,
      timestampMs: () => Math.max(0, Math.floor(ports.clock.wallMs()) - CITRUSLEAF_EPOCH_S * 1000),
    });
    for (const { key, value } of kept.get(TRUNCATE)?.items ?? []) {
      if (value !== null) applyMark(namespaces, key, Number(value));
    }
    this.#step({ kind: "cluster-changed", clusterKey: parseInt(options.clusterKey, 16), succession: [self] });
  }

  /** Keeps a truncation mark, ms since 2010, or with null its end; the set is undefined for a whole namespace. */
  keepMark(namespace: string, set: string | undefined, lutMs: number | null): void {
    const key = set === undefined ? namespace : `${namespace}${KEY_SEPARATOR}${set}`;
    const value = lutMs === null ? null : String(lutMs);
    this.#step({ kind: "set", request: ++this.#request, module: TRUNCATE, key, value });
  }

  /** Resolves when everything that was to be kept has been, or could not be. */
  async flush(): Promise<void> {
    let writing: Promise<void> | undefined;
    while (writing !== this.#writing) {
      writing = this.#writing;
      await writing;
    }
  }

  #step(event: SmdEvent): void {
    for (const effect of this.#smd.step(event, this.#ports.clock.monotonicMs())) this.#perform(effect);
  }

  #perform(effect: SmdEffect): void {
    switch (effect.kind) {
      case "persist":
        this.#writing = this.#writing.then(() => this.#persist(effect.module, effect.revision));
        return;
      case "set-done":
        if (effect.result === "refused") this.#warn("too many at once, or a name too long");
        return;
      case "log":
        return this.#ports.log.write(effect.level === "debug" ? "debug" : effect.level, "smd", effect.text);
      case "apply":
        // The stores have it already: commands act at once.
        return;
      case "send":
      case "count":
        return;
    }
  }

  async #persist(module: number, revision: number): Promise<void> {
    try {
      await this.#store.save(module, this.#smd.content(module)!);
    } catch (error) {
      this.#warn((error as Error).message);
    }
    this.#step({ kind: "persisted", module, revision });
  }

  #warn(reason: string): void {
    const text = `a truncation mark is not kept in ${
      this.#store.path(TRUNCATE)
    } and ends with this run: ${reason}`;
    this.#ports.log.write("warning", "smd", text);
  }
}

/** Marks a namespace or set; a set that has no record yet is created, so that its mark is in force from the start. */
function applyMark(namespaces: readonly Namespace[], key: string, lutMs: number): void {
  const at = key.indexOf(KEY_SEPARATOR);
  const name = at < 0 ? key : key.slice(0, at);
  const store = namespaces.find(({ settings }) => settings.name === name)?.store;
  if (store === undefined || !Number.isSafeInteger(lutMs)) return;
  if (at < 0) return store.truncate(undefined, lutMs);
  const bytes = utf8(key.slice(at + 1));
  const set = store.sets.findOrCreate(bytes, 0, bytes.length);
  if (set !== undefined) store.truncate(set, lutMs);
}
