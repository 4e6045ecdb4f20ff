import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { encodeBase64, utf8 } from "../base/mod.ts";
import type { NodeState } from "../node/mod.ts";
import { TestNode } from "../node/testing.ts";
import { createApp, metricsText, startHttp } from "./mod.ts";
import { serveOnNode } from "./node_server.ts";
import { Families } from "./prometheus_text.ts";

/** One sample of a page. */
interface ParsedSample {
  name: string;
  labels: string;
  value: number;
}

const SAMPLE = /^([a-z_][a-z0-9_]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)$/;

/** Reads a page strictly: help, then type, then all samples of a metric together, no sample twice. */
function parsePage(page: string): { samples: ParsedSample[]; types: Map<string, string> } {
  const samples: ParsedSample[] = [];
  const types = new Map<string, string>();
  const seen = new Set<string>();
  let family = "";
  assert(page.endsWith("\n"));
  for (const line of page.slice(0, -1).split("\n")) {
    const help = /^# HELP (\S+) \S.*$/.exec(line);
    if (help !== null) {
      assert(!types.has(help[1]), `${help[1]} stands in two places`);
      family = help[1];
      continue;
    }
    const type = /^# TYPE (\S+) (gauge|counter)$/.exec(line);
    if (type !== null) {
      assertEquals(type[1], family);
      types.set(family, type[2]);
      continue;
    }
    const [, name, labels, text] = SAMPLE.exec(line) ?? [];
    assertEquals(name, family, line);
    assert(Number.isFinite(Number(text)) && text !== "", line);
    assert(!seen.has(`${name}{${labels}}`), `twice: ${line}`);
    seen.add(`${name}{${labels}}`);
    samples.push({ name, labels, value: Number(text) });
  }
  return { samples, types };
}

/** The page of a node; the test's clock has to be moved for the turns in which it is made. */
async function pageOf(test: TestNode): Promise<string> {
  let page: string | undefined;
  metricsText(test.node).then((text) => page = text);
  for (let turn = 0; page === undefined && turn < 100_000; turn++) {
    await Promise.resolve();
    test.clock.advance(0);
  }
  return page!;
}

function get(test: TestNode, path: string): Promise<Response> {
  return Promise.resolve(createApp(test.node).request(path));
}

describe("/metrics", () => {
  it("is Prometheus text, with the exporter's names, types and labels", async () => {
    const test = await TestNode.start({ service: { clusterName: 'a "quoted" name' } });
    test.put("demo", 3);
    test.get("demo", 1);
    test.connect().ask(`user-agent-set:value=${encodeBase64(utf8('1,node-6.7.1,a "b"'))}`);
    test.clock.advance(10_000);
    const { samples, types } = parsePage(await pageOf(test));
    const find = (name: string, label = "") =>
      samples.filter((sample) => sample.name === name && sample.labels.includes(label));
    const node = 'cluster_name="a \\"quoted\\" name"';
    const service = 'service="127.0.0.1:3000"';
    assertEquals(find("aerospike_node_up")[0].labels, `build="8.1.2.0",${node},node_id="A1",${service}`);
    assertEquals(find("aerospike_node_stats_uptime"), [
      { name: "aerospike_node_stats_uptime", labels: `${node},${service}`, value: 10 },
    ]);
    assertEquals(types.get("aerospike_node_stats_uptime"), "gauge");
    assertEquals(types.get("aerospike_node_stats_client_connections_opened"), "counter");
    assertEquals(find("aerospike_node_stats_cluster_integrity")[0].value, 1);
    assertEquals(find("aerospike_node_stats_cluster_key"), []);
    assertEquals(find("aerospike_node_stats_proto_fd_max")[0].value, 15_000);
    const [agent] = find("aerospike_node_stats_user_agent_details", 'client_library_version="node-6.7.1"');
    assertStringIncludes(agent.labels, 'client_app_id="a \\"b\\""');
    assertEquals(agent.value, 1);
    const [objects] = find("aerospike_namespace_objects");
    assertEquals(objects.labels, `${node},ns="test",${service},storage_engine="memory"`);
    assertEquals(objects.value, 3);
    assertEquals(types.get("aerospike_namespace_client_write_success"), "counter");
    assertEquals(find("aerospike_namespace_client_write_success")[0].value, 3);
    const stripes = find("aerospike_namespace_storage_engine_stripe_used_bytes", "stripe_index=");
    assertEquals(stripes.length, 8);
    assertEquals(
      stripes.reduce((sum, { value }) => sum + value, 0),
      test.node.namespaces[0].store.space.usedBytes,
    );
    assertEquals(
      find("aerospike_sets_objects"),
      [{ name: "aerospike_sets_objects", labels: `${node},ns="test",${service},set="demo"`, value: 3 }],
    );
    assertEquals(find("aerospike_latencies_write_ms_count")[0].value, 0.3);
    const buckets = find("aerospike_latencies_write_ms_bucket");
    assertEquals(buckets.map(({ labels }) => /le="([^"]*)"/.exec(labels)![1]).slice(0, 4), [
      "1",
      "2",
      "4",
      "8",
    ]);
    assertEquals(find("aerospike_latencies_write_ms_bucket", 'le="+Inf"')[0].value, 0.3);
  });

  it("is made in slices when there are many sets", async () => {
    const test = await TestNode.start();
    const { store } = test.node.namespaces[0];
    for (let number = 0; number < 3000; number++) {
      const name = new TextEncoder().encode(`set-${number}`);
      store.sets.findOrCreate(name, 0, name.length);
    }
    test.clock.readCostMs = 0.2;
    let turns = 0;
    const { nextTurn } = test.clock;
    test.clock.nextTurn = (fn) => {
      turns++;
      nextTurn.call(test.clock, fn);
    };
    const { samples } = parsePage(await pageOf(test));
    assertEquals(samples.filter(({ name }) => name === "aerospike_sets_objects").length, 3000);
    assert(turns > 5, `${turns} turns`);
  });
});

describe("Families", () => {
  it("escapes labels, and leaves out a sample that is there already", () => {
    const families = new Families();
    const labels = { z: "a\\b", a: 'say "hi"\n' };
    families.add({ name: "x_total", type: "counter", labels, value: 1 });
    families.add({ name: "x_total", type: "counter", labels, value: 2 });
    assertEquals(
      [...families.text()].join(""),
      '# HELP x_total x total\n# TYPE x_total counter\nx_total{a="say \\"hi\\"\\n",z="a\\\\b"} 1\n',
    );
  });
});

describe("health", () => {
  const cases: readonly (readonly [NodeState, number, number])[] = [
    ["starting", 200, 503],
    ["ready", 200, 200],
    ["stopping", 200, 503],
    ["failed", 503, 503],
  ];
  for (const [state, live, ready] of cases) {
    it(`/livez gives ${live} and /readyz ${ready} when the node is ${state}`, async () => {
      const test = await TestNode.start();
      test.node.state = state;
      assertEquals((await get(test, "/livez")).status, live);
      const answer = await get(test, "/readyz");
      assertEquals(answer.status, ready);
      const text = await answer.text();
      if (ready === 200) assertEquals(text, "ok\n");
      else assertStringIncludes(text, `[-] state failed: the node is ${state}\n`);
    });
  }

  it("/readyz?verbose lists all checks", async () => {
    const test = await TestNode.start();
    test.node.namespaces[0].partitions.generation = -1;
    assertEquals(
      await (await get(test, "/readyz?verbose")).text(),
      "[+] state ok\n[+] cluster ok\n[+] awake ok\n[-] partitions/test failed: there is no partition map yet\nreadyz failed\n",
    );
  });
});

describe("/status", () => {
  it("tells the state as JSON", async () => {
    const test = await TestNode.start();
    test.put("demo", 2);
    const answer = await get(test, "/status");
    assertMatch(answer.headers.get("content-type") ?? "", /^application\/json/);
    const status = await answer.json();
    assertEquals([status.nodeId, status.state, status.build, status.cluster.size], [
      "A1",
      "ready",
      "8.1.2.0",
      1,
    ]);
    assertEquals([status.namespaces[0].objects, status.namespaces[0].stopWrites], [2, null]);
    assertEquals(status.listeners, [
      { kind: "service", host: "127.0.0.1", port: 3000 },
      { kind: "info", host: "127.0.0.1", port: 3003 },
    ]);
  });

  it("says what is there for an unknown path", async () => {
    const answer = await get(await TestNode.start(), "/nope");
    assertEquals(answer.status, 404);
    assertStringIncludes(await answer.text(), "There is no GET /nope");
  });
});

describe("startHttp()", () => {
  it("serves on a free port until it is closed", async () => {
    const test = await TestNode.start();
    const server = await startHttp(test.node, { addresses: ["127.0.0.1"], port: 0 });
    const url = `http://127.0.0.1:${server.port}/livez`;
    assertEquals(await (await fetch(url)).text(), "ok\n");
    await server.close();
    await assertRejects(() => fetch(url));
  });

  it("names address, port, cause and way out when the port is busy", async () => {
    const test = await TestNode.start();
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen({ host: "127.0.0.1", port: 0 }, resolve));
    const { port } = blocker.address() as AddressInfo;
    const error = await assertRejects(() => startHttp(test.node, { addresses: ["127.0.0.1"], port }), Error);
    assertEquals(
      error.message,
      `Cannot listen for HTTP on "127.0.0.1" port ${port}: another program listens there; ` +
        "choose another with --http PORT, or --http off",
    );
    await new Promise<void>((resolve) => blocker.close(() => resolve()));
  });
});

describe("serveOnNode()", () => {
  it("passes method, path, query, status, headers and body on, and closes", async () => {
    const server = await serveOnNode((request) => {
      const { pathname, search } = new URL(request.url);
      return new Response(`${request.method} ${pathname}${search}`, { status: 202, headers: { "x-a": "b" } });
    }, { host: "127.0.0.1", port: 0 });
    const answer = await fetch(`http://127.0.0.1:${server.port}/a/b?c=d`, {
      method: "POST",
      body: "ignored",
    });
    assertEquals([answer.status, answer.headers.get("x-a")], [202, "b"]);
    assertEquals(await answer.text(), "POST /a/b?c=d");
    await server.close();
    await assertRejects(() => fetch(`http://127.0.0.1:${server.port}/`));
  });
});
