/**
 * The smart client on this machine's network and clock, for Deno, Node 22 and later, and Bun.
 *
 * @example
 * ```ts ignore
 * import { connect } from "@aerie/aerie/client";
 *
 * const client = await connect({ hosts: ["127.0.0.1:3000"] });
 * await client.put({ namespace: "test", set: "demo", key: "k1" }, { a: 1, s: "hi" });
 * console.log(await client.get({ namespace: "test", set: "demo", key: "k1" }));
 * client.close();
 * ```
 *
 * @module
 */
import { type AerieClient, type ClientOptions, connect as connectOn } from "./src/client/mod.ts";
import { createPlatform } from "./src/platform/mod.ts";

export * from "./src/client/mod.ts";

/**
 * Connects to a cluster.
 *
 * @param options as in the pure client; `ports` default to this machine's
 * @throws {ConnectionError} when none of the hosts answers in time
 * @throws {TypeError | RangeError} when an option is wrong
 */
export async function connect(
  options: Omit<ClientOptions, "ports"> & Partial<Pick<ClientOptions, "ports">>,
): Promise<AerieClient> {
  return await connectOn({ ...options, ports: options.ports ?? await createPlatform() });
}
