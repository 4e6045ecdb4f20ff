import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { plantBug, ResultCode } from "../base/mod.ts";
import { TestCluster } from "../transaction/peer_testing.ts";
import { writeInteger } from "../transaction/testing.ts";
import { INFO2 } from "../wire/mod.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { RetryWatch } from "./cluster_retry_watch.ts";

const RECORD = 1;
const put = { record: RECORD, info2: INFO2.WRITE, ops: [writeInteger("a", 5)] };

/** What is found when a write never reaches its replica; its node has slept until then, or never. */
function whenLost(sleepUntilUs?: number): string[] {
  const cluster = new TestCluster({ nodeCount: 3 });
  const found: string[] = [];
  const simulation = {
    get nowUs() {
      return cluster.clock.monotonicMs() * 1000;
    },
    fail: (error: Error) => void found.push(error.message),
  };
  const master = cluster.master(RECORD);
  const { service } = master.test.namespace;
  Object.assign(service, { transactionRetryMs: 60 });
  const sleep = sleepUntilUs === undefined ? undefined : { untilUs: sleepUntilUs };
  const member = {
    id: "A1",
    machine: { world: { simulation } },
    sleep,
    node: { peers: master.peers, settings: { service } },
  };
  new RetryWatch().watch(member as unknown as ClusterMember);
  cluster.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
  assertEquals(cluster.run(master, put).code, ResultCode.TIMEOUT);
  return found;
}

afterEach(() => plantBug(undefined));

describe("RetryWatch", () => {
  it("finds nothing in a write that asks again and again", () => {
    assertEquals(whenLost(), []);
  });

  it("finds a write that has asked once", () => {
    plantBug("noRetransmit");
    assertEquals(whenLost(), ["A write at A1 has asked its replicas once in 1000 ms, and is in doubt"]);
  });

  it("finds nothing when the node stood still meanwhile", () => {
    plantBug("noRetransmit");
    assertEquals(whenLost(1e12), []);
  });
});
