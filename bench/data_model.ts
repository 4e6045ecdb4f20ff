/**
 * Lists, maps and filters: whole requests through a real node whose network is in memory, next to plain get and put. The
 * name of a case says how many elements the bin has, and whether it has a persisted index. Two more columns: bytes of the
 * container as clients see it, and bytes that one request copies.
 *
 * @module
 */

import { ByteBuffer, createDigester, PARTITION_COUNT } from "../src/base/mod.ts";
import { type Call, type Operation, ops, type Value } from "../src/client/mod.ts";
import { FIELD, INFO1, INFO2, INFO3, RequestWriter, TTL_NEVER } from "../src/wire/mod.ts";
import { encodeMsgpack } from "../src/client/msgpack_values.ts";
import { appendOperation } from "../src/client/operation.ts";
import { countCopiedBytes } from "./copied_bytes.ts";
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
  /** Bytes that one request copies, in runs of more than 32. */
  copiedBytes: number;
}

/** Opcodes of the data type reference. */
const LIST = { SET_TYPE: 0, APPEND: 1, POP: 5, GET: 17 } as const;
const MAP = { SET_TYPE: 64, PUT: 67, GET_BY_KEY: 97, GET_BY_RANK: 100 } as const;
const KEY_ORDERED = 1;
const VALUE_ORDERED = 3;
const PERSIST_INDEX = 0x10;
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
        copiedBytes: countCopiedBytes(() => one.run(1)),
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
    const forms = [0, PERSIST_INDEX].map((persist, form) =>
      containerCases(maker, { node, count, persist, firstRecord: 10 + 10 * at + 3 * form })
    );
    // Each case with and without an index, one after the other.
    for (const [index, plain] of forms[0].entries()) yield* [plain, forms[1][index]];
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

/** Cases of a list, a map ordered by key and one ordered by value, too. */
function containerCases(
  maker: RequestMaker,
  options: { node: LoopbackNode; count: number; persist: number; firstRecord: number },
): Case[] {
  const { node, count, persist, firstRecord: list } = options;
  const middle = count >> 1;
  const size = count.toLocaleString("en");
  const makeCase = (record: number, kind: string, containerBytes: number) => {
    return (name: string, calls: Operation[]): Case => {
      const frame = operate(maker, record, calls);
      return {
        name: `${kind} of ${size}: ${name}${persist === 0 ? "" : ", index"}`,
        containerBytes,
        run: (times) => {
          for (let done = 0; done < times; done++) node.request(frame);
        },
      };
    };
  };
  const [map, byValue] = [list + 1, list + 2];
  const listCase = makeCase(list, "list", fillList(maker, { node, record: list, count, flags: persist }));
  const [byKeyFlags, byValueFlags] = [KEY_ORDERED | persist, VALUE_ORDERED | persist];
  const mapBytes = fillMap(maker, { node, record: map, count, flags: byKeyFlags });
  const mapCase = makeCase(map, "ordered map", mapBytes);
  fillMap(maker, { node, record: byValue, count, flags: byValueFlags });
  const byValueCase = makeCase(byValue, "map by value", mapBytes);
  return [
    // An append alone would let the list grow while it is measured.
    listCase("append, pop", [
      modify({ opcode: LIST.APPEND, args: [1] }),
      modify({ opcode: LIST.POP, args: [-1] }),
    ]),
    listCase("get in the middle", [ops.cdtRead("a", { opcode: LIST.GET, args: [middle] })]),
    mapCase("put over a key", [modify({ opcode: MAP.PUT, args: [middle, 7, KEY_ORDERED] })]),
    mapCase("get by key", [ops.cdtRead("a", { opcode: MAP.GET_BY_KEY, args: [RETURN_VALUE, middle] })]),
    byValueCase("put over a key", [modify({ opcode: MAP.PUT, args: [middle, 7, VALUE_ORDERED] })]),
    byValueCase("get by rank", [
      ops.cdtRead("a", { opcode: MAP.GET_BY_RANK, args: [RETURN_VALUE, middle] }),
    ]),
  ];
}

function modify(call: Call): Operation {
  return ops.cdtModify("a", call);
}

/** Makes a list with so many integers; its size in bytes. */
function fillList(
  maker: RequestMaker,
  options: { node: LoopbackNode; record: number; count: number; flags: number },
): number {
  const values = Array.from({ length: options.count }, (_, at): Value => at);
  const calls = [ops.put("a", values), modify({ opcode: LIST.SET_TYPE, args: [options.flags] })];
  options.node.request(operate(maker, options.record, calls));
  return encodeMsgpack(values).length;
}

/** Makes a map of so many integers; its size in bytes. */
function fillMap(
  maker: RequestMaker,
  options: { node: LoopbackNode; record: number; count: number; flags: number },
): number {
  const map = new Map<Value, Value>(Array.from({ length: options.count }, (_, at) => [at, at]));
  const calls = [ops.put("a", map), modify({ opcode: MAP.SET_TYPE, args: [options.flags] })];
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
