import { assertEquals, assertThrows } from "@std/assert";
import { WireError } from "../base/mod.ts";
import {
  decodeBase64,
  parseAddress,
  parseBuild,
  parseInfoError,
  parsePeers,
  parseReplicas,
} from "./cluster_info.ts";
import { PartitionMap } from "./partition_map.ts";
import { ALL_PARTITIONS, NO_PARTITIONS } from "./testing.ts";

Deno.test("parseAddress() reads the forms people write", () => {
  assertEquals(parseAddress("db.example"), { host: "db.example", port: 3000 });
  assertEquals(parseAddress("10.0.0.1:3100"), { host: "10.0.0.1", port: 3100 });
  assertEquals(parseAddress("[2001:db8::1]:3100"), { host: "2001:db8::1", port: 3100 });
  assertEquals(parseAddress("[::1]", 3003), { host: "::1", port: 3003 });
  for (const text of ["", "a:b", "a:0", "a:70000", "::1", "a:1:2"]) {
    assertThrows(() => parseAddress(text), TypeError);
  }
});

Deno.test("parsePeers() reads the reference's example", () => {
  const text = "4,3000,[[BB9020011AC4202,,[10.0.0.2]],[BB9030011AC4202,,[10.0.0.3:3100,[2001:db8::1]:3100]]]";
  assertEquals(parsePeers(text), {
    generation: 4,
    peers: [
      { id: "BB9020011AC4202", endpoints: [{ host: "10.0.0.2", port: 3000 }] },
      {
        id: "BB9030011AC4202",
        endpoints: [{ host: "10.0.0.3", port: 3100 }, { host: "2001:db8::1", port: 3100 }],
      },
    ],
  });
  assertEquals(parsePeers("0,3000,[]"), { generation: 0, peers: [] });
  assertEquals(parsePeers("1,,[[A1,,],[B2,tls-name,[[::1]]]]").peers.map((peer) => peer.endpoints.length), [
    0,
    1,
  ]);
});

Deno.test("parsePeers() throws WireError for any beginning of an answer", () => {
  const text = "4,3000,[[BB9,,[10.0.0.2]],[BBA,,[10.0.0.3:3100,[2001:db8::1]:3100]]]";
  for (let end = 0; end < text.length; end++) assertThrows(() => parsePeers(text.slice(0, end)), WireError);
});

Deno.test("parseReplicas() reads bitmaps and throws WireError for anything else", () => {
  const [claim] = parseReplicas(`test:0,2,${ALL_PARTITIONS},${NO_PARTITIONS}`);
  assertEquals([claim.namespace, claim.regime, claim.bitmaps.length], ["test", 0, 2]);
  assertEquals(claim.bitmaps[0].every((byte) => byte === 255), true);
  assertEquals(claim.bitmaps[1].every((byte) => byte === 0), true);
  for (
    const text of [
      "test",
      "test:0,2," + ALL_PARTITIONS,
      "test:0,1,AAAA",
      "test:x,1," + ALL_PARTITIONS,
      ":0,0",
    ]
  ) {
    assertThrows(() => parseReplicas(text), WireError);
  }
});

Deno.test("decodeBase64() reads what btoa() wrote", () => {
  for (let size = 0; size < 70; size++) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 73 + size) & 255);
    assertEquals(decodeBase64(btoa(String.fromCharCode(...bytes)), size), bytes);
  }
  assertThrows(() => decodeBase64("AA*A", 3), WireError);
});

Deno.test("parseBuild() and parseInfoError() read what servers say", () => {
  assertEquals(parseBuild("8.1.2.0"), [8, 1, 2, 0]);
  assertEquals(parseBuild("7.0-rc1"), [7, 0, 0, 0]);
  assertEquals(parseBuild("unknown"), undefined);
  assertEquals(parseInfoError("ERROR:4:unrecognized command"), { code: 4, message: "unrecognized command" });
  assertEquals(parseInfoError("ERROR::bad-id"), { code: 1, message: "bad-id" });
  assertEquals(parseInfoError("FAIL:20:ns"), { code: 20, message: "ns" });
  assertEquals(parseInfoError("fail"), { code: 1, message: "" });
  assertEquals(parseInfoError("ok"), undefined);
  assertEquals(parseInfoError("errors=0"), undefined);
});

Deno.test("PartitionMap.owner() walks through the replicas and skips nodes that left", () => {
  const map = new PartitionMap<{ name: string; active: boolean }>();
  const a = { name: "a", active: true };
  const b = { name: "b", active: true };
  map.apply(a, parseReplicas(`test:0,2,${ALL_PARTITIONS},${NO_PARTITIONS}`));
  map.apply(b, parseReplicas(`test:0,2,${NO_PARTITIONS},${ALL_PARTITIONS}`));
  assertEquals([0, 1, 2].map((sequence) => map.owner("test", 4095, sequence)?.name), ["a", "b", "a"]);
  a.active = false;
  assertEquals([0, 1].map((sequence) => map.owner("test", 0, sequence)?.name), ["b", "b"]);
  assertEquals(map.master("test", 0), undefined);
  assertEquals(map.owner("other", 0, 0), undefined);
});

Deno.test("PartitionMap.apply() keeps the claim of the higher regime", () => {
  const map = new PartitionMap<{ name: string; active: boolean }>();
  const a = { name: "a", active: true };
  const b = { name: "b", active: true };
  map.apply(a, parseReplicas(`test:5,1,${ALL_PARTITIONS}`));
  map.apply(b, parseReplicas(`test:4,1,${ALL_PARTITIONS}`));
  assertEquals(map.owner("test", 1, 0)?.name, "a");
  map.apply(b, parseReplicas(`test:6,1,${ALL_PARTITIONS}`));
  assertEquals(map.owner("test", 1, 0)?.name, "b");
});
