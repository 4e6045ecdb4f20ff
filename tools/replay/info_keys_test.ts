import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { utf8Decode } from "../../src/base/mod.ts";
import { type TestConnection, TestNode } from "../../src/node/testing.ts";
import { PROTO_TYPE_INFO } from "../../src/wire/mod.ts";
import { frameBody, frameType } from "./message.ts";
import { CLIENT_SUITE_RECORDING, type Exchange, readRecording } from "./recording.ts";

/** The one exchange of the recording that asks for a namespace, and the first that asks for the summary. */
const NAMESPACE_SEQ = 7;
const SUMMARY_SEQ = 13;

/** Options that stand in the recorded configuration only: of what the recorded node was configured with. */
function keysOf(value: string): string[] {
  return value.split(";").map((item) => item.split("=")[0]);
}

/** Values of a reply's lines by command. */
function valuesOf(body: string): Map<string, string> {
  return new Map(body.trimEnd().split("\n").map((line) => line.split("\t") as [string, string]));
}

function replyOf(exchange: Exchange): Map<string, string> {
  return valuesOf(utf8Decode(frameBody(exchange.replies[0])));
}

const exchanges = (await readRecording(CLIENT_SUITE_RECORDING)).filter(({ request }) =>
  frameType(request) === PROTO_TYPE_INFO
);
const recorded = (seq: number) => exchanges.find((exchange) => exchange.seq === seq)!;

describe("info answers", () => {
  it("have the recorded server's names in its order: namespace and its configuration", async () => {
    const test = await TestNode.start();
    const stock = replyOf(recorded(NAMESPACE_SEQ));
    assertEquals(stock.size, 2);
    for (const [command, value] of stock) {
      assertEquals(keysOf(test.connect().ask(command)), keysOf(value), command);
    }
  });

  it("have the recorded server's names in its order: summary and statistics", async () => {
    const test = await TestNode.start();
    const stock = replyOf(recorded(SUMMARY_SEQ));
    const own = valuesOf(test.connect().infoBody());
    assertEquals([...own.keys()], [...stock.keys()]);
    assertEquals(keysOf(own.get("statistics")!), keysOf(stock.get("statistics")!));
    for (const same of ["features", "compatibility-id", "edition", "build", "version", "services"]) {
      assertEquals(own.get(same), stock.get(same), same);
    }
  });

  it("count requests and deprecated commands as the recorded server did", async () => {
    const test = await TestNode.start();
    const connections = new Map<number, TestConnection>();
    for (const { seq, conn, request } of exchanges.filter(({ seq }) => seq <= SUMMARY_SEQ)) {
      if (!connections.has(conn)) connections.set(conn, test.connect());
      const body = utf8Decode(frameBody(connections.get(conn)!.exchange(request)));
      if (seq !== SUMMARY_SEQ) continue;
      for (const counter of ["info_complete", "deprecated_requests"]) {
        const pattern = new RegExp(`\\b${counter}=\\d+`);
        const stock = utf8Decode(frameBody(recorded(seq).replies[0])).match(pattern)![0];
        assertEquals(body.match(pattern)?.[0], stock);
      }
    }
    assert(connections.size > 1);
  });
});
