/**
 * Serves the application: by `Deno.serve` under Deno, by `node:http` under Node. Which it is shows at run time.
 *
 * @module
 */

import { bindAddresses } from "../config/mod.ts";
import type { AerieNode } from "../node/mod.ts";
import { createApp } from "./app.ts";

/** Where to listen. */
export interface HttpOptions {
  /** Addresses as in the configuration; none means loopback. */
  addresses: readonly string[];
  /** Port; 0 lets the system choose. */
  port: number;
}

/** HTTP listeners that are open. */
export interface HttpServer {
  /** Port that is bound. */
  readonly port: number;
  /** Addresses that are bound. */
  readonly hosts: readonly string[];
  /** Stops listening and closes what is open. */
  close(): Promise<void>;
}

/** Answers one request. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** One listener that is open. */
export interface OneServer {
  /** Port that is bound. */
  port: number;
  /** Stops listening and closes what is open. */
  close(): Promise<void>;
}

/** Listens on one address. */
export type Serve = (handler: FetchHandler, address: { host: string; port: number }) => Promise<OneServer>;

/**
 * Serves a node's HTTP paths on all configured addresses.
 *
 * @throws {Error} that names address, port, cause and what to do
 */
export async function startHttp(node: AerieNode, options: HttpOptions): Promise<HttpServer> {
  const app = createApp(node);
  const handler: FetchHandler = (request) => app.fetch(request);
  const serve = await findServe();
  const addresses = options.addresses.length === 0 ? ["local"] : options.addresses;
  const hosts = bindAddresses(addresses, node.ports.host);
  const servers: OneServer[] = [];
  let { port } = options;
  for (const host of hosts) {
    try {
      const server = await serve(handler, { host, port });
      servers.push(server);
      port = server.port;
    } catch (error) {
      await Promise.all(servers.map((server) => server.close()));
      throw listenError(error, host, port);
    }
  }
  return {
    port,
    hosts,
    close: async () => {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

async function findServe(): Promise<Serve> {
  return "Deno" in globalThis
    ? (await import("./deno_server.ts")).serveOnDeno
    : (await import("./node_server.ts")).serveOnNode;
}

function listenError(cause: unknown, host: string, port: number): Error {
  const { name, code, message } = cause as Error & { code?: string };
  const isBusy = name === "AddrInUse" || code === "EADDRINUSE";
  const reason = isBusy ? "another program listens there" : message;
  return new Error(
    `Cannot listen for HTTP on "${host}" port ${port}: ${reason}; choose another with --http PORT, or --http off`,
    { cause },
  );
}
