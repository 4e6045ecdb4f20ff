/**
 * One module of the cluster-wide metadata on one node: its items, its version, and what became of the attempts to keep
 * them. Every member has this part; what the principal does besides is in `smd_principal.ts`.
 *
 * @module
 */

import { SMD_ITEM_COUNT_MAX } from "../base/mod.ts";
import { mergeContents } from "./smd_merge.ts";
import {
  SMD_NO_VERSION,
  type SmdContent,
  type SmdEffect,
  type SmdStoredItem,
  type SmdTold,
  type SmdVersion,
} from "./smd_types.ts";

/** Whether two versions are the same. */
export function sameVersion(a: SmdVersion, b: SmdVersion): boolean {
  return a.clusterKey === b.clusterKey && a.transactionId === b.transactionId;
}

/** Cluster keys, and so the first numbers of versions, are below. */
const KEY_END = 0x1_0000_0000_0000;

/**
 * The version of a content after an exchange has changed it. Whoever had the same version before had the same content, was
 * told the same, and has the same now; so of one exchange equal versions come from equal ones, and a random key keeps those
 * of two exchanges apart.
 */
function versionAfterExchange({ clusterKey, transactionId }: SmdVersion, exchangeKey: number): SmdVersion {
  return { clusterKey: (clusterKey + exchangeKey) % KEY_END, transactionId };
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

  /**
   * Merges what the members of a cluster have told in its exchange, which is the same for all of them. The principal then
   * finds versions that differ, and makes all contents equal in what was not told, too.
   */
  takeTold(exchangeKey: number, told: readonly SmdTold[]): void {
    const keys = new Set(told.flatMap(({ items }) => items.map(({ key }) => key)));
    const own = [...keys].flatMap((key) => this.#items.get(key) ?? []);
    const changed = mergeContents(this.module, [{ items: own }, ...told])
      .filter((item) => !sameItem(item, this.#items.get(item.key)));
    if (changed.length === 0 || this.#items.size + changed.length > SMD_ITEM_COUNT_MAX) return;
    this.#commit(versionAfterExchange(this.version, exchangeKey), changed);
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
