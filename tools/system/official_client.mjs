// A workload of the official Node client that tells when its last request failed.
// Usage: node official_client.mjs PACKAGE_FOLDER HOST:PORT,... ; a line on standard input asks for a report, its end ends it.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [, , folder, hosts] = process.argv;
const Aerospike = createRequire(import.meta.url)(folder);
const WORKER_COUNT = 8;
const KEY_COUNT = 200;
const PAUSE_MS = 5;

const client = await Aerospike.connect({
  hosts,
  log: { level: Aerospike.log.OFF },
  policies: {
    read: new Aerospike.ReadPolicy({ totalTimeout: 1000 }),
    write: new Aerospike.WritePolicy({ totalTimeout: 1000 }),
  },
});

const counts = { done: 0, failed: 0, lastFailedMs: 0, lastFailedStartMs: 0 };
let isRunning = true;

async function work(worker) {
  for (let turn = 0; isRunning; turn++) {
    const key = new Aerospike.Key("test", "official", `${worker}/${turn % KEY_COUNT}`);
    const startMs = Date.now();
    try {
      if (turn % 2 === 0) await client.put(key, { turn });
      else await client.exists(key);
      counts.done++;
    } catch {
      counts.failed++;
      counts.lastFailedMs = Date.now();
      counts.lastFailedStartMs = Math.max(counts.lastFailedStartMs, startMs);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

const tell = () => void process.stdout.write(`${JSON.stringify(counts)}\n`);
const workers = Array.from({ length: WORKER_COUNT }, (_, worker) => work(worker));
const input = createInterface({ input: process.stdin });
input.on("line", tell);
input.on("close", async () => {
  isRunning = false;
  await Promise.all(workers);
  client.close();
});
tell();
