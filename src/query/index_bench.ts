/**
 * Secondary indexes at 1,000,000 records of one integer bin, in process: what a write costs with and without an index,
 * what the tree alone costs, how fast an index is built, and queries of several sizes. Memory is in the names.
 *
 * @module
 */

import { ByteBuffer } from "../base/mod.ts";
import { definitionKey } from "../sindex/mod.ts";
import { testDigest, TestRandom } from "../storage/testing.ts";
import { FIELD, INFO2, PARTICLE, RequestWriter } from "../wire/mod.ts";
import { createIndex, definitionOf, integersOf } from "./index_testing.ts";
import { scanOf, TestQueries } from "./testing.ts";

const RECORD_COUNT = 1_000_000;
const VALUE_MAX = 1_000_000_000;
/** Records that are overwritten one after the other. */
const WRITTEN_COUNT = 4096;

const random = new TestRandom(1);

/** A write of bin `n`, as a client sends it; its value is changed in place. */
class Write {
  readonly bytes: Uint8Array;
  readonly #valueAt: number;

  constructor(number: number) {
    const writer = new RequestWriter(new ByteBuffer());
    writer.begin({ info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: 0 });
    writer.textField(FIELD.NAMESPACE, "test");
    writer.textField(FIELD.SET, "demo");
    writer.field(FIELD.DIGEST, testDigest(number));
    const at = writer.beginOp(2, "n");
    writer.buffer.appendU32(0);
    this.#valueAt = writer.buffer.length;
    writer.buffer.appendU32(0);
    writer.endOp(at, PARTICLE.INTEGER);
    writer.finish();
    this.bytes = writer.buffer.toBytes();
  }

  setValue(value: number): void {
    new DataView(this.bytes.buffer).setUint32(this.#valueAt, value);
  }
}

const queries = new TestQueries();
const { indexes } = queries.namespace;
for (let number = 0; number < RECORD_COUNT; number++) {
  const write = new Write(number);
  write.setValue(random.below(VALUE_MAX));
  queries.write(write.bytes);
}
const writes = Array.from({ length: WRITTEN_COUNT }, (_, number) => new Write(number));
let next = 0;

function overwrite(): void {
  const write = writes[next++ % WRITTEN_COUNT];
  write.setValue(random.below(VALUE_MAX));
  queries.write(write.bytes);
}

function dropIndex(): void {
  indexes.remove(definitionKey("test", definitionOf()));
  while (indexes.usedBytes > 0 && queries.records.clock.step());
}

Deno.bench("a write, no index", { group: "write", baseline: true }, overwrite);

Deno.bench(`an index of ${RECORD_COUNT} records is built`, { n: 3, warmup: 0 }, (bench) => {
  dropIndex();
  bench.start();
  createIndex(queries, "n", definitionOf());
  bench.end();
});

createIndex(queries, "n", definitionOf());
const bytesPerEntry = (indexes.usedBytes / RECORD_COUNT).toFixed(1);
dropIndex();

Deno.bench(`a write that changes its value in an index (${bytesPerEntry} bytes per entry)`, {
  group: "write",
}, (bench) => {
  if (indexes.byName("n") === undefined) createIndex(queries, "n", definitionOf());
  bench.start();
  overwrite();
  bench.end();
});

for (const count of [1, 100, 10_000, RECORD_COUNT]) {
  const to = Math.round(VALUE_MAX / RECORD_COUNT * count);
  Deno.bench(`a query by index of about ${count} records`, count === RECORD_COUNT ? { n: 3 } : {}, () => {
    const job = queries.startJob(integersOf("n", [0, to]));
    while (queries.step(job) !== "done");
    queries.frames.length = 0;
  });
}

Deno.bench(`a scan of ${RECORD_COUNT} records`, { n: 3 }, () => {
  const job = queries.startJob(scanOf());
  while (queries.step(job) !== "done");
  queries.frames.length = 0;
});
