import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { partitionId, plantBug, ResultCode } from "../base/mod.ts";
import { EntryRef } from "../storage/mod.ts";
import { testDigest } from "../storage/testing.ts";
import type { ReplicaWrite } from "../transaction/mod.ts";
import { TestCluster } from "../transaction/peer_testing.ts";
import { writeInteger } from "../transaction/testing.ts";
import { INFO2 } from "../wire/mod.ts";
import { checkReplicas, digestKey } from "./cluster_copies.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { ClusterWatch } from "./cluster_watch.ts";

const RECORD = 1;
const digest = testDigest(RECORD);
const partition = partitionId(digest);
const put = { record: RECORD, info2: INFO2.WRITE, ops: [writeInteger("a", 5)] };

/** A cluster whose nodes are watched, what was found, and the generations of what merges removed. */
function watched(): { cluster: TestCluster; members: ClusterMember[]; found: string[]; heard: number[] } {
  const cluster = new TestCluster({ nodeCount: 3 });
  const found: string[] = [];
  const simulation = { fail: (error: Error) => found.push(error.message) };
  const members = cluster.peers.map((peer) => ({
    id: `A${peer.number}`,
    isUp: true,
    machine: { world: { simulation } },
    node: {
      peers: peer.peers,
      cluster: {
        self: peer.node,
        get clusterKey() {
          return peer.clusterKey;
        },
      },
    },
    store: peer.test.namespace.store,
    partitions: peer.test.namespace.partitions,
  })) as unknown as ClusterMember[];
  const watch = new ClusterWatch(members, new Map());
  const heard: number[] = [];
  watch.onLeftOver = (_name, generation) => void heard.push(generation);
  for (const member of members) watch.watch(member);
  return { cluster, members, found, heard };
}

const entry = new EntryRef();

/** The record is gone from one of its replicas, which is given back. */
function removeFromReplica(cluster: TestCluster) {
  const { store } = cluster.proles(RECORD)[0].test.namespace;
  assert(store.find(digest, 0, entry));
  store.remove(digest, 0, entry, "migration");
  return { store };
}

function lastUpdateMs(cluster: TestCluster): number {
  assert(cluster.master(RECORD).test.namespace.store.find(digest, 0, entry));
  return entry.lastUpdateMs;
}

/** The master takes the write for confirmed; gives what is complained of. */
function confirm(cluster: TestCluster): string {
  const { peers, test } = cluster.master(RECORD);
  const record = { namespace: test.namespace, digest, partition };
  try {
    peers.onWriteEnded({ resultCode: ResultCode.OK, record } as unknown as ReplicaWrite);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

afterEach(() => plantBug(undefined));

describe("ClusterWatch", () => {
  it("watch() finds nothing in writes that replicas have confirmed", () => {
    const { cluster, found } = watched();
    for (let count = 0; count < 3; count++) {
      assertEquals(cluster.run(cluster.master(RECORD), put).code, ResultCode.OK);
    }
    assertEquals(found, []);
  });

  it("watch() finds a write that is confirmed and that a replica lacks", () => {
    const { cluster, found } = watched();
    cluster.run(cluster.master(RECORD), put);
    const { store } = removeFromReplica(cluster);
    store.truncate(undefined, lastUpdateMs(cluster) - 1);
    const complaint = confirm(cluster);
    assert(complaint.includes("has none"), complaint);
    assertEquals(found, []);
  });

  it("watch() finds nothing when a replica truncates what its master confirms", () => {
    const { cluster } = watched();
    cluster.run(cluster.master(RECORD), put);
    const { store } = removeFromReplica(cluster);
    store.truncate(undefined, lastUpdateMs(cluster));
    assertEquals(confirm(cluster), "");
  });

  it("watch() asks for the mark of the record's own set when a replica lacks it", () => {
    const { cluster } = watched();
    cluster.run(cluster.master(RECORD), { ...put, set: "own" });
    const { store } = removeFromReplica(cluster);
    const other = new TextEncoder().encode("other");
    store.sets.findOrCreate(other, 0, other.length);
    assertEquals([...store.sets].map(({ name }) => name), ["own", "other"]);
    for (const { name } of [...store.sets]) {
      store.truncate(store.sets.byName(name), lastUpdateMs(cluster));
      assertEquals(confirm(cluster) === "", name === "own", name);
      store.undoTruncate(store.sets.byName(name));
    }
  });

  it("watch() finds a write that is no later than the version before", () => {
    const { cluster, found } = watched();
    const master = cluster.master(RECORD);
    const { store } = master.test.namespace;
    store.lastUpdateFloorMs = store.nowMs() + 10_000;
    cluster.run(master, put);
    store.lastUpdateFloorMs = 0;
    plantBug("noLutRule");
    cluster.start(master, put);
    assert(found[0]?.includes("no later than the version before"), found.join());
  });

  it("watch() finds a copy that is removed while its node claims it", () => {
    const { cluster, found } = watched();
    const { partitions } = cluster.master(RECORD).test.namespace;
    partitions.setDropping(partition, true);
    assert(found[0]?.includes("still claims it"), found.join());
  });

  it("watch() hears of a record that a merge removes, not of one that a client deletes", () => {
    const { cluster, heard } = watched();
    const master = cluster.master(RECORD);
    cluster.run(master, put);
    cluster.run(master, { record: RECORD, info2: INFO2.WRITE | INFO2.DELETE | INFO2.DURABLE_DELETE });
    cluster.run(master, put);
    const { store } = master.test.namespace;
    assert(store.find(digest, 0, entry));
    const version = { lastUpdateMs: entry.lastUpdateMs + 1, generation: 4 };
    store.bury(digest, 0, entry, { origin: "migration", version });
    assertEquals(heard, [4]);
  });
});

describe("checkReplicas()", () => {
  /** One replica alone has a record; gives the names that are told as stray. */
  function check(options: { hasStockLike: boolean; mayBeStray: boolean }): string[] {
    const { cluster, members } = watched();
    cluster.run(cluster.master(RECORD), put);
    for (
      const { store } of members.filter(({ store }) =>
        store !== cluster.proles(RECORD)[0].test.namespace.store
      )
    ) {
      if (store.find(digest, 0, entry)) store.remove(digest, 0, entry, "migration");
    }
    const { hasStockLike, mayBeStray } = options;
    const noted: string[] = [];
    checkReplicas(members, {
      names: new Map([[digestKey(digest), "k1"]]),
      hasStockLike,
      mayBeStray: () => mayBeStray,
      noteStray: (name) => void noted.push(name),
    });
    return noted;
  }

  it("allows what a write in doubt left on one replica beside a member that tells no delta, and tells it", () => {
    assertEquals(check({ hasStockLike: true, mayBeStray: true }), ["k1"]);
  });

  it("throws when one replica alone has a record for another reason, or all members tell deltas", () => {
    for (
      const options of [{ hasStockLike: true, mayBeStray: false }, { hasStockLike: false, mayBeStray: true }]
    ) {
      assertThrows(() => check(options), Error, "its replicas are");
    }
  });
});
