import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { numbersIn, partitionOf, TestCluster } from "./testing.ts";

const PARTITIONS = [1, 2, 3, 500, 4095];

describe("Migrator", () => {
  it("gives a node that joins its share, and the others drop theirs", () => {
    const cluster = new TestCluster({ count: 3, partitions: PARTITIONS });
    const numbers = numbersIn(PARTITIONS, 60);
    const [a, b] = cluster.members;
    cluster.form([a, b]);
    for (const number of numbers) cluster.write(number);
    cluster.settle([a, b]);
    cluster.form();
    cluster.settle();
    assertEquals(cluster.faults(cluster.members, numbers), []);
    assert(cluster.members[2].it.store.objectCount > 0, "the new node has some");
    void partitionOf;
  });
});
