import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { decodeBase64, SESSION_OUTPUT_HIGH_WATER_BYTES, toHex, utf8 } from "../base/mod.ts";
import { encodeInfoRequest, PROTO_HEADER_SIZE } from "../wire/mod.ts";
import { infoCommands } from "./info_commands.ts";
import { recordDigest, TestNode } from "./testing.ts";

/** What programs send, as far as the stock server knows it; NS, SET and so on are filled in. */
const ASKED = {
  clients: `node;partition-generation;build;features;cluster-name;service-clear-std;service-clear-alt
    peers-generation;peers-clear-std;peers-clear-alt;replicas;rebalance-generation;rack-ids;racks:
    udf-list;sindex-list:ns=test;sindex/test/idx;query-show:id=1;truncate:namespace=test`,
  asadm:
    `node;build;version;edition;release;features;connection;admin-clear-std;peers-generation;peers-clear-std
    peers-clear-alt;alumni-clear-std;alumni-clear-alt;peers-tls-std;service;service-clear-std;services;services-alumni
    cluster-name;cluster-stable:;statistics;statistics/xdr;namespaces;namespace/test;sets;latencies:
    histogram:namespace=test;histogram:namespace=test;get-config:;get-config:context=service
    get-config:context=network;get-config:context=security;get-config:context=xdr;logs;log/0
    sindex-list:;sindex-stat:namespace=test;udf-list;udf-get:filename=a;query-show;query-abort-all;roster:;racks:
    health-outliers;health-stats;best-practices;feature-key;user-agents;quiesce:;quiesce-undo:;revive:;recluster:
    tip:host=h;tip-clear:host-port-list=all;eviction-reset:namespace=test;masking-show;truncate-undo:namespace=test
    partition-info;jem-stats;dump-cluster:;dump-fabric:;dump-hb:;dump-hlc:;dump-migrates:;dump-rw:;dump-skew:
    dump-wb-summary:;smd-info;smd-show:module=truncate;get-sl;status`,
  exporter: `build;edition;cluster-name;service-clear-std;service-tls-std;namespaces;logs;log/0;sindex-list:
    get-config:context=xdr;user-agents;statistics;get-config:context=service;namespace/test;roster:namespace=test
    index-pressure;sets;sindex-stat:namespace=test;get-stats:context=xdr;latencies:;latencies:hist={test}-proxy
    latencies:hist={test}-benchmarks-read;latencies:hist={test}-re-repl;latencies:hist=info;node`,
  asbackup:
    `build;get-config:context=service;namespace/test;sets;sindex-list:ns=test;udf-list;udf-get:filename=a
    features;node`,
  asbench: `namespace/test;build;udf-list;get-config:context=namespace`,
} as const;

describe("answerInfo()", () => {
  for (const [program, text] of Object.entries(ASKED)) {
    it(`knows every command that ${program} sends`, async () => {
      const connection = (await TestNode.start()).connect();
      for (const command of text.split(/[;\n]\s*/)) {
        const answer = connection.ask(command);
        assert(!answer.startsWith("ERROR:4:unrecognized"), `${command} got ${answer}`);
        assert(!answer.includes("\n"), `the answer to ${command} is one line`);
      }
    });
  }

  it("answers each line of a request in order, echoing it byte by byte", async () => {
    const connection = (await TestNode.start()).connect();
    assertEquals(
      connection.infoBody("node", "nonsense", "status"),
      "node\tA1\nnonsense\tERROR:4:unrecognized command\nstatus\tok\n",
    );
  });

  it("answers at every cut of a request into two readable events", async () => {
    const request = encodeInfoRequest(["node", "truncate:namespace=test;set="]);
    const whole = (await TestNode.start()).connect().exchange(request);
    for (let cut = 1; cut < request.length; cut++) {
      const connection = (await TestNode.start()).connect();
      assertEquals(connection.exchange(request.subarray(0, cut)).length, 0);
      assertEquals(connection.exchange(request.subarray(cut)), whole);
    }
  });

  it("gives ERROR:9:timeout for the whole request when info-max-ms is over", async () => {
    const test = await TestNode.start({ service: { infoMaxMs: 500 } });
    const connection = test.connect();
    test.clock.readCostMs = 300;
    assertEquals(connection.infoBody("node", "build", "node"), "ERROR:9:timeout\n");
    test.clock.readCostMs = 0;
    assertEquals(test.node.stats.infoTimeout, 1);
    assertEquals(connection.ask("node"), "A1");
  });

  it("refuses a min-cluster-size that the present cluster does not have", async () => {
    const connection = (await TestNode.start()).connect();
    assertEquals(
      connection.ask("set-config:context=service;min-cluster-size=2"),
      'ERROR:4:invalid set-config parameter: min-cluster-size is "2", but the cluster has 1 node now and would be ' +
        "given up; let it grow first",
    );
    assertEquals(connection.ask("set-config:context=service;min-cluster-size=1"), "ok");
  });

  it("refuses a request whose answers are too long together", async () => {
    const connection = (await TestNode.start()).connect();
    const many = Array.from({ length: 100_000 }, () => "namespace/test");
    assertEquals(connection.infoBody(...many), "ERROR:4:answer too long, ask for less in one request\n");
    assertEquals(connection.ask("node"), "A1");
  });

  it("answers lines of the plain info port only while the answers are taken", async () => {
    const test = await TestNode.start({ network: { info: { port: 3003, addresses: ["127.0.0.1"] } } });
    const connection = test.connect("info");
    connection.handler.onData(utf8("statistics\n".repeat(1000)));
    assertLess(connection.received.length, 2 * SESSION_OUTPUT_HIGH_WATER_BYTES);
    test.clock.advance(0);
    assertEquals(connection.received.view().filter((byte) => byte === 0x0a).length, 1000);
  });

  it("survives lines of any bytes", async () => {
    const test = await TestNode.start();
    const connection = test.connect();
    for (let seed = 0; seed < 500; seed++) {
      const name = [...infoCommands.keys()][seed % infoCommands.size];
      const garbage = Array.from({ length: seed % 40 }, (_, index) => (seed * 31 + index * 17) % 256)
        .filter((byte) => byte !== 0x0a);
      const line = [...name].map((letter) => letter.charCodeAt(0)).concat([0x3a], garbage, [0x0a]);
      const frame = encodeInfoRequest([]);
      const request = new Uint8Array([...frame, ...line]);
      request[7] = line.length;
      const body = connection.exchange(request).subarray(PROTO_HEADER_SIZE);
      assertEquals(body.filter((byte) => byte === 0x0a).length, 1, name);
      assertEquals([...body.subarray(0, line.length - 1)], line.slice(0, -1));
      if (test.node.state !== "ready") throw new Error(`${name} stopped the node`);
    }
    assertEquals(test.connect().ask("status"), "ok");
  });

  it("answers plain lines with the value alone", async () => {
    const connection = (await TestNode.start()).connect("info");
    assertEquals(connection.line("node"), "A1\n");
    assertEquals(connection.line("node\r"), "A1\n");
  });
});

describe("the table of info commands", () => {
  it("has names of at most 31 bytes, and a parameter text where the answer needs one", () => {
    for (const row of infoCommands.values()) {
      assertMatch(row.name, /^[a-z][a-z0-9_-]{0,30}$/);
      assert(row.doc.length > 0 && row.reply.length > 0 && row.askedBy.length > 0, row.name);
    }
  });

  it("names commands that exist in place of deprecated ones", () => {
    for (const { name, deprecated } of infoCommands.values()) {
      if (deprecated !== undefined) assert(infoCommands.has(deprecated), `${name}: ${deprecated}`);
    }
  });
});

describe("namespace", () => {
  it("tells how well replies were compressed", async () => {
    const test = await TestNode.start();
    test.put("demo", 1, { sizeBytes: 2000 });
    const plainBytes = test.read("demo", 0).length;
    const asked = () =>
      /record_proto_uncompressed_pct=([^;]*);record_proto_compression_ratio=([^;]*);/
        .exec(test.connect().ask("namespace/test"))!.slice(1);
    assertEquals(asked(), ["0.000", "1.000"]);
    const sentBytes = test.read("demo", 0, { compress: true }).length;
    assert(sentBytes < plainBytes);
    assertEquals(asked(), ["0.000", (sentBytes / plainBytes).toFixed(3)]);
    // The reply for an absent record is too small to be compressed.
    test.read("demo", 1, { compress: true });
    assertEquals(asked(), ["50.000", (sentBytes / plainBytes).toFixed(3)]);
  });
});

describe("debug-record", () => {
  it("shows index entry and stored bytes of a record", async () => {
    const test = await TestNode.start();
    test.put("demo", 1, { ttlS: 100 });
    const digest = toHex(recordDigest("demo", 0));
    const answer = test.connect().ask(`debug-record:namespace=test;keyd=${digest}`);
    assertStringIncludes(answer, "namespace=test;set=demo;generation=1;");
    assertStringIncludes(answer, "tombstone=false;live=true;units=4;flat=");
    const flat = decodeBase64(answer.slice(answer.indexOf("flat=") + 5))!;
    assertEquals(flat.length, 64);
    assertStringIncludes(toHex(flat).toLowerCase(), digest.toLowerCase());
  });
});

describe("user-agents", () => {
  it("counts connections per kind, and forgets those that are gone", async () => {
    const test = await TestNode.start();
    const agents = ["MSxhLWIsYw==", "MSxhLWIsYw==", "MSxkLWUsZg=="];
    const connections = agents.map((agent) => {
      const connection = test.connect();
      assertEquals(connection.ask(`user-agent-set:value=${agent}`), "ok");
      return connection;
    });
    const asking = test.connect();
    assertEquals(
      asking.ask("user-agents"),
      "user-agent=MSxhLWIsYw==:count=2;user-agent=MSxkLWUsZg==:count=1",
    );
    connections[0].close();
    test.clock.advance(0);
    assertEquals(
      asking.ask("user-agents"),
      "user-agent=MSxhLWIsYw==:count=1;user-agent=MSxkLWUsZg==:count=1",
    );
  });
});

describe("the ticker", () => {
  it("writes nothing more once the node is stopped", async () => {
    const test = await TestNode.start();
    test.clock.advance(10_000);
    assert(test.logLines.length > 0);
    const stopped = test.node.stop();
    test.clock.advance(100);
    await stopped;
    const { length } = test.logLines;
    test.clock.advance(60_000);
    assertEquals(test.logLines.length, length);
    assertEquals(test.clock.pendingCount, 0);
  });
});
