import { assert, assertEquals } from "@std/assert";
import { ByteBuffer, equalBytes, fromHex, toHex } from "../base/mod.ts";
import {
  CLUSTERING_PROTOCOL_VERSION,
  decodePeerMessage,
  encodePeerMessage,
  isPeerFault,
  partitionVersionText,
  type PeerMessage,
  PeerReader,
  PROTO_HEADER_SIZE,
  RecordRequest,
  turnClientMessage,
} from "./mod.ts";
import { type RecordedPeerMessage, recordedPeerMessages, testInflate } from "./peer_testing.ts";

/** What the recording holds, by message type and kind. */
const COUNTS: Record<string, number> = {
  "clustering accept": 7,
  "clustering accepted": 7,
  "clustering change-applied": 36,
  "clustering join-reject": 1,
  "clustering join-request": 36,
  "clustering learn": 7,
  "clustering prepare": 7,
  "clustering promise": 7,
  "exchange ack": 18,
  "exchange commit": 7,
  "exchange data": 21,
  "exchange ready-to-commit": 8,
  "handshake": 120,
  "heartbeat info-reply": 2,
  "heartbeat info-request": 2,
  "heartbeat pulse": 1016,
  "info ack": 10,
  "info request": 5,
  "info update": 5,
  "migrate all-done": 20403,
  "migrate all-done-ack": 20400,
  "migrate done": 14976,
  "migrate done-ack": 14976,
  "migrate insert": 1555,
  "migrate insert-ack": 1555,
  "migrate start": 15117,
  "migrate start-again": 141,
  "migrate start-ok": 14976,
  "proxy request": 6,
  "proxy response": 6,
  "rw 2": 1463,
  "rw 8": 1463,
  "smd ack-to-principal": 6,
  "smd report-all-versions": 7,
  "smd report-version": 20,
  "smd request-version": 20,
  "smd set-ack": 3,
  "smd set-from-principal": 6,
  "smd set-to-principal": 3,
};

function label(message: PeerMessage): string {
  if (message.type === "rw") return `rw ${message.operation}`;
  return "kind" in message ? `${message.type} ${message.kind}` : message.type;
}

function decodeLine(reader: PeerReader, line: RecordedPeerMessage): PeerMessage {
  const bytes = fromHex(line.hex);
  assert(reader.open(bytes, 0, bytes.length), reader.fault);
  const message = decodePeerMessage(reader, testInflate);
  assert(!isPeerFault(message), isPeerFault(message) ? `${message.fault}: ${line.hex}` : "");
  return message;
}

Deno.test("every message of the recorded stock cluster decodes and encodes to the same bytes", () => {
  const reader = new PeerReader();
  const out = new ByteBuffer();
  const counts: Record<string, number> = {};
  for (const line of recordedPeerMessages()) {
    const message = decodeLine(reader, line);
    // Nothing may pass as an unknown field: then the generic writer would prove nothing about the codec.
    assert(message.unknown === undefined || message.unknown.length === 0, line.hex);
    out.reset();
    encodePeerMessage(message, out);
    const { bytes, end } = reader;
    if (out.length !== end || !equalBytes(out.bytes, 0, bytes, 0, end)) {
      assertEquals(toHex(out.view()), line.hex, label(message));
    }
    const name = label(message);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  assertEquals(counts, COUNTS);
  assertEquals(Object.values(counts).reduce((sum, count) => sum + count, 0), 108_424);
});

Deno.test("recorded messages mean what the recording's description says", () => {
  const byKind = new Map<string, PeerMessage>();
  const reader = new PeerReader();
  for (const line of recordedPeerMessages()) {
    if (line.t > 26 || line.type === 3 || line.type === 7) continue;
    const message = decodeLine(reader, line);
    byKind.set(label(message), message);
  }
  assertEquals(byKind.get("heartbeat pulse"), {
    type: "heartbeat",
    kind: "pulse",
    source: "00000000000000b1",
    timestamp: "01a1fb2fe2f60000",
    endpoints: [{ address: "127.0.0.1", port: 31522, capabilities: 0 }],
    clusterName: "anchors",
    fabricEndpoints: [{ address: "127.0.0.1", port: 31521, capabilities: 0 }],
    adjacency: ["00000000000000b2"],
    clustering: {
      protocolVersion: CLUSTERING_PROTOCOL_VERSION,
      clusterKey: 267661051241812,
      sequenceNumber: "01a1fb2fe12d0000",
      preferredPrincipal: "0000000000000000",
      succession: ["00000000000000b2", "00000000000000b1"],
    },
    physicalTimeMs: 1795215581942,
  });
  assertEquals(byKind.get("heartbeat info-reply"), {
    type: "heartbeat",
    kind: "info-reply",
    source: "00000000000000b1",
    timestamp: "01a1fb2fad9a0002",
    endpoints: [{ address: "127.0.0.1", port: 31522, capabilities: 0 }],
    nodes: [{
      node: "00000000000000b2",
      endpoints: [{ address: "127.0.0.1", port: 32522, capabilities: 0 }],
    }],
  });
  assertEquals(byKind.get("clustering learn"), {
    type: "clustering",
    kind: "learn",
    protocolVersion: CLUSTERING_PROTOCOL_VERSION,
    timestamp: "01a1fb2fe12d000b",
    sequenceNumber: "01a1fb2fe12d0000",
    clusterKey: 267661051241812,
    succession: ["00000000000000b2", "00000000000000b1"],
  });
  const data = byKind.get("exchange data");
  assert(data?.type === "exchange" && data.kind === "data");
  assertEquals(data.namespaces.map(({ versions: _, ...rest }) => rest), [
    { name: "test", rackId: 0, replicationFactor: 2 },
  ]);
  const versions = data.namespaces[0].versions;
  assertEquals(versions.map((each) => `${partitionVersionText(each.version)} ${each.partitions.length}`), [
    "8906d606887f.0.mp- 1383",
    "8906d606887f.0.-p- 1361",
  ]);
  assertEquals(byKind.get("smd set-from-principal"), {
    type: "smd",
    kind: "set-from-principal",
    transactionId: 1,
    clusterKey: 150662453561471,
    module: 4,
    item: { key: "test|gone", value: "532911577376", generation: 1, timestampMs: 532911577377 },
  });
  assertEquals(byKind.get("smd report-all-versions"), {
    type: "smd",
    kind: "report-all-versions",
    clusterKey: 267661051241812,
    versions: [
      { module: 0, clusterKey: 0, transactionId: 0 },
      { module: 3, clusterKey: 150662453561471, transactionId: 1 },
      { module: 4, clusterKey: 150662453561471, transactionId: 1 },
      { module: 5, clusterKey: 150662453561471, transactionId: 1 },
    ],
  });
  assertEquals(byKind.get("info request"), {
    type: "info",
    kind: "request",
    generation: 1,
    addresses: { services: "127.0.0.1:32520", clearStandard: "127.0.0.1:32520" },
  });
});

Deno.test("turnClientMessage() turns recorded proxy requests to the client's form and back", () => {
  const reader = new PeerReader();
  const texts: string[] = [];
  for (const line of recordedPeerMessages()) {
    if (line.type !== 4) continue;
    const message = decodeLine(reader, line);
    assert(message.type === "proxy");
    if (message.kind !== "request") continue;
    const sent = message.message!;
    const turned = sent.slice();
    assert(turnClientMessage(turned, "little"));
    assert(new RecordRequest().decode(turned, PROTO_HEADER_SIZE, turned.length));
    texts.push(toHex(turned));
    assert(turnClientMessage(turned, "big"));
    assertEquals(turned, sent);
    for (let end = 0; end < sent.length; end++) assert(!turnClientMessage(sent.slice(0, end), "little"));
  }
  assertEquals(texts.length, 6);
  assertEquals(
    texts[0],
    "020300000000004f160001000000" + "00000000" + "000003e8" + "000003e8" + "00030001" +
      "000000050074657374" +
      "000000050164656d6f" +
      "0000001504584668b92c8fac282ea263848e3dfe787a8d9a83" + "0000000a02030003666f6f626172",
  );
});
