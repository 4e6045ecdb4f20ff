/**
 * Lists, maps and filters: whole requests through a real node whose network is in memory, next to plain get and put. The
 * name of a case says how many elements the bin has; `bytes` is what one operation has to copy at least once: the record.
 *
 * @module
 */

import { ByteBuffer, createDigester, PARTITION_COUNT } from "../src/base/mod.ts";
import { type Call, type Operation, ops, type Value } from "../src/client/mod.ts";
import { FIELD, INFO1, INFO2, INFO3, RequestWriter, TTL_NEVER } from "../src/wire/mod.ts";
import { encodeMsgpack } from "../src/client/msgpack_values.ts";
import { appendOperation } from "../src/client/operation.ts";
import { LoopbackNode } from "./loopback_node.ts";
import type { MicroResult } from "./micro.ts";
import { NAMESPACE, RequestMaker, SET } from "./requests.ts";
import { measure, type MeasureOptions } from "./samples.ts";

/** How large and how long. */
export interface DataModelOptions extends MeasureOptions {
  /** Elements of the lists and maps. */
  elementCounts: readonly number[];
  /** Records that are scanned. */
  scanRecordCount: number;
}

/** What one case needed. */
export interface DataModelResult extends MicroResult {
  /** Bytes of the record's container; 0 where there is none. */
  containerBytes: number;
}

/** Opcodes of the data type reference. */
const LIST = { APPEND: 1, POP: 5, GET: 17 } as const;
const MAP = { SET_TYPE: 64, PUT: 67, GET_BY_KEY: 97 } as const;
const KEY_ORDERED = 1;
const RETURN_VALUE = 7;
/** `gt(int bin "a", 0)`: true for all records but one. */
const FILTER = encodeMsgpack([3, [81, 2, "a"], 0]);

/** Runs all cases. */
export async function runDataModel(
  options: DataModelOptions,
  onResult: (result: DataModelResult) => void,
): Promise<DataModelResult[]> {
  const results: DataModelResult[] = [];
  const node = await LoopbackNode.open();
  try {
    const maker = new RequestMaker(await createDigester());
    for (const one of cases(maker, node, options)) {
      const measured = measure(one.run, options);
      const scale = one.perRequest ?? 1;
      const result = {
        name: one.name,
        containerBytes: one.containerBytes ?? 0,
        targetNs: undefined,
        medianNs: measured.medianNs / scale,
        leastNs: measured.leastNs / scale,
      };
      results.push(result);
      onResult(result);
    }
  } finally {
    await node.close();
  }
  return results;
}

interface Case {
  name: string;
  containerBytes?: number;
  /** Operations of a request; 1 when absent. */
  perRequest?: number;
  run(times: number): void;
}

function* cases(maker: RequestMaker, node: LoopbackNode, options: DataModelOptions): Iterable<Case> {
  const repeated = (frame: Uint8Array) => (times: number) => {
    for (let count = 0; count < times; count++) node.request(frame);
  };
  node.request(maker.put(1, "integer"));
  yield { name: "plain get", run: repeated(maker.get(1)) };
  yield { name: "plain put", run: repeated(maker.put(1, "integer")) };
  for (const [at, count] of options.elementCounts.entries()) {
    const list = 10 + 2 * at;
    const map = list + 1;
    const middle = count >> 1;
    const listBytes = fillList(maker, { node, record: list, count });
    const mapBytes = fillMap(maker, { node, record: map, count });
    const size = count.toLocaleString("en");
    const listCase = (name: string, calls: Operation[]): Case => ({
      name: `list of ${size}: ${name}`,
      containerBytes: listBytes,
      run: repeated(operate(maker, list, calls)),
    });
    const mapCase = (name: string, calls: Operation[]): Case => ({
      name: `ordered map of ${size}: ${name}`,
      containerBytes: mapBytes,
      run: repeated(operate(maker, map, calls)),
    });
    // An append alone would let the list grow while it is measured.
    yield listCase("append, pop", [
      modify({ opcode: LIST.APPEND, args: [1] }),
      modify({ opcode: LIST.POP, args: [-1] }),
    ]);
    yield listCase("get in the middle", [ops.cdtRead("a", { opcode: LIST.GET, args: [middle] })]);
    yield mapCase("put over a key", [modify({ opcode: MAP.PUT, args: [middle, 7, KEY_ORDERED] })]);
    yield mapCase("get by key", [
      ops.cdtRead("a", { opcode: MAP.GET_BY_KEY, args: [RETURN_VALUE, middle] }),
    ]);
  }
  const { scanRecordCount } = options;
  for (let record = 0; record < scanRecordCount; record++) node.request(maker.put(1000 + record, "integer"));
  const size = scanRecordCount.toLocaleString("en");
  for (const [name, filter] of [["without filter", undefined], ["with a filter on a bin", FILTER]] as const) {
    yield {
      name: `scan of ${size} records, per record, ${name}`,
      perRequest: scanRecordCount,
      run: repeated(scan(filter)),
    };
  }
}

function modify(call: Call): Operation {
  return ops.cdtModify("a", call);
}

/** Makes a list with so many integers; its size in bytes. */
function fillList(
  maker: RequestMaker,
  options: { node: LoopbackNode; record: number; count: number },
): number {
  const values = Array.from({ length: options.count }, (_, at): Value => at);
  options.node.request(operate(maker, options.record, [ops.put("a", values)]));
  return encodeMsgpack(values).length;
}

/** Makes a map of so many integers, ordered by key; its size in bytes. */
function fillMap(
  maker: RequestMaker,
  options: { node: LoopbackNode; record: number; count: number },
): number {
  const map = new Map<Value, Value>(Array.from({ length: options.count }, (_, at) => [at, at]));
  const calls = [ops.put("a", map), modify({ opcode: MAP.SET_TYPE, args: [KEY_ORDERED] })];
  options.node.request(operate(maker, options.record, calls));
  return encodeMsgpack(map).length;
}

function operate(maker: RequestMaker, record: number, operations: readonly Operation[]): Uint8Array {
  const buffer = new ByteBuffer(256);
  const writer = new RequestWriter(buffer);
  const isWrite = operations.some(({ op }) => op !== ops.cdtRead("a", { opcode: 0 }).op);
  writer.begin({ info1: INFO1.READ, info2: isWrite ? INFO2.WRITE | INFO2.RESPOND_ALL_OPS : 0, info3: 0 });
  writer.textField(FIELD.NAMESPACE, NAMESPACE);
  writer.textField(FIELD.SET, SET);
  writer.field(FIELD.DIGEST, maker.digest(record));
  for (const operation of operations) appendOperation(writer, operation);
  writer.finish();
  return buffer.toBytes();
}

/** A scan of the whole namespace that returns no bins. */
function scan(filter: Uint8Array | undefined): Uint8Array {
  const buffer = new ByteBuffer(256);
  const writer = new RequestWriter(buffer);
  writer.begin({
    info1: INFO1.READ | INFO1.GET_NO_BINS,
    info2: 0,
    info3: INFO3.PARTITION_DONE,
    recordTtl: TTL_NEVER,
  });
  writer.textField(FIELD.NAMESPACE, NAMESPACE);
  writer.textField(FIELD.SET, SET);
  writer.field(FIELD.TRID, new Uint8Array(8).fill(7));
  const at = writer.beginField(FIELD.PID_ARRAY);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    buffer.appendU8(partition);
    buffer.appendU8(partition >>> 8);
  }
  writer.endField(at);
  if (filter !== undefined) writer.field(FIELD.FILTER_EXP, filter);
  writer.finish();
  return buffer.toBytes();
}
