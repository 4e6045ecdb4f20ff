import { assert, assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ByteBuffer, fromHex, partitionId, toHex } from "../base/mod.ts";
import { balance, place, settled, testMember, testNode } from "../partition/testing.ts";
import { FLAT_DIGEST_AT } from "../storage/mod.ts";
import { TestRandom } from "../storage/testing.ts";
import { encodePeerMessage, PEER_MESSAGE, PeerReader, RW_OPERATION, RwMessage } from "../wire/mod.ts";
import { recordedPeerMessages } from "../wire/peer_testing.ts";
import { PeerTransactions } from "./peers.ts";
import { fillWrite } from "./replica_write.ts";
import { TestNamespace } from "./testing.ts";

/** Bytes of all recorded messages of a type. */
function recorded(type: number): Uint8Array[] {
  return [...recordedPeerMessages()]
    .filter((message) => message.port === "fabric" && message.type === type)
    .map(({ hex }) => fromHex(hex));
}

function readerOf(bytes: Uint8Array): PeerReader {
  const reader = new PeerReader();
  assert(reader.open(bytes, 0, bytes.length), reader.fault);
  return reader;
}

/** One of two replicas, among stock nodes as far as it knows; what it sends is kept. */
function prole(): { peers: PeerTransactions; test: TestNamespace; sent: Uint8Array[] } {
  const test = new TestNamespace();
  const sent: Uint8Array[] = [];
  const peers = new PeerTransactions({
    self: testNode(0),
    namespaces: [test.namespace],
    fabric: {
      send: (_target, message) => {
        const out = new ByteBuffer();
        if (!(message instanceof Uint8Array)) encodePeerMessage(message, out);
        sent.push(out.toBytes());
        return "sent";
      },
      isOverloaded: () => false,
    },
    clusterKey: () => 1,
    isFenced: () => false,
    latestMs: () => 0,
    clock: test.clock,
    random: new TestRandom(1),
  });
  const members = [testMember(0), testMember(1)];
  const copies = settled(members, place(members));
  test.namespace.partitions.apply(balance(copies, { self: testNode(0), allOurs: false }));
  const succession = members.map(({ node }) => node);
  const stock = succession.map((node) => ({ node, capabilities: undefined }));
  peers.onBalanced({ clusterKey: 1, succession, capabilities: 0, members: stock });
  return { peers, test, sent };
}

describe("PeerTransactions", () => {
  it("takes every replica write of a recorded stock cluster and answers as the stock replicas did", () => {
    const answers = new Set<string>();
    const writes: Uint8Array[] = [];
    for (const bytes of recorded(PEER_MESSAGE.RW)) {
      const message = new RwMessage();
      assert(message.decode(readerOf(bytes)));
      if (message.operation === RW_OPERATION.WRITE_ACK) answers.add(toHex(bytes));
      else writes.push(bytes);
    }
    assertGreater(writes.length, 1000);
    const { peers, sent, test } = prole();
    for (const bytes of writes) {
      peers.onRw(testNode(1), readerOf(bytes));
      assert(answers.has(toHex(sent.pop()!)), "a stock replica sent the same answer");
    }
    assertGreater(test.namespace.store.objectCount, 500);
  });

  it("sends replica writes to stock nodes as stock masters do", () => {
    const { peers, sent, test } = prole();
    for (const bytes of recorded(PEER_MESSAGE.RW)) {
      const message = new RwMessage();
      message.decode(readerOf(bytes));
      if (message.operation !== RW_OPERATION.WRITE || !message.record.isPresent) continue;
      const flat = message.record.view().slice();
      const digest = flat.slice(FLAT_DIGEST_AT, FLAT_DIGEST_AT + 20);
      assert(test.namespace.partitions.isReplica(partitionId(digest)));
      const own = peers.rwMessage(test.namespace, RW_OPERATION.WRITE, message.transactionId!);
      peers.sendRw(testNode(1), fillWrite(own, { flat, digest, drop: peers.dropFor(testNode(1)) }));
      assertEquals(toHex(sent.pop()!), toHex(bytes));
    }
  });

  it("runs every recorded proxied request, and answers with a message of the same form", () => {
    const { peers, sent, test } = prole();
    test.namespace.partitions.assignAll();
    const requests = recorded(PEER_MESSAGE.PROXY).filter((bytes) => readerOf(bytes).u32(0) === 1);
    assertEquals(requests.length, 6);
    for (const [number, bytes] of requests.entries()) {
      peers.onProxy(testNode(number + 1), readerOf(bytes));
      const reader = readerOf(sent.pop()!);
      assertEquals([reader.u32(0), reader.u32(1)], [2, readerOf(bytes).u32(1)]);
      const reply = reader.optionalView(4)!;
      assertEquals(toHex(reply, 0, 2), "0203");
      assertEquals(reply.length, 8 + reply[7] + reply[6] * 256);
    }
  });
});
