/**
 * aerie as a library: a node inside your program. The calls are those of the smart client; they reach the node without
 * a socket. Other programs can connect too when you ask for listeners.
 *
 * @example
 * ```ts
 * import { open } from "@aerie/aerie";
 *
 * const database = await open();
 * await database.client.put({ namespace: "test", set: "demo", key: "k1" }, { a: 1, s: "hi" });
 * const record = await database.client.get({ namespace: "test", set: "demo", key: "k1" });
 * if (record?.bins.a !== 1) throw new Error("not what was put");
 * await database.close();
 * ```
 *
 * @module
 */

import { type AerieClient, connect, type DefaultPolicies } from "./src/client/mod.ts";
import { defaultSettings, type SettingsOverrides } from "./src/config/mod.ts";
import { type AerieNode, createNode, type OpenListener } from "./src/node/mod.ts";
import { createPlatform } from "./src/platform/mod.ts";
import type { Ports } from "./src/port/mod.ts";

export * from "./src/client/mod.ts";
export type * from "./src/config/mod.ts";
export type { OpenListener, SessionKind } from "./src/node/mod.ts";
export type * from "./src/port/mod.ts";

/** How to open a node. */
export interface OpenOptions {
  /** Settings that differ from the defaults, by the camel-case names of the options. */
  settings?: SettingsOverrides;
  /** Open the listeners of the settings, so that other programs can connect. Default false. */
  listen?: boolean;
  /** Default policies of the client. */
  policies?: DefaultPolicies;
  /** The outside world; defaults to this machine's. */
  ports?: Ports;
  /** Told when the node closed itself because an assertion failed. Calls under way reject then, later ones too. */
  onFailure?: (error: unknown) => void;
}

/** A node in this process. */
export interface EmbeddedNode {
  /** Gets, puts and all the rest. */
  readonly client: AerieClient;
  /** Id of the node, upper-case hexadecimal. */
  readonly nodeId: string;
  /** Listeners that are open; none unless asked for. */
  readonly listeners: readonly OpenListener[];
  /** Finishes what runs and closes the node. Data in memory is gone. */
  close(): Promise<void>;
}

/**
 * Opens a node in this process: namespace `test` in memory unless the settings say otherwise.
 *
 * @throws {Error} when a listener can't be opened
 */
export async function open(options: OpenOptions = {}): Promise<EmbeddedNode> {
  const settings = defaultSettings(options.settings);
  const ports = options.ports ?? await createPlatform({ log: quietLog });
  const opened: { client?: AerieClient } = {};
  const node = await createNode({
    settings,
    ports,
    onFailure: (error) => {
      opened.client?.close();
      options.onFailure?.(error);
    },
  });
  await node.start({ listen: options.listen ?? false });
  const client = opened.client = await connectTo(node, ports, options);
  return {
    client,
    nodeId: node.identity.id,
    listeners: node.listeners.open,
    close: async () => {
      client.close();
      await node.stop();
    },
  };
}

function connectTo(node: AerieNode, ports: Ports, options: OpenOptions): Promise<AerieClient> {
  return connect({
    hosts: ["127.0.0.1"],
    ports: { ...ports, network: node.inProcessNetwork() },
    ...(options.policies === undefined ? {} : { policies: options.policies }),
  });
}

/** A host program decides itself what it logs: give `ports` with a log of your own to hear from the node. */
const quietLog: Ports["log"] = { enabled: () => false, write() {} };
