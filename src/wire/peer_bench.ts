import { ByteBuffer, fromHex } from "../base/mod.ts";
import {
  decodeHeartbeat,
  encodeHeartbeat,
  type HeartbeatMessage,
  isPeerFault,
  PeerReader,
  PeerWriter,
  RwMessage,
} from "./mod.ts";
import { recordedPeerMessages, testInflate } from "./peer_testing.ts";

const replicaWrites: Uint8Array[] = [];
const pulses: Uint8Array[] = [];
for (const line of recordedPeerMessages()) {
  if (line.type === 7 && replicaWrites.length < 1000) replicaWrites.push(fromHex(line.hex));
  if (line.type === 5 && line.t > 14 && pulses.length < 1000) pulses.push(fromHex(line.hex));
}

const reader = new PeerReader();
const message = new RwMessage();
const out = new ByteBuffer(1024 * 1024);
const writer = new PeerWriter(out);

Deno.bench(`RwMessage.decode() of ${replicaWrites.length} recorded messages`, () => {
  for (const bytes of replicaWrites) {
    if (!reader.open(bytes, 0, bytes.length) || !message.decode(reader)) throw new Error(reader.fault);
  }
});

Deno.bench(`RwMessage.encode() of ${replicaWrites.length} messages`, () => {
  out.length = 0;
  for (let count = replicaWrites.length; count > 0; count--) message.encode(writer);
});

const decoded: HeartbeatMessage[] = [];

Deno.bench(`decodeHeartbeat() of ${pulses.length} recorded pulses`, () => {
  decoded.length = 0;
  for (const bytes of pulses) {
    reader.open(bytes, 0, bytes.length);
    const pulse = decodeHeartbeat(reader, testInflate);
    if (isPeerFault(pulse)) throw new Error(pulse.fault);
    decoded.push(pulse);
  }
});

Deno.bench(`encodeHeartbeat() of ${pulses.length} recorded pulses`, () => {
  out.length = 0;
  for (const pulse of decoded) encodeHeartbeat(pulse, out);
});
