import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { RecordChange, RecordChangeSubscriber } from "../port/mod.ts";
import { FenceWatch } from "./cluster_fence_watch.ts";
import type { ClusterMember } from "./cluster_members.ts";

const IDS = ["c", "b", "a"];
const NODE_TIMEOUT_US = 1_500_000;

/** Three nodes of one cluster that are watched, what was found, and who hears of the changes of their records. */
function watched() {
  const found: string[] = [];
  const subscribers: RecordChangeSubscriber[] = [];
  const simulation = { nowUs: 0, fail: (error: Error) => void found.push(error.message) };
  const committed = { clusterKey: 1, succession: IDS };
  const members = IDS.map((self) => ({
    id: self.toUpperCase(),
    isUp: true,
    endedUs: -1,
    sleep: undefined as unknown,
    machine: { world: { simulation } },
    store: { changes: { subscribe: (subscriber: RecordChangeSubscriber) => subscribers.push(subscriber) } },
    node: {
      settings: { network: { heartbeat: { interval: 150, timeout: 10 } } },
      dispatcher: { holdsClients: (_nowMs: number) => false },
      cluster: {
        self,
        key: "1",
        clusterKey: 1,
        committed,
        succession: IDS,
        migrationsAllowed: true,
        exchange: { state: "rest", clusterKey: 1 },
        clustering: { clusterKey: 1, succession: IDS },
      },
    },
  }));
  const watch = new FenceWatch(members as unknown as ClusterMember[]);
  const look = () => members.forEach((member) => watch.watch(member as unknown as ClusterMember));
  look();
  return { members, found, subscribers, simulation, committed, look };
}

/** The first node stands still until now, and the others have gone on meanwhile, or not. */
function sleepUntilNow(all: ReturnType<typeof watched>, options: { goOnUs: number; sleptUs: number }): void {
  const { members: [sleeper, ...others], simulation, committed, look } = all;
  simulation.nowUs = options.goOnUs;
  for (const { node } of others) node.cluster.clusterKey = 2;
  look();
  simulation.nowUs = 10_000_000;
  sleeper.sleep = { fromUs: simulation.nowUs - options.sleptUs, untilUs: simulation.nowUs, committed };
}

describe("FenceWatch", () => {
  it("finds a node that answers after a long sleep, when the others had gone on before it woke", () => {
    const all = watched();
    sleepUntilNow(all, { goOnUs: 9_000_000, sleptUs: 2 * NODE_TIMEOUT_US });
    all.members[0].node.dispatcher.holdsClients(0);
    assertEquals(all.found, [
      "C answers clients, though it stood still for 3000 ms, and 2 of 3 had left cluster 1 before it went on",
    ]);
  });

  it("finds a node that changes a record then, for a client of another one perhaps", () => {
    const all = watched();
    sleepUntilNow(all, { goOnUs: 9_000_000, sleptUs: 2 * NODE_TIMEOUT_US });
    const [changed] = all.subscribers;
    changed({ origin: "migration" } as RecordChange);
    assertEquals(all.found, []);
    changed({ origin: "client" } as RecordChange);
    assertEquals(all.found.map((text) => text.slice(0, 34)), ["C changes a record for a client, t"]);
  });

  it("finds nothing after a short sleep, or when the others go on later, or when the node is in their cluster", () => {
    const short = watched();
    sleepUntilNow(short, { goOnUs: 9_000_000, sleptUs: NODE_TIMEOUT_US });
    const later = watched();
    sleepUntilNow(later, { goOnUs: 11_000_000, sleptUs: 2 * NODE_TIMEOUT_US });
    const joined = watched();
    sleepUntilNow(joined, { goOnUs: 9_000_000, sleptUs: 2 * NODE_TIMEOUT_US });
    joined.members[0].node.cluster.committed = { clusterKey: 2, succession: IDS };
    for (const { members, found } of [short, later, joined]) {
      members[0].node.dispatcher.holdsClients(0);
      assertEquals(found, []);
    }
  });

  it("finds a node that answers by its own tables when it is in the cluster of others already", () => {
    const { members: [{ node }], found } = watched();
    Object.assign(node.cluster, {
      committed: { clusterKey: 1, succession: ["c"] },
      migrationsAllowed: false,
      exchange: { state: "rest", clusterKey: 2 },
      clustering: { clusterKey: 2, succession: IDS },
    });
    node.dispatcher.holdsClients(0);
    assertEquals(found.length, 1);
    node.cluster.exchange.state = "ready-to-commit";
    node.dispatcher.holdsClients(0);
    assertEquals(found.length, 2, "the others may have committed");
    node.cluster.committed = { clusterKey: 1, succession: ["c", "b"] };
    node.dispatcher.holdsClients(0);
    node.cluster.committed = { clusterKey: 1, succession: ["c"] };
    node.cluster.exchange.state = "exchanging";
    node.dispatcher.holdsClients(0);
    assertEquals(found.length, 2, "most members are those that it knew, or nobody can have committed");
  });
});
