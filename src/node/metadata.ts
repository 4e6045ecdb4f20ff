/**
 * The node's part in the cluster-wide metadata: today the truncation marks. They are kept in the work directory, so that a mark is there again after a restart, before any record is.
 *
 * A command acts on the stores at once and is kept afterwards: its answer does not wait for the disk, as the answer of
 * no info command does. A node that dies within these milliseconds forgets the mark; one that stops in order does not.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S, utf8 } from "../base/mod.ts";
import {
  type NodeId,
  Smd,
  type SmdContent,
  type SmdEffect,
  type SmdEvent,
  SmdStore,
} from "../cluster/mod.ts";
import type { Settings } from "../config/mod.ts";
import type { Ports, Timer } from "../port/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import {
  decodeSmd,
  FABRIC_CHANNEL,
  isPeerFault,
  PEER_MESSAGE,
  type PeerReader,
  SMD_MODULE,
} from "../wire/mod.ts";
import type { ClusterRuntime } from "./cluster/mod.ts";

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
  /** The cluster, in which all members agree. */
  cluster: ClusterRuntime;
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
  readonly #cluster: ClusterRuntime;
  readonly #namespaces: readonly Namespace[];
  #timer: Timer | undefined;
  #timerMs = Infinity;
  #isStopped = false;
  /** Settles when the last write that was begun is over. */
  #writing: Promise<void> = Promise.resolve();
  #request = 0;
  /** Keys that commands of this node set, until that is known everywhere: the stores have the last value already. */
  readonly #asked = new Map<string, number>();

  /** Applies the marks that were kept to the stores. */
  constructor(options: NodeMetadataOptions) {
    const { ports, settings, namespaces, kept, cluster } = options;
    this.#ports = ports;
    this.#cluster = cluster;
    this.#namespaces = namespaces;
    this.#store = new SmdStore(ports.disk, settings.service.workDirectory);
    this.#smd = new Smd({
      self: cluster.self,
      modules: MODULES,
      kept,
      timestampMs: () => Math.max(0, Math.floor(ports.clock.wallMs()) - CITRUSLEAF_EPOCH_S * 1000),
    });
    for (const { key, value } of kept.get(TRUNCATE)?.items ?? []) {
      if (value !== null) applyMark(namespaces, key, Number(value));
    }
    cluster.addListener({
      onBalanced: ({ clusterKey, succession }) =>
        this.#step({ kind: "cluster-changed", clusterKey, succession }),
      onOrphaned: () => this.#step({ kind: "orphaned" }),
    });
    cluster.register(PEER_MESSAGE.SMD, (from, reader) => this.#receive(from, reader));
  }

  /** Keeps a truncation mark, ms since 2010, or with null its end; the set is undefined for a whole namespace. */
  keepMark(namespace: string, set: string | undefined, lutMs: number | null): void {
    const key = set === undefined ? namespace : `${namespace}${KEY_SEPARATOR}${set}`;
    const value = lutMs === null ? null : String(lutMs);
    const request = ++this.#request;
    this.#asked.set(key, request);
    this.#step({ kind: "set", request, module: TRUNCATE, key, value });
  }

  /** Resolves when everything that was to be kept has been, or could not be. */
  async flush(): Promise<void> {
    let writing: Promise<void> | undefined;
    while (writing !== this.#writing) {
      writing = this.#writing;
      await writing;
    }
  }

  /** Takes part no longer; what was to be kept is. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #receive(from: NodeId, reader: PeerReader): void {
    const message = decodeSmd(reader);
    if (!isPeerFault(message)) return this.#step({ kind: "message", from, message });
    this.#ports.log.write("warning", "smd", `message of node ${from} is dropped: ${message.fault}`);
  }

  #step(event: SmdEvent): void {
    for (const effect of this.#smd.step(event, this.#ports.clock.monotonicMs())) this.#perform(effect);
    this.#schedule();
  }

  /** A timer that is too early only ticks once more. */
  #schedule(): void {
    const dueMs = this.#smd.nextTickMs;
    if (this.#isStopped || dueMs >= this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    const { clock } = this.#ports;
    this.#timer = clock.after(Math.max(0, dueMs - clock.monotonicMs()), () => {
      this.#timerMs = Infinity;
      this.#step({ kind: "tick" });
    });
  }

  #perform(effect: SmdEffect): void {
    switch (effect.kind) {
      case "persist":
        this.#writing = this.#writing.then(() => this.#persist(effect.module, effect.revision));
        return;
      case "set-done":
        for (const [key, request] of this.#asked) if (request === effect.request) this.#asked.delete(key);
        if (effect.result === "refused") this.#warn("too many at once, or a name too long");
        return;
      case "log":
        return this.#ports.log.write(effect.level === "debug" ? "debug" : effect.level, "smd", effect.text);
      case "apply":
        for (const { key, value } of effect.items) {
          if (this.#asked.has(key)) continue;
          applyMark(this.#namespaces, key, value === null ? undefined : Number(value));
        }
        return;
      case "send":
        for (const node of effect.to) {
          this.#cluster.send({ node, channel: FABRIC_CHANNEL.META }, effect.message);
        }
        return;
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

/** Marks a namespace or set, or with undefined ends its mark; a set that has no record yet is created, so that its mark is in force from the start. */
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
