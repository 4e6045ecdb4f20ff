// Puts a record and gets it back with the official client: node client.mjs CLIENT_FOLDER PORT VALUE
import { createRequire } from "node:module";
import process from "node:process";

const [folder, port, value] = process.argv.slice(2);
const aerospike = createRequire(`${folder}/package.json`)("aerospike");

const client = await aerospike.connect({
  hosts: [{ addr: "127.0.0.1", port: Number(port) }],
  log: { level: aerospike.log.ERROR },
});
try {
  const key = new aerospike.Key("test", "smoke", "a");
  const bins = { number: Number(value), text: `value ${value}`, list: [1, { two: 2 }] };
  await client.put(key, bins);
  const record = await client.get(key);
  const got = JSON.stringify(Object.entries(record.bins).sort());
  const wanted = JSON.stringify(Object.entries(bins).sort());
  if (got !== wanted) throw new Error(`put ${wanted}, got ${got}`);
  process.stdout.write(`put and got back ${Object.keys(bins).length} bins, generation ${record.gen}\n`);
} finally {
  client.close();
}
