/**
 * A secondary index of one integer bin: what it costs a write, queries of several sizes, building, and memory, as whole
 * requests through a real node whose network is in memory, next to plain get and put and a scan.
 *
 * @module
 */

import { createDigester } from "../src/base/mod.ts";
import { LoopbackNode } from "./loopback_node.ts";
import type { BenchOptions, BenchPart } from "./part.ts";
import { BIN, queryRequest, RequestMaker } from "./requests.ts";
import { measure, type MeasureOptions } from "./samples.ts";

/** Values are spread over as many integers per record. */
const VALUES_PER_RECORD = 1000;
/** Records that are read and overwritten one after the other. */
const USED_COUNT = 4096;

/** How large and how long. */
interface Sizes extends MeasureOptions {
  recordCount: number;
  queryCounts: readonly number[];
}

const FULL: Sizes = {
  recordCount: 1_000_000,
  queryCounts: [1, 100, 10_000, 1_000_000],
  sampleMs: 200,
  sampleCount: 3,
};
const QUICK: Sizes = { recordCount: 1000, queryCounts: [1, 100], sampleMs: 2, sampleCount: 1 };

/** One case. */
interface SindexResult {
  name: string;
  medianNs: number;
  /** Records that one request returns; 1 but for scans and queries. */
  recordCount: number;
}

/** What an index is like. */
interface IndexResult {
  builtPerS: number;
  bytesPerEntry: number;
}

/** The benchmark of secondary indexes. */
export const sindexPart: BenchPart = {
  name: "sindex",
  heading: ({ quick }) =>
    `A secondary index of ${(quick ? QUICK : FULL).recordCount} integers, whole requests without sockets: ` +
    "ns, of get, of put, ns per record",
  run: ({ quick }: BenchOptions, print) => runSindex(quick ? QUICK : FULL, print),
};

async function runSindex(
  sizes: Sizes,
  print: (line: string) => void,
): Promise<{ cases: SindexResult[]; index: IndexResult }> {
  const node = await LoopbackNode.open();
  try {
    const work = new Work(node, new RequestMaker(await createDigester()), sizes);
    work.fill();
    const cases = new Cases(sizes, print);
    cases.add("get", () => work.get());
    cases.add("put of another value, no index", () => work.put());
    const startMs = performance.now();
    const index = await node.createIndex(BIN);
    const builtPerS = sizes.recordCount / ((performance.now() - startMs) / 1000);
    cases.add("put of another value, with the index", () => work.put());
    cases.add("put of the same value, with the index", () => work.putSame());
    for (const count of sizes.queryCounts) {
      const frame = queryRequest({ from: 0, to: count * VALUES_PER_RECORD - 1 });
      cases.add(`query by the index of about ${count} records`, () => void node.request(frame), count);
    }
    const scan = queryRequest(undefined);
    cases.add(`scan of ${sizes.recordCount} records`, () => void node.request(scan), sizes.recordCount);
    const bytesPerEntry = index.tree.usedBytes / index.tree.entryCount;
    print(
      `  built at ${builtPerS.toFixed(0)} records/s with pauses for requests; ` +
        `${bytesPerEntry.toFixed(1)} bytes per entry`,
    );
    return { cases: cases.results, index: { builtPerS, bytesPerEntry } };
  } finally {
    await node.close();
  }
}

/** Measures and prints cases; the first two are what the others are multiples of. */
class Cases {
  readonly results: SindexResult[] = [];
  readonly #sizes: Sizes;
  readonly #print: (line: string) => void;

  constructor(sizes: Sizes, print: (line: string) => void) {
    this.#sizes = sizes;
    this.#print = print;
  }

  add(name: string, run: () => void, recordCount = 1): void {
    const { medianNs } = measure((times) => {
      for (let count = 0; count < times; count++) run();
    }, this.#sizes);
    this.results.push({ name, medianNs, recordCount });
    const ratios = this.results.slice(0, 2).map((plain) => `${(medianNs / plain.medianNs).toFixed(1)} x`);
    this.#print(
      `  ${name.padEnd(46)} ${medianNs.toFixed(0).padStart(11)}` +
        ratios.map((ratio) => ratio.padStart(12)).join("").padEnd(26) +
        `${(medianNs / recordCount).toFixed(0).padStart(8)}`,
    );
  }
}

/** Requests for single records, their values changed in place. */
class Work {
  readonly #node: LoopbackNode;
  readonly #maker: RequestMaker;
  readonly #recordCount: number;
  readonly #gets: Uint8Array[] = [];
  readonly #puts: Uint8Array[] = [];
  #next = 0;
  #random = 0x9e3779b9;

  constructor(node: LoopbackNode, maker: RequestMaker, { recordCount }: Sizes) {
    this.#node = node;
    this.#maker = maker;
    this.#recordCount = recordCount;
  }

  /** Stores all records. */
  fill(): void {
    for (let record = 0; record < this.#recordCount; record++) {
      const put = this.#maker.put(record, "integer");
      this.#setValue(put);
      this.#node.request(put);
      if (record >= USED_COUNT) continue;
      this.#puts.push(put);
      this.#gets.push(this.#maker.get(record));
    }
  }

  get(): void {
    this.#node.request(this.#gets[this.#next++ % this.#gets.length]);
  }

  put(): void {
    const put = this.#puts[this.#next++ % this.#puts.length];
    this.#setValue(put);
    this.#node.request(put);
  }

  putSame(): void {
    this.#node.request(this.#puts[this.#next++ % this.#puts.length]);
  }

  /** Puts a number by xorshift into a request; the value is its last four bytes. */
  #setValue(put: Uint8Array): void {
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    const value = (random >>> 0) % (this.#recordCount * VALUES_PER_RECORD);
    new DataView(put.buffer, put.byteOffset).setUint32(put.length - 4, value);
  }
}
