import { assert, assertEquals, assertThrows } from "@std/assert";
import { deflateSync } from "node:zlib";
import { ByteBuffer, fromHex, HEARTBEAT_SIZE_MAX, toHex, writeU16 } from "../base/mod.ts";
import {
  appendEndpointList,
  CLUSTERING_PROTOCOL_VERSION,
  type ClusteringMessage,
  decodeHeartbeat,
  decodePeerBytes,
  encodeCompressedHeartbeat,
  encodeHeartbeat,
  encodePartitionVersions,
  encodePeerMessage,
  type ExchangeData,
  type HeartbeatPulse,
  hybridCounter,
  hybridPhysicalMs,
  hybridTime,
  isPeerFault,
  nodeIdText,
  parseIpAddress,
  parseNodeId,
  type PartitionVersion,
  partitionVersionText,
  PEER_CAPABILITY_FIELD,
  PEER_FIELD,
  PEER_MESSAGE,
  peerFrameEnd,
  type PeerMessage,
  peerMessageType,
  PeerReader,
  PeerWriter,
  readEndpointList,
  readPartitionVersions,
  RW_OPERATION,
  RwMessage,
  type SmdMessage,
} from "./mod.ts";
import { testInflate } from "./peer_testing.ts";

const B1 = "00000000000000b1";
const B2 = "00000000000000b2";
const LARGE = "fedcba9876543210";

const PULSE: HeartbeatPulse = {
  type: "heartbeat",
  kind: "pulse",
  source: B1,
  timestamp: "01a1fabc12340007",
  endpoints: [{ address: "127.0.0.1", port: 3002, capabilities: 0 }],
  clusterName: "häuser",
  fabricEndpoints: [
    { address: "10.1.2.3", port: 3001, capabilities: 0 },
    { address: "fd00::1:2", port: 3011, capabilities: 1 },
  ],
  adjacency: [B2, LARGE],
  clustering: {
    protocolVersion: CLUSTERING_PROTOCOL_VERSION,
    clusterKey: 0xabcd_ef01_2345,
    sequenceNumber: "01a1fabc12340001",
    preferredPrincipal: LARGE,
    succession: [LARGE, B2, B1],
  },
  physicalTimeMs: 1_795_215_555_975,
  capabilities: 0x8000_0001,
  incarnation: "0123456789abcdef",
};

function encoded(message: PeerMessage): Uint8Array {
  const out = new ByteBuffer(1);
  encodePeerMessage(message, out);
  return out.toBytes();
}

function decoded(bytes: Uint8Array): PeerMessage {
  const message = decodePeerBytes(bytes, testInflate);
  assert(!isPeerFault(message), isPeerFault(message) ? message.fault : "");
  return message;
}

function faultOf(bytes: Uint8Array): string {
  const message = decodePeerBytes(bytes, testInflate);
  assert(isPeerFault(message));
  return message.fault;
}

Deno.test("encodePeerMessage() writes what decodePeerBytes() reads, for what was not recorded", () => {
  const common = {
    type: "clustering",
    protocolVersion: CLUSTERING_PROTOCOL_VERSION,
    timestamp: LARGE,
  } as const;
  const clustering: ClusteringMessage[] = [
    { ...common, kind: "merge-move", clusterKey: 5, principal: LARGE },
    { ...common, kind: "prepare-nack", sequenceNumber: LARGE },
    { ...common, kind: "accept-nack", sequenceNumber: LARGE },
  ];
  const messages: PeerMessage[] = [
    PULSE,
    ...clustering,
    { type: "handshake", source: LARGE, channel: 3, incarnation: LARGE },
    { type: "exchange", kind: "nack", clusterKey: 7 },
    { type: "migrate", kind: "start-fail", emigrationId: 4 },
    {
      type: "migrate",
      kind: "meta",
      emigrationId: 4,
      metaRecords: fromHex("0102"),
      sequence: 1,
      finalFlag: 1,
    },
    {
      type: "migrate",
      kind: "insert",
      emigrationId: 4,
      insertId: 2 ** 40,
      record: fromHex("01"),
      originalRecord: fromHex("02"),
      info: 4,
    },
    { type: "proxy", kind: "return", transactionId: 9, redirect: LARGE, user: fromHex("61") },
    {
      type: "info",
      kind: "update",
      generation: 3,
      addresses: { services: "a:1", tlsStandard: "b:2", tlsName: "c" },
    },
    { type: "recluster", clusterKey: LARGE },
    { type: "evidence", suspect: LARGE, incarnation: LARGE, evidence: "restarted", asks: true },
    {
      type: "generic",
      messageType: PEER_MESSAGE.APPEAL,
      unknown: [{ id: 3, type: 6, bytes: fromHex("00ff") }],
    },
  ];
  for (const message of messages) assertEquals(decoded(encoded(message)), message);
});

Deno.test("encodePeerMessage() writes all lists of an exchange and fills in namespaces that lack a value", () => {
  const version: PartitionVersion = {
    clusterKey: 0xffff_ffff_ffff,
    family: 15,
    isRevived: true,
    isMaster: false,
    isSubset: true,
    isEvade: true,
    reserved: 0xa5,
  };
  const message: ExchangeData = {
    type: "exchange",
    kind: "data",
    clusterKey: 77,
    compatibilityId: 15,
    namespaces: [
      {
        name: "strong",
        versions: [{ version, partitions: Uint16Array.of(0, 4095) }],
        rackId: 4_000_000_000,
        rosterGeneration: 3,
        roster: [LARGE, B1],
        rosterRackIds: [1, 2],
        eventualRegime: 130,
        rebalanceRegime: 70_000,
        rebalanceFlags: 3,
        replicationFactor: 2,
        activeRack: 1,
        rosterActiveRack: 2,
      },
      { name: "plain", versions: [], replicationFactor: 1 },
    ],
    capabilities: 1,
    incarnation: LARGE,
    truncations: [
      { key: "strong|set", value: "532911577376", generation: 0xffff_ffff, timestampMs: 532911577377 },
      { key: "plain", value: null, generation: 2, timestampMs: 0 },
    ],
  };
  const again = decoded(encoded(message));
  assert(again.type === "exchange" && again.kind === "data");
  assertEquals(again.namespaces[0], message.namespaces[0]);
  assertEquals(again.truncations, message.truncations);
  assertEquals(again.namespaces[1], {
    name: "plain",
    versions: [],
    rackId: 0,
    rosterGeneration: 0,
    roster: [],
    rosterRackIds: [],
    eventualRegime: 0,
    rebalanceRegime: 0,
    rebalanceFlags: 0,
    replicationFactor: 1,
    activeRack: 0,
    rosterActiveRack: 0,
  });
  assertEquals(encoded(again), encoded(decoded(encoded(again))));
});

Deno.test("encodeSmd() writes full lists with deleted values", () => {
  const message: SmdMessage = {
    type: "smd",
    kind: "full-from-principal",
    transactionId: 6,
    clusterKey: 9,
    module: 5,
    items: [
      { key: "a.lua", value: "x".repeat(70_000), generation: 300, timestampMs: 532_911_577_062 },
      { key: "k".repeat(40), value: null, generation: 1, timestampMs: 0 },
      { key: "", value: "", generation: 0, timestampMs: 1 },
    ],
  };
  assertEquals(decoded(encoded(message)), message);
  const none: SmdMessage = { type: "smd", kind: "full-to-principal", clusterKey: 9, module: 5, items: [] };
  assertEquals(decoded(encoded(none)), none);
  const deleted: SmdMessage = {
    type: "smd",
    kind: "set-to-principal",
    module: 5,
    item: { key: "a", value: null },
  };
  assertEquals(decoded(encoded(deleted)), deleted);
});

Deno.test("RwMessage carries every field of duplicate resolution", () => {
  const sent = new RwMessage();
  sent.operation = RW_OPERATION.DUPLICATE_ACK;
  sent.resultCode = 0;
  sent.namespaceIndex = 1;
  sent.generation = 65_535;
  sent.transactionId = 0xffff_ffff;
  sent.info = 0x202;
  sent.lutMs = 2 ** 40 - 1;
  sent.regime = 5;
  sent.namespace.set(fromHex("74657374"));
  sent.digest.set(fromHex("ff".repeat(30)), 5, 25);
  sent.record.set(fromHex("0102030405"), 1, 4);
  sent.originalRecord.set(fromHex("09"));
  const got = decoded(encoded(sent));
  assert(got.type === "rw");
  assertEquals(encoded(got), encoded(sent));
  assertEquals(toHex(got.record.view()), "020304");
  assertEquals([got.digest.sizeBytes, got.lutMs, got.info], [20, 2 ** 40 - 1, 0x202]);
  sent.reset();
  assertEquals([sent.record.isPresent, sent.record.view().length, sent.lutMs], [false, 0, undefined]);
  sent.operation = RW_OPERATION.WRITE;
  sent.digest.set(new Uint8Array(19));
  assertEquals(faultOf(encoded(sent)), "rw: rw digest has 19 bytes, expected 20");
});

Deno.test("decodePeerBytes() keeps unknown fields and encodePeerMessage() writes them again", () => {
  const unknown = [
    { id: 13, type: PEER_FIELD.UINT32, bytes: fromHex("00000007") },
    { id: 14, type: PEER_FIELD.UINT64, bytes: fromHex("0000000000000007") },
    { id: 0x7fff, type: 99, bytes: fromHex("abcd") },
    { id: 15, type: PEER_FIELD.BUFFER, bytes: new Uint8Array(0) },
  ];
  const pulse = { ...PULSE, unknown };
  const again = decoded(encoded(pulse));
  assertEquals(again, pulse);
  assertEquals(encoded(again), encoded(pulse));
});

Deno.test("PeerReader takes the first field of an id, and none when its type is another", () => {
  const out = new ByteBuffer();
  const writer = new PeerWriter(out);
  writer.begin(9);
  writer.u64(1, 5);
  writer.u32(1, 6);
  writer.u32(2, 7);
  writer.u32(2, 8);
  writer.end();
  const reader = new PeerReader();
  assert(reader.open(out.bytes, 0, out.length));
  assertEquals([reader.optionalU32(1), reader.optionalU32(2)], [undefined, 7]);
  assertEquals(reader.unknownFields()?.map((field) => field.id), [1, 1, 2]);
  assertEquals(reader.u32(3), 0);
  assertEquals(reader.fault, "field 3 is missing or has another type");
});

Deno.test("PeerReader.open() refuses too many fields", () => {
  const out = new ByteBuffer();
  const writer = new PeerWriter(out);
  writer.begin(9);
  for (let id = 0; id < 65; id++) writer.u32(id, 0);
  writer.end();
  assertEquals(faultOf(out.toBytes()), "peer message has more than 64 fields");
});

Deno.test("peerFrameEnd() waits, ends, and refuses", () => {
  const bytes = encoded({ type: "handshake", source: B1, channel: 1 });
  const padded = new Uint8Array(bytes.length + 10);
  padded.set(bytes, 3);
  for (let end = 3; end < 3 + bytes.length; end++) {
    assertEquals(peerFrameEnd(padded, 3, { end, bodySizeMaxBytes: 100 }), 0);
  }
  const end = padded.length;
  assertEquals(peerFrameEnd(padded, 3, { end, bodySizeMaxBytes: 100 }), 3 + bytes.length);
  assertEquals(peerFrameEnd(padded, 3, { end, bodySizeMaxBytes: bytes.length - 7 }), -1);
  writeU16(padded, 7, 4711);
  assertEquals(peerMessageType(padded, 3), 4711);
});

Deno.test("decodeHeartbeat() reads compressed messages and bounds what they expand to", () => {
  const plain = encoded(PULSE);
  const wrap = (inner: Uint8Array) => {
    const out = new ByteBuffer();
    encodeCompressedHeartbeat(inner, { deflate: (source) => deflateSync(source), out });
    return out.toBytes();
  };
  const compressed = wrap(plain);
  assertEquals(decoded(compressed), PULSE);
  assertEquals(
    faultOf(wrap(compressed)),
    "heartbeat: the compressed message is not a plain heartbeat message",
  );
  assertEquals(
    faultOf(wrap(new Uint8Array(HEARTBEAT_SIZE_MAX + 1))),
    "heartbeat: the compressed message is damaged or above 10 MiB",
  );
  assertEquals(faultOf(wrap(plain.subarray(0, 50))).startsWith("heartbeat, compressed: "), true);
  compressed[20] ^= 0xff;
  assert(isPeerFault(decodePeerBytes(compressed, testInflate)));
  const limits: number[] = [];
  const reader = new PeerReader();
  const bytes = wrap(plain);
  reader.open(bytes, 0, bytes.length);
  decodeHeartbeat(reader, (_, sizeMaxBytes) => void limits.push(sizeMaxBytes));
  assertEquals(limits, [HEARTBEAT_SIZE_MAX]);
});

Deno.test("decodeHeartbeat() refuses what a stock node would drop", () => {
  assertEquals(
    faultOf(encoded({ ...PULSE, source: "0".repeat(16) })),
    "pulse: field 2: a node id is not zero",
  );
  const otherProtocol = encoded(PULSE);
  otherProtocol[12] = 1;
  assertEquals(faultOf(otherProtocol), "pulse: protocol id 26625, expected 0x6864");
  const out = new ByteBuffer();
  const { endpoints: _, ...multicast } = PULSE;
  encodeHeartbeat(multicast, out);
  assertEquals(decoded(out.toBytes()), multicast);
});

Deno.test("capability words have the field id that the format page names", () => {
  assertEquals(PEER_CAPABILITY_FIELD, 0x7a01);
  assert(toHex(encoded(PULSE)).includes("7a0101" + "80000001" + "7a0203" + "0123456789abcdef"));
});

Deno.test("appendEndpointList() writes IPv4, IPv6 and TLS as readEndpointList() reads them", () => {
  const addresses: [string, string][] = [
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["FE80::0:00a1", "fe80::a1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::ffff:1.2.3.4", "::ffff:102:304"],
    ["255.0.10.9", "255.0.10.9"],
  ];
  const out = new ByteBuffer();
  appendEndpointList(
    out,
    addresses.map(([address], index) => ({ address, port: 65_535, capabilities: index & 1 })),
  );
  const read = readEndpointList(out.bytes, 0, out.length);
  assertEquals(read?.next, out.length);
  assertEquals(read?.endpoints.map((each) => each.address), addresses.map(([, text]) => text));
  assertEquals(read?.endpoints.map((each) => each.capabilities), [0, 1, 0, 1, 0, 1, 0, 1]);
  for (let end = 0; end < out.length; end++) assertEquals(readEndpointList(out.bytes, 0, end), undefined);
  const wrong = [
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "host",
    "",
    ":",
    ":::",
    "1:2",
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
  ];
  for (const text of [...wrong, "1:2:3:4:5:6:7::8", "12345::", "::1.2.3", "g::"]) {
    assertEquals(parseIpAddress(text), undefined, text);
  }
  assertThrows(() => appendEndpointList(out, [{ address: "host", port: 1, capabilities: 0 }]), RangeError);
});

Deno.test("node ids sort like the numbers, whatever their length", () => {
  const texts = ["BB9020011AC4202", "b1", "FFFFFFFFFFFFFFFF", "8000000000000000", "A1"];
  const ids = texts.map((text) => parseNodeId(text)!);
  assertEquals(ids.sort().map(nodeIdText), [
    "A1",
    "B1",
    "BB9020011AC4202",
    "8000000000000000",
    "FFFFFFFFFFFFFFFF",
  ]);
  for (const text of ["", "0", "00", "g", "12345678901234567", "0x1"]) {
    assertEquals(parseNodeId(text), undefined);
  }
});

Deno.test("hybrid times sort like the clock", () => {
  const time = hybridTime(1_795_215_555_975, 7);
  assertEquals([hybridPhysicalMs(time), hybridCounter(time), time.length], [1_795_215_555_975, 7, 16]);
  assert(time < hybridTime(1_795_215_555_975, 8));
  assert(hybridTime(1_795_215_555_975, 65_535) < hybridTime(1_795_215_555_976, 0));
});

Deno.test("partitionVersionText() shows every flag", () => {
  const base = { clusterKey: 0x4a1b_c3de_0912, family: 0, isRevived: false, isMaster: true, isSubset: false };
  assertEquals(partitionVersionText({ ...base, isEvade: false }), "4a1bc3de0912.0.mp-");
  const lone = { ...base, clusterKey: 1, family: 15, isMaster: false, isSubset: true };
  assertEquals(partitionVersionText({ ...lone, isEvade: true }), "000000000001.U.-se");
  assertEquals(partitionVersionText({ ...lone, isRevived: true, isEvade: false }), "000000000001.U.-sr");
});

Deno.test("readPartitionVersions() refuses partitions that do not exist and bytes that are left", () => {
  const version = {
    clusterKey: 1,
    family: 0,
    isRevived: false,
    isMaster: false,
    isSubset: false,
    isEvade: false,
  };
  const blob = encodePartitionVersions([{ version, partitions: Uint16Array.of(4095) }]);
  assertEquals(readPartitionVersions(blob)?.[0].partitions, Uint16Array.of(4095));
  for (let end = 0; end < blob.length; end++) {
    assertEquals(readPartitionVersions(blob.slice(0, end)), undefined);
  }
  assertEquals(readPartitionVersions(fromHex(toHex(blob) + "00")), undefined);
  blob[blob.length - 1] = 0x10;
  assertEquals(readPartitionVersions(blob), undefined);
});
