import { assert, assertEquals } from "@std/assert";
import { fromHex } from "../src/base/mod.ts";
import { decodePeerBytes } from "../src/wire/mod.ts";
import { recordedPeerMessages, testInflate } from "../src/wire/peer_testing.ts";
import { describePeerMessage } from "./peer_dump.ts";

/** How the first two nodes of the recording agree on their cluster. */
const FIRST_ROUND = [
  "clustering prepare protocolVersion=28796 timestamp=1795215563561.1 sequenceNumber=1795215563561.0",
  "clustering promise protocolVersion=28796 timestamp=1795215563561.3 sequenceNumber=1795215563561.0",
  "clustering accept protocolVersion=28796 timestamp=1795215563561.6 sequenceNumber=1795215563561.0",
  "clustering accepted protocolVersion=28796 timestamp=1795215563562.1 sequenceNumber=1795215563561.0",
  "clustering learn protocolVersion=28796 timestamp=1795215563562.3 sequenceNumber=1795215563561.0 " +
  "clusterKey=0fcc01128305 succession=[b2 b1]",
  'exchange data clusterKey=0fcc01128305 compatibilityId=15 namespaces=[{name="test" ' +
  "versions=[864cbabc6319.0.mp-×4096] rackId=0 replicationFactor=2}]",
];

Deno.test("describePeerMessage() tells a round of clustering in words", () => {
  const lines: string[] = [];
  for (const line of recordedPeerMessages()) {
    if (line.t > 7.6) break;
    lines.push(describePeerMessage(decodePeerBytes(fromHex(line.hex), testInflate)));
  }
  for (const wanted of FIRST_ROUND) assert(lines.includes(wanted), wanted);
});

Deno.test("describePeerMessage() names what is wrong with a message", () => {
  assertEquals(
    describePeerMessage(decodePeerBytes(fromHex("000000000006"), testInflate)),
    "FAULT join-request: field 1 is missing or has another type",
  );
});
