/**
 * HTTP by `Deno.serve`.
 *
 * @module
 */

import type { Serve } from "./server.ts";

/** See {@linkcode Serve}. */
export const serveOnDeno: Serve = (handler, { host, port }) => {
  const server = Deno.serve({ hostname: host, port, onListen() {} }, handler);
  return Promise.resolve({
    port: server.addr.port,
    close: () => server.shutdown(),
  });
};
