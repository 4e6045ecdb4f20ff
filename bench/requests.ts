/**
 * Requests for the benchmarks, encoded beforehand so that a load generator only has to send bytes: aerie's client
 * protocol, and Redis's for comparison.
 *
 * @module
 */

import { ByteBuffer, type Digester, PARTITION_COUNT, utf8 } from "../src/base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  BATCH_FLAG,
  FIELD,
  INFO1,
  INFO2,
  INFO3,
  OP,
  PARTICLE,
  RequestWriter,
} from "../src/wire/mod.ts";

/** Namespace of all benchmark records. */
export const NAMESPACE = "test";
/** Set of all benchmark records. */
export const SET = "bench";

/** Name of the one bin of all benchmark records. */
export const BIN = "a";

const INTEGER_SIZE_BYTES = 8;

/** The value of a record's one bin: an integer, or a blob of so many bytes. */
export type ValueShape = "integer" | number;

/** Makes request frames of aerie's client protocol. */
export class RequestMaker {
  readonly #digester: Digester;
  readonly #buffer = new ByteBuffer(4096);
  readonly #writer = new RequestWriter(this.#buffer);

  /** @param digester computes the records' digests */
  constructor(digester: Digester) {
    this.#digester = digester;
  }

  /** Digest of record number `record`. */
  digest(record: number): Uint8Array {
    return this.#digester.digest(utf8(SET), integerKey(record));
  }

  /** Reads a whole record. */
  get(record: number): Uint8Array {
    this.#begin(record, { info1: INFO1.READ | INFO1.GET_ALL, info2: 0 });
    return this.#finish();
  }

  /** Writes a record's only bin. */
  put(record: number, shape: ValueShape): Uint8Array {
    this.#begin(record, { info1: 0, info2: INFO2.WRITE });
    if (shape === "integer") {
      this.#integerOp(OP.WRITE, record);
    } else {
      const at = this.#writer.beginOp(OP.WRITE, BIN);
      this.#buffer.append(new Uint8Array(shape).fill(record));
      this.#writer.endOp(at, PARTICLE.BLOB);
    }
    return this.#finish();
  }

  /** Adds 1 to a record's bin and reads it. */
  operate(record: number): Uint8Array {
    this.#begin(record, { info1: INFO1.READ, info2: INFO2.WRITE });
    this.#integerOp(OP.INCR, 1);
    this.#writer.endOp(this.#writer.beginOp(OP.READ, BIN), PARTICLE.NULL);
    return this.#finish();
  }

  /** Calls a function of module `bench` on a record, without arguments. */
  call(record: number, functionName: string): Uint8Array {
    this.#begin(record, { info1: 0, info2: INFO2.WRITE });
    this.#writer.textField(FIELD.UDF_FILENAME, "bench");
    this.#writer.textField(FIELD.UDF_FUNCTION, functionName);
    this.#writer.field(FIELD.UDF_ARGLIST, Uint8Array.of(0x90));
    return this.#finish();
  }

  /** Reads `count` records from number `first` on, in one batch; rows after the first repeat its header. */
  batchGet(first: number, count: number): Uint8Array {
    this.#buffer.reset();
    this.#writer.begin({ info1: INFO1.READ | INFO1.BATCH, info2: 0, info3: 0 });
    const field = this.#writer.beginField(FIELD.BATCH);
    this.#buffer.appendU32(count);
    this.#buffer.appendU8(BATCH_FLAG.INLINE);
    const info = {
      info1: INFO1.READ | INFO1.GET_ALL,
      info2: 0,
      info3: 0,
      generation: undefined,
      recordTtl: 0,
    };
    const mark = this.#writer.beginRow({ index: 0, digest: this.digest(first), ...info });
    this.#writer.textField(FIELD.NAMESPACE, NAMESPACE);
    this.#writer.textField(FIELD.SET, SET);
    this.#writer.endRow(mark);
    for (let index = 1; index < count; index++) this.#writer.repeatRow(index, this.digest(first + index));
    this.#writer.endField(field);
    return this.#finish();
  }

  #begin(record: number, info: { info1: number; info2: number }): void {
    this.#buffer.reset();
    this.#writer.begin({ ...info, info3: 0 });
    this.#writer.textField(FIELD.NAMESPACE, NAMESPACE);
    this.#writer.textField(FIELD.SET, SET);
    this.#writer.field(FIELD.DIGEST, this.digest(record));
  }

  #finish(): Uint8Array {
    this.#writer.finish();
    return this.#buffer.toBytes();
  }

  #integerOp(op: number, value: number): void {
    const at = this.#writer.beginOp(op, BIN);
    this.#buffer.appendU32(0);
    this.#buffer.appendU32(value);
    this.#writer.endOp(at, PARTICLE.INTEGER);
  }
}

/** Asks for the records of the set whose value is in a range, or for all. */
export function queryRequest(range: { from: number; to: number } | undefined): Uint8Array {
  const buffer = new ByteBuffer(4 * PARTITION_COUNT + AS_MSG_HEADER_SIZE);
  const writer = new RequestWriter(buffer);
  writer.begin({ info1: INFO1.READ, info2: 0, info3: INFO3.PARTITION_DONE });
  writer.textField(FIELD.NAMESPACE, NAMESPACE);
  writer.textField(FIELD.SET, SET);
  const partitions = new Uint8Array(2 * PARTITION_COUNT);
  const view = new DataView(partitions.buffer);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    view.setUint16(2 * partition, partition, true);
  }
  writer.field(FIELD.PID_ARRAY, partitions);
  if (range !== undefined) {
    const at = writer.beginField(FIELD.INDEX_RANGE);
    buffer.appendU8(1);
    buffer.appendU8(BIN.length);
    buffer.appendText(BIN);
    buffer.appendU8(PARTICLE.INTEGER);
    for (const value of [range.from, range.to]) {
      buffer.appendU32(INTEGER_SIZE_BYTES);
      buffer.appendU32(0);
      buffer.appendU32(value);
    }
    writer.endField(at);
  }
  writer.finish();
  return buffer.toBytes();
}

/** The key of a record as it is hashed: particle type and eight bytes. */
export function integerKey(record: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = PARTICLE.INTEGER;
  new DataView(key.buffer).setUint32(5, record);
  return key;
}

/** A Redis command in its wire form. */
export function redisCommand(...words: (string | Uint8Array)[]): Uint8Array {
  const buffer = new ByteBuffer(256);
  buffer.appendText(`*${words.length}\r\n`);
  for (const word of words) {
    const bytes = typeof word === "string" ? utf8(word) : word;
    buffer.appendText(`$${bytes.length}\r\n`);
    buffer.append(bytes);
    buffer.appendText("\r\n");
  }
  return buffer.toBytes();
}
