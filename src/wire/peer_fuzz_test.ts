import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { ByteBuffer, fromHex, writeU32 } from "../base/mod.ts";
import {
  decodePeerBytes,
  decodePeerMessage,
  encodePeerMessage,
  isPeerFault,
  PEER_HEADER_SIZE,
  PeerReader,
  RwMessage,
} from "./mod.ts";
import { recordedPeerMessages, testInflate } from "./peer_testing.ts";

/** Mutated copies of each sample. */
const MUTATIONS = 300;

/** The shortest message of each type and kind, and one exchange message with versions. */
function samples(): Uint8Array[] {
  const byKind = new Map<string, Uint8Array>();
  for (const line of recordedPeerMessages()) {
    const bytes = fromHex(line.hex);
    const message = decodePeerBytes(bytes, testInflate);
    assert(!isPeerFault(message));
    const operation = message.type === "rw" ? `${message.operation} ${message.record.isPresent}` : "";
    const versions = message.type === "exchange" && bytes.length > 100 ? "versions" : "";
    const members = message.type === "heartbeat" && bytes.length > 200 ? "members" : "";
    const key = `${message.type} ${"kind" in message ? message.kind : operation} ${versions}${members}`;
    const known = byKind.get(key);
    if (known === undefined || known.length > bytes.length) byKind.set(key, bytes);
  }
  return [...byKind.values()];
}

/** Decodes, and encodes what was understood; neither may throw. */
function survive(bytes: Uint8Array): void {
  const message = decodePeerBytes(bytes, testInflate);
  if (isPeerFault(message)) {
    assert(message.fault.length > 0 && message.fault.length < 300, message.fault);
  } else {
    const out = new ByteBuffer();
    encodePeerMessage(message, out);
    const again = decodePeerBytes(out.toBytes(), testInflate);
    assert(!isPeerFault(again), isPeerFault(again) ? again.fault : "");
  }
}

Deno.test("decodePeerBytes() refuses every message that is cut, with and without a header that agrees", () => {
  for (const whole of samples()) {
    const step = whole.length > 1000 ? 7 : 1;
    for (let end = 0; end < whole.length; end += step) {
      const cut = whole.slice(0, end);
      assert(isPeerFault(decodePeerBytes(cut, testInflate)));
      if (end < PEER_HEADER_SIZE) continue;
      writeU32(cut, 0, end - PEER_HEADER_SIZE);
      survive(cut);
    }
  }
});

Deno.test("decodePeerBytes() survives mutated messages", () => {
  const all = samples();
  let refused = 0;
  fc.assert(
    fc.property(
      fc.nat(all.length - 1),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      (index, changes) => {
        const bytes = all[index].slice();
        for (const [at, value] of changes) {
          bytes[PEER_HEADER_SIZE + at % (bytes.length - PEER_HEADER_SIZE)] = value;
        }
        if (isPeerFault(decodePeerBytes(bytes, testInflate))) refused++;
        survive(bytes);
      },
    ),
    { numRuns: all.length * MUTATIONS, seed: 20261121 },
  );
  assert(refused > 100);
});

Deno.test("decodePeerBytes() survives fields of any id and type with any content", () => {
  const field = fc.tuple(fc.nat(32), fc.nat(12), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.nat(16), fc.array(field, { maxLength: 12 }), (messageType, fields) => {
      const out = new ByteBuffer();
      encodePeerMessage(
        {
          type: "generic",
          messageType,
          unknown: fields.map(([id, type, content]) => {
            const bytes = type === 1 || type === 3 ? new Uint8Array(type === 1 ? 4 : 8) : content;
            if (bytes !== content) bytes.set(content.subarray(0, bytes.length));
            return { id, type, bytes };
          }),
        },
        out,
      );
      survive(out.toBytes());
    }),
    { numRuns: 20_000, seed: 20261121 },
  );
});

Deno.test("decodePeerBytes() refuses counts and sizes that promise more than there is", () => {
  const heartbeat = "000001" + "00006864" + "000101" + "0000000";
  const sender = "000203" + "00000000000000b1" + "000403" + "0000000000000001";
  const exchange = "000001" + "00000001" + "000101" + "00000000" + "000203" + "0000000000000001" +
    "00030b" + "00000006" + "91a474657374";
  const smd = "000301" + "00000003";
  const hostile: [messageType: number, body: string, fault: RegExp][] = [
    [9, exchange + "00040b" + "00000006" + "91c604ffffff", /ends inside a value/],
    [9, exchange + "00040b" + "0000000a" + "91a8ffffffff01000000", /namespace "test" is malformed/],
    [9, exchange + "00040b" + "00000012" + "91b001000000" + "0000000000000000" + "ffffffff", /is malformed/],
    [9, exchange.slice(0, 50) + "00030b" + "00000005" + "ddffffffff", /at most 32 are taken/],
    [15, smd + "000f0b" + "00000005" + "dd0000ffff", /promises more values than there are bytes/],
    [15, smd + "000f0b" + "00000005" + "ddffffffff", /at most 262144 are taken/],
    [15, smd + "000a08" + "ffffffff", /field 10 announces 4294967295 bytes, 0 are left/],
    [
      5,
      heartbeat + "0" + sender + "000305" + "00000001" + "00" + "000b06" + "00000020" + "7c700000" +
      "00".repeat(24) + "ffffff1f",
      /succession list of 536870911 nodes has 0 bytes/,
    ],
    [5, heartbeat + "2" + sender + "000806" + "00000009" + "b100000000000000" + "ff", /cut short/],
    [5, heartbeat + "1" + sender + "000706" + "00000808" + "b1".repeat(0x808), /at most 256 nodes/],
  ];
  for (const [messageType, hex, fault] of hostile) {
    const body = fromHex(hex);
    const bytes = new Uint8Array(PEER_HEADER_SIZE + body.length);
    bytes[5] = messageType;
    bytes.set(body, PEER_HEADER_SIZE);
    writeU32(bytes, 0, body.length);
    const result = decodePeerBytes(bytes, testInflate);
    assert(isPeerFault(result), hex);
    assertMatch(result.fault, fault);
  }
});

Deno.test("RwMessage.decode() leaves nothing of the message before", () => {
  const reader = new PeerReader();
  const kept = new RwMessage();
  const wanted = new ByteBuffer();
  const found = new ByteBuffer();
  let count = 0;
  for (const line of recordedPeerMessages()) {
    if (line.type !== 7 || ++count > 200) continue;
    const bytes = fromHex(line.hex);
    assert(reader.open(bytes, 0, bytes.length));
    assert(kept.decode(reader));
    assert(reader.open(bytes, 0, bytes.length));
    const fresh = decodePeerMessage(reader, testInflate);
    assert(!isPeerFault(fresh));
    wanted.reset();
    found.reset();
    encodePeerMessage(fresh, wanted);
    encodePeerMessage(kept, found);
    assertEquals(found.toBytes(), wanted.toBytes());
  }
  assert(count > 200);
});
