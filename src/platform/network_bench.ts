/**
 * CPU per request and reply of 64 bytes over `Deno.listen` and over `node:net`: an echo server in this process, the
 * load in a worker. `deno run -A src/platform/network_bench.ts`
 *
 * @module
 */
import process from "node:process";
import type { Network } from "../port/mod.ts";
import { createPlatform } from "./mod.ts";
import { createNodeNetwork } from "./node_network.ts";

const CONNECTION_COUNT = 32;
const REQUEST_SIZE_BYTES = 64;
const RUN_MS = 3000;

/** Load: each connection sends the next request when the reply has come. Runs in a process of its own. */
async function load(port: number): Promise<void> {
  const { network } = await createPlatform();
  const request = new Uint8Array(REQUEST_SIZE_BYTES);
  let replies = 0;
  for (let count = 0; count < CONNECTION_COUNT; count++) {
    const connection = await network.connect({ host: "127.0.0.1", port, timeoutMs: 5000 });
    connection.handler = {
      onData() {
        replies++;
        connection.write(request);
      },
      onWritten() {},
      onClose() {},
    };
    connection.write(request);
  }
  await new Promise((resolve) => setTimeout(resolve, RUN_MS));
  Deno.stdout.writeSync(new TextEncoder().encode(String(replies)));
  Deno.exit(0);
}

async function measure(name: string, network: Network): Promise<void> {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 }, (connection) => {
    const reply = new Uint8Array(REQUEST_SIZE_BYTES);
    let writing = false;
    let waiting = false;
    const answer = () => {
      writing = true;
      connection.write(reply);
    };
    connection.handler = {
      onData(bytes) {
        reply.set(bytes);
        if (writing) waiting = true;
        else answer();
      },
      onWritten() {
        writing = false;
        if (!waiting) return;
        waiting = false;
        answer();
      },
      onClose() {},
    };
  });
  const before = process.cpuUsage();
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.url, String(listener.address.port)],
  }).output();
  const used = process.cpuUsage(before);
  const replies = Number(new TextDecoder().decode(stdout));
  const perReplyUs = (used.user + used.system) / replies;
  const text = `${name}: ${perReplyUs.toFixed(2)} µs of CPU per reply, ${
    Math.round(replies * 1000 / RUN_MS)
  } replies/s\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  listener.close();
}

if (import.meta.main) {
  if (Deno.args.length > 0) await load(Number(Deno.args[0]));
  const { network } = await createPlatform();
  for (let round = 0; round < 2; round++) {
    await measure("Deno.listen", network);
    await measure("node:net   ", createNodeNetwork());
  }
  Deno.exit(0);
}
