import { assertEquals } from "@std/assert";
import { findLosers, type MeshConnection } from "./mesh_connections.ts";

const SMALL = "0000000000000001";
const LARGE = "0000000000000002";

function connection(id: number, direction: "inbound" | "outbound", wonUntilMs = -Infinity): MeshConnection {
  return {
    id,
    direction,
    remote: "",
    purpose: undefined,
    node: undefined,
    incarnation: undefined,
    endpoints: [],
    receivedMs: 0,
    wonUntilMs,
    windowMs: 0,
    messageCount: 0,
    replyCount: 0,
    askedMs: 0,
  };
}

function losers(self: string, connections: MeshConnection[]): number[] {
  const node = self === SMALL ? LARGE : SMALL;
  return findLosers(connections, { self, node, nowMs: 1000, graceMs: 450 }).map(({ id }) => id).sort();
}

Deno.test("findLosers() keeps the connection that the larger node accepted, at both ends", () => {
  assertEquals(losers(LARGE, [connection(1, "inbound"), connection(2, "outbound")]), [2]);
  assertEquals(losers(SMALL, [connection(1, "outbound"), connection(2, "inbound")]), [2]);
  assertEquals(losers(LARGE, [connection(1, "outbound"), connection(2, "inbound")]), [1]);
  assertEquals(losers(SMALL, [connection(1, "inbound"), connection(2, "outbound")]), [1]);
});

Deno.test("findLosers() keeps the newest of those accepted here", () => {
  assertEquals(losers(SMALL, [connection(1, "inbound"), connection(2, "inbound")]), [1]);
  assertEquals(losers(LARGE, [connection(5, "inbound"), connection(3, "inbound")]), [3]);
});

Deno.test("findLosers() keeps a winner within its grace", () => {
  assertEquals(losers(LARGE, [connection(1, "inbound", 1001), connection(2, "inbound")]), [2]);
  assertEquals(losers(LARGE, [connection(1, "inbound", 1000), connection(2, "inbound")]), [1]);
});

Deno.test("findLosers() marks the winner", () => {
  const [older, newer] = [connection(1, "inbound"), connection(2, "inbound")];
  findLosers([older, newer], { self: SMALL, node: LARGE, nowMs: 1000, graceMs: 450 });
  assertEquals([older.wonUntilMs, newer.wonUntilMs], [-Infinity, 1450]);
});

Deno.test("findLosers() leaves those accepted there to the other end, but not any number", () => {
  const outbound = (count: number) =>
    Array.from({ length: count }, (_, at) => connection(at + 1, "outbound"));
  assertEquals(losers(SMALL, outbound(3)), []);
  assertEquals(losers(SMALL, outbound(5)), [1, 2]);
});

Deno.test("findLosers() never closes a connection that the other end keeps, whatever the order", () => {
  for (let mask = 0; mask < 16; mask++) {
    const byLarge = [0, 1, 2, 3].map((bit) => (mask >> bit) & 1 ? "inbound" : "outbound" as const);
    const atLarge = byLarge.map((direction, at) => connection(at, direction as "inbound" | "outbound"));
    const atSmall = byLarge.map((direction, at) =>
      connection(at, direction === "inbound" ? "outbound" : "inbound")
    );
    const gone = new Set([...losers(LARGE, atLarge), ...losers(SMALL, atSmall)]);
    assertEquals(gone.size < 4, true, `all closed: ${byLarge}`);
  }
});
