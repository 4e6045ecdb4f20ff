/**
 * A node that behaves as one of an earlier release does in a cluster: it tells no capability, so that no member uses what
 * came with one. Takes the executable's arguments.
 *
 * @module
 */

import { runServe } from "../../cmd/serve.ts";
import { OwnState } from "../../src/node/cluster/own_state.ts";

Object.defineProperty(OwnState.prototype, "capabilities", { get: () => 0 });
const [verb, ...args] = Deno.args;
if (verb !== "serve") throw new TypeError(`An earlier member serves; it was asked to "${verb}"`);
Deno.exit(await runServe(args));
