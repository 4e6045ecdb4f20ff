/**
 * One module of the cluster-wide metadata on one node: its items, its version, and what became of the attempts to keep
 * them. Every member has this part; what the principal does besides is in `smd_principal.ts`.
 *
 * @module
 */

import {
  SMD_NO_VERSION,
  type SmdContent,
  type SmdEffect,
  type SmdStoredItem,
  type SmdVersion,
} from "./smd_types.ts";

/** Whether two versions are the same. */
export function sameVersion(a: SmdVersion, b: SmdVersion): boolean {
  return a.clusterKey === b.clusterKey && a.transactionId === b.transactionId;
}

function sameItem(a: SmdStoredItem, b: SmdStoredItem | undefined): boolean {
  return b !== undefined && a.value === b.value && a.generation === b.generation &&
    a.timestampMs === b.timestampMs;
}

/** See the head of the file. */
export class SmdModule {
  /** One of `SMD_MODULE`. */
  readonly module: number;
  /** Last committed change. */
  version: SmdVersion;
  readonly #items: Map<string, SmdStoredItem>;
  readonly #emit: (effect: SmdEffect) => void;
  #revision = 0;
  #persistedRevision = 0;

  /** @param options which one, what was kept of it, and where effects go */
  constructor(
    options: { module: number; content: SmdContent | undefined; emit: (effect: SmdEffect) => void },
  ) {
    this.module = options.module;
    this.version = options.content?.version ?? SMD_NO_VERSION;
    this.#items = new Map(options.content?.items.map((item) => [item.key, item]));
    this.#emit = options.emit;
  }

  /** All of it. */
  get content(): SmdContent {
    return { version: this.version, items: [...this.#items.values()] };
  }

  /** Items, deleted ones included. */
  get itemCount(): number {
    return this.#items.size;
  }

  /** Whether everything that was committed here has been kept, or could not be. */
  get isPersisted(): boolean {
    return this.#persistedRevision >= this.#revision;
  }

  /** One item. */
  item(key: string): SmdStoredItem | undefined {
    return this.#items.get(key);
  }

  /** An attempt to keep the module is over. */
  persisted(revision: number): void {
    this.#persistedRevision = Math.max(this.#persistedRevision, Math.min(revision, this.#revision));
  }

  /** Takes over one changed item. */
  commitItem(version: SmdVersion, item: SmdStoredItem): void {
    this.#commit(version, [item]);
  }

  /** Takes over the whole content: items that are not in it are gone. */
  commitAll(version: SmdVersion, items: readonly SmdStoredItem[]): void {
    const keys = new Set(items.map(({ key }) => key));
    const gone: SmdStoredItem[] = [];
    for (const item of this.#items.values()) {
      if (keys.has(item.key)) continue;
      this.#items.delete(item.key);
      if (item.value !== null) gone.push({ ...item, value: null });
    }
    this.#commit(version, items, gone);
  }

  #commit(version: SmdVersion, items: readonly SmdStoredItem[], gone: readonly SmdStoredItem[] = []): void {
    const changed = items.filter((item) => !sameItem(item, this.#items.get(item.key)));
    for (const item of changed) this.#items.set(item.key, item);
    this.version = version;
    this.#revision++;
    const news = [...gone, ...changed];
    if (news.length > 0) this.#emit({ kind: "apply", module: this.module, items: news });
    this.#emit({ kind: "persist", module: this.module, revision: this.#revision });
  }
}
