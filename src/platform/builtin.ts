/**
 * Modules of Node's, at their first use. Deno has them too, but its own interface costs a start nothing: under Deno the
 * ports of a node that only serves from memory load none of them, which saves some 8 MiB and 15 ms.
 *
 * @module
 */

/** Whether this is Deno; else it is Node. */
export const isDeno = "Deno" in globalThis;

type BuiltinLoader = { getBuiltinModule(name: string): unknown };

/**
 * A module of Node's, loaded when it is asked for first.
 *
 * @param name with `node:` in front
 */
export function builtin<Module>(name: `node:${string}`): Module {
  const { process } = globalThis as unknown as { process: BuiltinLoader };
  return process.getBuiltinModule(name) as Module;
}
