/**
 * Micro benchmarks: nanoseconds per operation of the pure core, without sockets. The last cases run whole requests
 * through a real node whose network is a connection in memory.
 *
 * @module
 */

import {
  assert,
  ByteBuffer,
  copyBytes,
  createDigester,
  DIGEST_SIZE_BYTES,
  type Digester,
  utf8,
} from "../src/base/mod.ts";
import { BinTable } from "../src/record/mod.ts";
import { encodeFlat, EntryRef, type FlatMeta, FlatRecord, PrimaryIndex } from "../src/storage/mod.ts";
import {
  FIELD,
  OP,
  OpCursor,
  PARTICLE,
  PROTO_HEADER_SIZE,
  RecordRequest,
  ReplyWriter,
} from "../src/wire/mod.ts";
import { LoopbackNode } from "./loopback_node.ts";
import { integerKey, RequestMaker, SET } from "./requests.ts";
import { measure, type MeasureOptions } from "./samples.ts";

/** What one case needed. */
export interface MicroResult {
  /** What was measured. */
  name: string;
  /** Nanoseconds per operation, the middle sample. */
  medianNs: number;
  /** Nanoseconds per operation, the fastest sample. */
  leastNs: number;
  /** Most nanoseconds that the design allows; undefined when it sets no limit. */
  targetNs: number | undefined;
}

/** How large and how long. */
export interface MicroOptions extends MeasureOptions {
  /** Entries of the indexes that are measured. */
  indexEntryCounts: readonly number[];
  /** Records of the node that requests run on. */
  recordCount: number;
}

/** Rows of the batch that is measured. */
const BATCH_ROW_COUNT = 100;

/** Most nanoseconds of pure logic per request. Source: design, section 7. */
const GET_TARGET_NS = 1500;
const PUT_TARGET_NS = 3000;

interface MicroCase {
  name: string;
  targetNs?: number;
  run(times: number): void;
}

/** Runs all cases. */
export async function runMicro(
  options: MicroOptions,
  onResult: (result: MicroResult) => void,
): Promise<MicroResult[]> {
  const digester = await createDigester();
  const results: MicroResult[] = [];
  const node = await LoopbackNode.open();
  try {
    for (const one of cases(digester, node, options)) {
      const result = { name: one.name, targetNs: one.targetNs, ...measure(one.run, options) };
      results.push(result);
      onResult(result);
    }
  } finally {
    await node.close();
  }
  return results;
}

function* cases(digester: Digester, node: LoopbackNode, options: MicroOptions): Iterable<MicroCase> {
  const maker = new RequestMaker(digester);
  yield digestCase(digester);
  yield decodeCase("decode get request", maker.get(1));
  yield decodeCase("decode put request", maker.put(1, "integer"));
  yield flatEncodeCase(maker);
  yield flatLoadCase(maker);
  yield replyCase();
  for (const entryCount of options.indexEntryCounts) yield* indexCases(maker, entryCount);
  yield* requestCases(maker, node, options.recordCount);
}

function digestCase(digester: Digester): MicroCase {
  const set = utf8(SET);
  const key = integerKey(7);
  return {
    name: "digest of an integer key",
    run(times) {
      for (let count = 0; count < times; count++) digester.digest(set, key);
    },
  };
}

function decodeCase(name: string, frame: Uint8Array): MicroCase {
  const request = new RecordRequest();
  const cursor = new OpCursor();
  return {
    name,
    run(times) {
      for (let count = 0; count < times; count++) {
        assert(
          request.decode(frame, PROTO_HEADER_SIZE, frame.length),
          "A benchmark's request is well-formed",
        );
        cursor.start(request);
        while (cursor.next());
      }
    },
  };
}

/** A table with one integer bin, as a put of a small record makes it. */
function smallTable(maker: RequestMaker): { table: BinTable; request: RecordRequest } {
  const frame = maker.put(1, "integer");
  const request = new RecordRequest();
  request.decode(frame, PROTO_HEADER_SIZE, frame.length);
  const cursor = new OpCursor();
  cursor.start(request);
  cursor.next();
  const table = new BinTable();
  table.reset(new Uint8Array(0), frame);
  const row = table.add(1, cursor.nameAt, cursor.nameSize);
  table.setFromRequest(row, PARTICLE.INTEGER, cursor.valueAt, cursor.valueSize);
  return { table, request };
}

const META: FlatMeta = {
  generation: 1,
  lastUpdateMs: 5e11,
  voidTime: 0,
  set: utf8(SET),
  key: undefined,
};

function flatEncodeCase(maker: RequestMaker): MicroCase {
  const { table, request } = smallTable(maker);
  const out = new ByteBuffer(4096);
  return {
    name: "encode flat record, one integer bin",
    run(times) {
      for (let count = 0; count < times; count++) {
        out.reset();
        encodeFlat(out, request.bytes, request.fieldAt[FIELD.DIGEST], META, table);
      }
    },
  };
}

function flatLoadCase(maker: RequestMaker): MicroCase {
  const { table, request } = smallTable(maker);
  const out = new ByteBuffer(4096);
  encodeFlat(out, request.bytes, request.fieldAt[FIELD.DIGEST], META, table);
  const flat = new FlatRecord();
  const loaded = new BinTable();
  return {
    name: "load flat record, one integer bin",
    run(times) {
      for (let count = 0; count < times; count++) {
        flat.open(out.bytes, 0);
        loaded.reset(out.bytes, out.bytes);
        flat.loadBins(loaded);
      }
    },
  };
}

function replyCase(): MicroCase {
  const out = new ByteBuffer(4096);
  const reply = new ReplyWriter(out);
  const name = utf8("a");
  return {
    name: "encode reply, one integer bin",
    run(times) {
      for (let count = 0; count < times; count++) {
        out.reset();
        reply.beginProto();
        reply.beginMessage();
        const at = reply.op(OP.READ, PARTICLE.INTEGER, name, 0, name.length, 8);
        out.bytes.fill(0, at, at + 8);
        reply.endMessage(0, 1, 0, 0);
        reply.endProto();
      }
    },
  };
}

/** Measures looking up, and inserting and removing again, in an index that holds so many entries. */
function* indexCases(maker: RequestMaker, entryCount: number): Iterable<MicroCase> {
  const index = new PrimaryIndex({ sprigsPerPartition: 256, seeds: [1, 2] });
  const entry = new EntryRef();
  const digests = new Uint8Array(entryCount * DIGEST_SIZE_BYTES);
  for (let record = 0; record < entryCount; record++) {
    digests.set(maker.digest(record), record * DIGEST_SIZE_BYTES);
    index.insert(digests, record * DIGEST_SIZE_BYTES, entry);
  }
  const size = entryCount.toLocaleString("en");
  let next = 0;
  yield {
    name: `index find, ${size} entries`,
    run(times) {
      for (let count = 0; count < times; count++) {
        next = (next + RECORD_STEP) % entryCount;
        assert(index.find(digests, next * DIGEST_SIZE_BYTES, entry), "Every digest is in the index");
      }
    },
  };
  yield {
    name: `index remove and insert, ${size} entries`,
    run(times) {
      for (let count = 0; count < times; count++) {
        next = (next + RECORD_STEP) % entryCount;
        index.remove(digests, next * DIGEST_SIZE_BYTES);
        index.insert(digests, next * DIGEST_SIZE_BYTES, entry);
      }
    },
  };
}

/**
 * Whole requests, from the bytes of the readable event to the bytes of the write. Requests for different records are
 * made in one buffer, as they arrive in one buffer in earnest, by putting the digest in its place.
 */
function* requestCases(maker: RequestMaker, node: LoopbackNode, recordCount: number): Iterable<MicroCase> {
  const digests = scatteredDigests(maker, recordCount);
  const eachRecord = (frame: Uint8Array) => {
    const at = digestAt(frame);
    let next = 0;
    return (times: number) => {
      for (let count = 0; count < times; count++) {
        next = next + 1 < recordCount ? next + 1 : 0;
        copyBytes(digests, next * DIGEST_SIZE_BYTES, frame, at, DIGEST_SIZE_BYTES);
        node.request(frame);
      }
    };
  };
  const put = eachRecord(maker.put(1, "integer"));
  put(recordCount);
  yield { name: "get through session and node", targetNs: GET_TARGET_NS, run: eachRecord(maker.get(1)) };
  yield { name: "put (overwrite) through session and node", targetNs: PUT_TARGET_NS, run: put };
  yield { name: "operate (add, read) through session and node", run: eachRecord(maker.operate(1)) };
  node.registerModule(UDF_SOURCE);
  yield { name: "UDF call (read a bin) through session and node", run: eachRecord(maker.call(1, "read")) };
  yield { name: "UDF call (add to a bin) through session and node", run: eachRecord(maker.call(1, "add")) };
  const batch = maker.batchGet(0, Math.min(BATCH_ROW_COUNT, recordCount));
  yield {
    name: `batch of ${BATCH_ROW_COUNT} gets through session and node`,
    run(times) {
      for (let count = 0; count < times; count++) node.request(batch);
    },
  };
}

/** Functions that do what get and operate do. */
const UDF_SOURCE = `
  function read(rec) return rec.a end
  function add(rec) rec.a = rec.a + 1 aerospike:update(rec) return rec.a end
`;

/** A step through all records that lands far from the last; prime, so that it visits each one. */
const RECORD_STEP = 7919;

/** Digests of all records, neighbours far apart in memory. */
function scatteredDigests(maker: RequestMaker, recordCount: number): Uint8Array {
  const digests = new Uint8Array(recordCount * DIGEST_SIZE_BYTES);
  for (let place = 0; place < recordCount; place++) {
    digests.set(maker.digest((place * RECORD_STEP) % recordCount), place * DIGEST_SIZE_BYTES);
  }
  return digests;
}

/** Where a request for one record has its digest. */
function digestAt(frame: Uint8Array): number {
  const request = new RecordRequest();
  request.decode(frame, PROTO_HEADER_SIZE, frame.length);
  return request.fieldAt[FIELD.DIGEST];
}
