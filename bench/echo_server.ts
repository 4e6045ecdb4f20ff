/**
 * The yardstick: a server on the same runtime and the same network port of the platform that reads nothing into what
 * arrives. It answers a request of so many bytes with a reply of so many bytes.
 *
 * `echo_server.ts PORT [[requestBytes, replyBytes], ...]`
 *
 * @module
 */

import { createPlatform } from "../src/platform/mod.ts";
import type { Connection } from "../src/port/mod.ts";

/** Answers each request; clients send the next one when the reply to the last has come. */
function serveConnection(connection: Connection, replies: ReadonlyMap<number, Uint8Array>): void {
  let receivedBytes = 0;
  connection.handler = {
    onData(bytes) {
      receivedBytes += bytes.length;
      const reply = replies.get(receivedBytes);
      if (reply === undefined) return;
      receivedBytes = 0;
      connection.write(reply);
    },
    onWritten() {},
    onClose() {},
  };
}

if (import.meta.main) {
  const sizes: [number, number][] = JSON.parse(Deno.args[1]);
  const replies = new Map(sizes.map(([request, reply]) => [request, new Uint8Array(reply)]));
  const { network } = await createPlatform();
  await network.listen(
    { host: "127.0.0.1", port: Number(Deno.args[0]) },
    (connection) => serveConnection(connection, replies),
  );
}
