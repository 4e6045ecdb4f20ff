import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromHex, toHex } from "../base/mod.ts";
import {
  type AerieClient,
  type ClientOptions,
  connect,
  ConnectionError,
  GeoJson,
  ops,
  ServerError,
  TimeoutError,
} from "./mod.ts";
import {
  ALL_PARTITIONS,
  aloneAnswers,
  CountingRandom,
  ManualClock,
  NO_PARTITIONS,
  ScriptedNetwork,
  type Serve,
  serveInfo,
} from "./testing.ts";

/** Requests and replies of the wire-protocol reference, section 13. */
const K1_FIELDS = "000000050074657374000000050164656d6f0000001504b747f5854d0b33259928d0cfab7fad81d6abfbf6";
const PUT_REQUEST =
  `020300000000005d1600010000000000000000000e10000003e800030002${K1_FIELDS}0000000d020100016100000000000000010000000702030001736869`;
const PUT_REPLY = "0203000000000016160000000000000000011dcd73100000000000000000";
const GET_REQUEST = `02030000000000411603000000000000000000000000000003e800030000${K1_FIELDS}`;
const GET_REPLY =
  "0203000000000032160000000000000000011dcd731000000000000000020000000d010100016100000000000000010000000701030001736869";
const NOT_FOUND_REPLY = "020300000000001616000000000200000000000000000000000000000000";
const OK_REPLY = "020300000000001616000000000000000000000000000000000000000000";
const TOUCH_REQUEST =
  `02030000000000491600010000000000000000001c20000003e800030001${K1_FIELDS}000000040b000000`;
const TOUCH_REPLY = "0203000000000016160000000000000000021dcd81200000000000000000";
const OPERATE_REQUEST =
  `020300000000005b1601010000000000000000000000000003e800030002${K1_FIELDS}0000000d05010001610000000000000005000000050100000161`;
const OPERATE_REPLY =
  "0203000000000027160000000000000000030000000000000000000000010000000d01010001610000000000000006";
const DELETE_REQUEST = `02030000000000411600030000000000000000000000000003e800030000${K1_FIELDS}`;

const K1 = { namespace: "test", set: "demo", key: "k1" };
const ADDRESS = "127.0.0.1:3000";

interface Bench {
  clock: ManualClock;
  network: ScriptedNetwork;
  requests: string[];
  open(options?: Partial<ClientOptions>): Promise<AerieClient>;
}

/** A bench with one node whose record requests go to `serve`, which gets the request's hex and may return a reply. */
function bench(serve: (request: string, end: Parameters<Serve>[1]) => string | undefined): Bench {
  const clock = new ManualClock();
  const network = new ScriptedNetwork(clock);
  const requests: string[] = [];
  network.servers.set(
    ADDRESS,
    serveInfo(aloneAnswers(), (request, end) => {
      const hex = toHex(request);
      requests.push(hex);
      const reply = serve(hex, end);
      if (reply !== undefined) end.reply(fromHex(reply));
    }),
  );
  const ports = { network, clock, random: new CountingRandom() };
  return {
    clock,
    network,
    requests,
    open: (options) => clock.until(connect({ hosts: [ADDRESS], ports, ...options })),
  };
}

Deno.test("put() sends the captured bytes", async () => {
  const { clock, requests, open } = bench(() => PUT_REPLY);
  const client = await open();
  const meta = await clock.until(client.put(K1, { a: 1, s: "hi" }, { ttlS: 3600 }));
  assertEquals(requests, [PUT_REQUEST]);
  assertEquals(meta, { generation: 1, ttlS: 3600 });
  client.close();
});

Deno.test("get() sends the captured bytes and reads the reply when it arrives in pieces of any size", async () => {
  for (let size = 1; size <= GET_REPLY.length / 2; size++) {
    const { clock, network, requests, open } = bench(() => GET_REPLY);
    const client = await open();
    network.pieceSizeBytes = size;
    const record = await clock.until(client.get(K1));
    assertEquals(requests, [GET_REQUEST]);
    assertEquals(record, { bins: { a: 1, s: "hi" }, generation: 1, ttlS: 3600 });
    client.close();
  }
});

Deno.test("get() returns undefined when there is no record", async () => {
  const { clock, open } = bench(() => NOT_FOUND_REPLY);
  const client = await open();
  assertEquals(await clock.until(client.get(K1)), undefined);
  assertEquals(await clock.until(client.exists(K1)), undefined);
  assertEquals(await clock.until(client.touch(K1)), undefined);
  assertEquals(await clock.until(client.delete(K1)), false);
  client.close();
});

Deno.test("touch(), operate() and delete() send the captured bytes", async () => {
  const replies = [TOUCH_REPLY, OPERATE_REPLY, OK_REPLY];
  const { clock, requests, open } = bench(() => replies.shift());
  const client = await open();
  assertEquals(await clock.until(client.touch(K1, { ttlS: 7200 })), { generation: 2, ttlS: 7200 });
  const result = await clock.until(client.operate(K1, [ops.increment("a", 5), ops.get("a")]));
  assertEquals(result, { bins: { a: 6 }, generation: 3, ttlS: -1, results: [{ bin: "a", value: 6 }] });
  assertEquals(await clock.until(client.delete(K1)), true);
  assertEquals(requests, [TOUCH_REQUEST, OPERATE_REQUEST, DELETE_REQUEST]);
  client.close();
});

Deno.test("requests carry the bits of their policies", async () => {
  const { clock, requests, open } = bench(() => OK_REPLY);
  const client = await open();
  const header = (hex: string) => hex.slice(16, 16 + 44);
  await clock.until(client.put(K1, { i: -1, d: 1.5, t: true, by: new Uint8Array([1, 2]) }, {
    generation: 3,
    generationPolicy: "equal",
    exists: "replace-only",
    commitLevel: "master",
    durableDelete: true,
  }));
  await clock.until(client.put(K1, { a: null }, {
    generation: 7,
    generationPolicy: "greater",
    exists: "create-only",
    ttlS: -2,
  }));
  await clock.until(client.get(K1, {
    policy: { readMode: "linearize", readModeAll: true, readTouchTtlPercent: 80 },
  }));
  await clock.until(
    client.get(K1, { bins: ["a", "q"], policy: { filter: fromHex("930193510 2a16106".replace(" ", "")) } }),
  );
  await clock.until(client.exists(K1));
  assertEquals(header(requests[0]), "1600152200000000000300000000000003e800030004");
  assert(requests[0].includes("0000000d0201000169ffffffffffffffff"));
  assert(requests[0].includes("0000000d02020001643ff8000000000000"));
  assert(requests[0].includes("0000000602110001" + "7401"));
  assert(requests[0].includes("00000008020400026279" + "0102"));
  assertEquals(header(requests[1]), "16002900000000000007fffffffe000003e800030001");
  assert(requests[1].endsWith("000000050200000161"));
  assertEquals(header(requests[2]), "1643004000000000000000000050000003e800030000");
  assertEquals(header(requests[3]), "1601000000000000000000000000000003e800040002");
  assert(requests[3].includes("000000092b9301935102a16106"));
  assert(requests[3].endsWith("000000050100000161000000050100000171"));
  assertEquals(header(requests[4]), "1621000000000000000000000000000003e800030000");
  client.close();
});

Deno.test("put() with sendKey sends the captured bytes", async () => {
  const { clock, requests, open } = bench(() => OK_REPLY);
  const client = await open();
  await clock.until(client.put({ ...K1, key: "k2" }, { b: 2.5 }, { sendKey: true }));
  assertEquals(
    requests[0],
    "020300000000005a1600010000000000000000000000000003e800040001000000050074657374000000050164656d6f0000001504a933ee0e8f82c106697150d15e504f08b2b2e01d0000000402036b320000000d02020001624004000000000000",
  );
  client.close();
});

Deno.test("put() encodes lists, maps and GeoJSON as captured", async () => {
  const { clock, requests, open } = bench(() => OK_REPLY);
  const client = await open();
  await clock.until(client.put(K1, {
    l: [1, "a", 2.5, null, true, new Uint8Array([9])],
    m: { k: 1 },
    g: new GeoJson("{}"),
  }));
  assert(requests[0].includes("00000018021400016c9601a20361cb4004000000000000c0c3a20409"));
  assert(requests[0].includes("0000000a021300016d81a2036b01"));
  assert(requests[0].includes("0000000a02170001670000007b7d"));
  client.close();
});

Deno.test("digest() gives the reference's digests", async () => {
  const { open } = bench(() => undefined);
  const client = await open();
  const vectors: [string | number | bigint | Uint8Array, string, number][] = [
    ["k1", "b747f5854d0b33259928d0cfab7fad81d6abfbf6", 1975],
    [5, "d292830845bfed39a34497d41e99030948631b41", 722],
    [5n, "d292830845bfed39a34497d41e99030948631b41", 722],
    [-1, "e9d49a24c3debdc5a6d551d3e7087999a263bb97", 1257],
    [1.5, "10c03b48ac9b3ad8020721c4ef63d5e84485edce", 16],
    [new Uint8Array([1, 2]), "41721215fd2e56087e4f962047729a972784f317", 577],
  ];
  for (const [key, digest, partition] of vectors) {
    const found = client.digest({ namespace: "test", set: "demo", key });
    assertEquals([toHex(found.digest), found.partition], [digest, partition]);
  }
  assertEquals(
    toHex(client.digest({ namespace: "test", key: "k1" }).digest),
    "50149955959c2fef0a83613ae80c78bb9c96b269",
  );
  client.close();
});

Deno.test("get() rejects with the result code of the server", async () => {
  const { clock, requests, open } = bench(() => NOT_FOUND_REPLY.replace("0002", "001b"));
  const client = await open();
  const error = await assertRejects(() => clock.until(client.get(K1)), ServerError, "FILTERED_OUT");
  assertEquals([error.resultCode, error.inDoubt, error.node], [27, false, "BB9"]);
  assertEquals(requests.length, 1);
  client.close();
});

Deno.test("get() tries again when the server answers 9, 11 or 18", async () => {
  for (const code of ["0009", "000b", "0012"]) {
    const replies = [NOT_FOUND_REPLY.replace("0002", code), GET_REPLY];
    const { clock, requests, open } = bench(() => replies.shift());
    const client = await open();
    assertEquals((await clock.until(client.get(K1)))?.generation, 1);
    assertEquals(requests.length, 2);
    client.close();
  }
});

Deno.test("put() is in doubt after 9 and not after 18", async () => {
  for (const [code, doubt] of [["0009", true], ["0012", false]] as const) {
    const { clock, requests, open } = bench(() => NOT_FOUND_REPLY.replace("0002", code));
    const client = await open();
    const error = await assertRejects(() => clock.until(client.put(K1, { a: 1 })), ServerError);
    assertEquals(error.inDoubt, doubt);
    assertEquals(requests.length, 1);
    client.close();
  }
});

Deno.test("put() stays in doubt when the retry of a lost attempt is refused", async () => {
  let count = 0;
  const { clock, open } = bench((_request, end) => {
    if (++count > 1) return NOT_FOUND_REPLY.replace("0002", "0005");
    end.hangUp();
    return undefined;
  });
  const client = await open();
  const policy = { exists: "create-only", maxRetries: 1 } as const;
  const error = await assertRejects(() => clock.until(client.put(K1, { a: 1 }, policy)), ServerError);
  assertEquals([error.resultCode, error.inDoubt], [5, true]);
  client.close();
});

Deno.test("get() asks again on a new connection when the first breaks", async () => {
  let count = 0;
  const { clock, requests, open } = bench((_request, end) => {
    if (++count > 1) return GET_REPLY;
    end.reply(fromHex(GET_REPLY).slice(0, 40));
    end.hangUp();
    return undefined;
  });
  const client = await open();
  assertEquals((await clock.until(client.get(K1)))?.bins, { a: 1, s: "hi" });
  assertEquals(requests.length, 2);
  client.close();
});

Deno.test("put() rejects with an in-doubt ConnectionError when the connection breaks", async () => {
  const { clock, open } = bench((_request, end) => void end.hangUp());
  const client = await open();
  const error = await assertRejects(() => clock.until(client.put(K1, { a: 1 })), ConnectionError);
  assertEquals(error.inDoubt, true);
  client.close();
});

Deno.test("put() times out in doubt after the total time, and a late reply harms nobody", async () => {
  let late: (() => void) | undefined;
  const { clock, open } = bench((request, end) => {
    if (request.includes("6b30")) return GET_REPLY;
    late ??= () => end.reply(fromHex(NOT_FOUND_REPLY));
    return undefined;
  });
  const client = await open();
  const startMs = clock.monotonicMs();
  const error = await assertRejects(
    () => clock.until(client.put(K1, { a: 1 }, { totalTimeoutMs: 300 })),
    TimeoutError,
  );
  assertEquals([clock.monotonicMs() - startMs, error.inDoubt], [300, true]);
  late?.();
  await clock.pass(10);
  const policy = { totalTimeoutMs: 200, maxRetries: 0 };
  await assertRejects(() => clock.until(client.get(K1, { policy })), TimeoutError);
  client.close();
});

Deno.test("get() retries after the socket timeout within the total time", async () => {
  let count = 0;
  const { clock, requests, open } = bench(() => ++count < 3 ? undefined : GET_REPLY);
  const client = await open();
  const startMs = clock.monotonicMs();
  const policy = { socketTimeoutMs: 50, sleepBetweenRetriesMs: 10 };
  await clock.until(client.get(K1, { policy }));
  assertEquals(clock.monotonicMs() - startMs, 120);
  assertEquals(requests.length, 3);
  client.close();
});

Deno.test("requests share connections up to the limit and the rest waits", async () => {
  const { clock, network, open } = bench(() => GET_REPLY);
  const client = await open({ connectionsPerNodeMax: 2, waitersPerNodeMax: 20 });
  await clock.until(Promise.all(Array.from({ length: 20 }, () => client.get(K1))));
  // One more connection is kept for tending.
  assertEquals(network.connectCounts.get(ADDRESS), 3);
  client.close();
});

Deno.test("get() rejects with a clear error when too many requests wait", async () => {
  const { clock, open } = bench(() => undefined);
  const client = await open({ connectionsPerNodeMax: 1, waitersPerNodeMax: 1 });
  const policy = { maxRetries: 0 };
  const first = assertRejects(() => clock.until(client.get(K1, { policy })), TimeoutError);
  await assertRejects(() => client.get(K1, { policy }), ConnectionError, "connectionsPerNodeMax");
  await first;
  client.close();
});

Deno.test("get() rejects when the reply is damaged", async () => {
  for (
    const reply of ["0303000000000016", "0203000000000002" + "1600", "0203ffffffffffff", PUT_REPLY + "00"]
  ) {
    const { clock, open } = bench(() => reply);
    const client = await open();
    const outcome = clock.until(client.get(K1, { policy: { maxRetries: 0 } }));
    if (reply.startsWith(PUT_REPLY)) assertEquals((await outcome)?.generation, 1);
    else await assertRejects(() => outcome, ConnectionError);
    client.close();
  }
});

Deno.test("connect() rejects and names each seed's failure", async () => {
  const { clock, network } = bench(() => undefined);
  const ports = { network, clock, random: new CountingRandom() };
  const error = await assertRejects(
    () => clock.until(connect({ hosts: ["10.0.0.1:3000", "10.0.0.2"], ports })),
    ConnectionError,
  );
  assert(error.message.includes("10.0.0.1:3000") && error.message.includes("10.0.0.2:3000"));
});

/** Two nodes; A owns all partitions, B all replicas. `fail` kills A and lets B take over. */
async function twoNodes() {
  const clock = new ManualClock();
  const network = new ScriptedNetwork(clock);
  const asked: string[] = [];
  const node = (name: string, other: string, master: boolean) => {
    const answers = aloneAnswers(name);
    answers["peers-clear-std"] = `1,3000,[[${other},,[10.0.0.${other === "A1" ? 1 : 2}]]]`;
    answers["peers-generation"] = "1";
    answers["replicas"] = master
      ? `test:0,2,${ALL_PARTITIONS},${NO_PARTITIONS}`
      : `test:0,2,${NO_PARTITIONS},${ALL_PARTITIONS}`;
    const serve = serveInfo(answers, (_request, end) => {
      asked.push(name);
      end.reply(fromHex(GET_REPLY));
    });
    return { answers, serve };
  };
  const a = node("A1", "B2", true);
  const b = node("B2", "A1", false);
  network.servers.set("10.0.0.1:3000", a.serve).set("10.0.0.2:3000", b.serve);
  const ports = { network, clock, random: new CountingRandom() };
  const client = await clock.until(connect({ hosts: ["10.0.0.2"], ports }));
  return { clock, network, client, asked, a, b };
}

Deno.test("connect() finds the peers of its seed and get() asks the master", async () => {
  const { clock, client, asked } = await twoNodes();
  assertEquals(client.nodes.map((node) => node.name).sort(), ["A1", "B2"]);
  await clock.until(client.get(K1));
  assertEquals(asked, ["A1"]);
  client.close();
});

Deno.test("get() asks the next replica when the master is dead, and the map follows", async () => {
  const { clock, network, client, asked, b } = await twoNodes();
  network.kill("10.0.0.1:3000");
  await clock.until(client.get(K1));
  assertEquals(asked, ["B2"]);
  b.answers["replicas"] = `test:0,1,${ALL_PARTITIONS}`;
  b.answers["partition-generation"] = "2";
  b.answers["peers-generation"] = "2";
  b.answers["peers-clear-std"] = "2,3000,[]";
  await clock.pass(400);
  assertEquals(client.nodes.map((node) => node.name), ["B2"]);
  await clock.until(client.put(K1, { a: 1 }));
  assertEquals(asked, ["B2", "B2"]);
  client.close();
});

Deno.test("a node that comes back is adopted again", async () => {
  const { clock, network, client, a } = await twoNodes();
  network.kill("10.0.0.1:3000");
  await clock.pass(10_000);
  assertEquals(client.nodes.map((node) => node.name), ["B2"]);
  network.servers.set("10.0.0.1:3000", a.serve);
  await clock.pass(1100);
  assertEquals(client.nodes.length, 2);
  client.close();
});

Deno.test("the seeds are asked again when no node is left", async () => {
  const { clock, network, open } = bench(() => GET_REPLY);
  const client = await open();
  const serve = network.servers.get(ADDRESS) as Serve;
  network.kill(ADDRESS);
  await clock.pass(10_000);
  assertEquals(client.nodes, []);
  await assertRejects(() => clock.until(client.get(K1)), ConnectionError);
  network.servers.set(ADDRESS, serve);
  await clock.pass(1100);
  assertEquals((await clock.until(client.get(K1)))?.generation, 1);
  client.close();
});

Deno.test("close() fails what is under way", async () => {
  const { clock, open } = bench(() => undefined);
  const client = await open();
  const pending = client.get(K1);
  await clock.pass(5);
  client.close();
  await assertRejects(() => clock.until(pending), ConnectionError);
  await assertRejects(() => client.get(K1), ConnectionError, "closed");
});

Deno.test("truncate() refuses names that would change the command", async () => {
  const { open } = bench(() => undefined);
  const client = await open();
  await assertRejects(() => client.truncate({ namespace: "test", set: "a;lut=0" }), RangeError);
  client.close();
});
