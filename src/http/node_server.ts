/**
 * HTTP by `node:http`: requests without a body, which is all that the paths take.
 *
 * @module
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { FetchHandler, OneServer, Serve } from "./server.ts";

/** See {@linkcode Serve}. */
export const serveOnNode: Serve = (handler, { host, port }) => {
  const server = createServer((incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch(() => outgoing.destroy());
  });
  return new Promise<OneServer>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
};

async function answer(
  handler: FetchHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  incoming.resume();
  const url = URL.canParse(incoming.url ?? "/", BASE_URL) ? new URL(incoming.url ?? "/", BASE_URL) : BASE_URL;
  const response = await handler(new Request(url, { method: incoming.method ?? "GET" }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(new Uint8Array(await response.arrayBuffer()));
}

const BASE_URL = "http://localhost/";
