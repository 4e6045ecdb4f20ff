/**
 * Helpers for tests of transactions: a namespace on a clock that is moved by hand, requests as clients encode them, and
 * their replies in a form that reads well in an assertion.
 *
 * @module
 */

import { ByteBuffer, fromHex, ResultCode, toHex, utf8, writeU32 } from "../base/mod.ts";
import { defaultSettings, type NamespaceSettings } from "../config/mod.ts";
import { PartitionTable } from "../partition/mod.ts";
import { createCompute } from "../platform/mod.ts";
import { PendingDevice } from "../storage/mod.ts";
import { TestClock, testDigest, TestLog, testSettings, TestStore } from "../storage/testing.ts";
import {
  decodeMessage,
  decodeOp,
  FIELD,
  type Frame,
  INFO1,
  INFO2,
  OP,
  PARTICLE,
  PROTO_HEADER_SIZE,
  ReplyMessage,
  type ReplyOp,
  ReplyWriter,
  type RequestHeader,
  RequestWriter,
} from "../wire/mod.ts";
import { UdfModules } from "../udf/mod.ts";
import { Namespace, STEP, TransactionContext } from "./context.ts";
import { runTransaction } from "./run.ts";

/** One operation of a test request: id, bin, particle type, value in hexadecimal. */
export type TestOp = readonly [op: number, name: string, type?: number, value?: string];

/** One test request. */
export interface TestRequestShape extends Partial<RequestHeader> {
  /** Number of the record; its digest is made from it. */
  record: number;
  /** Set name. */
  set?: string;
  /** User key in hexadecimal, particle type first. */
  key?: string;
  /** Further fields: type and payload in hexadecimal. */
  fields?: readonly (readonly [number, string])[];
  /** Operations. */
  ops?: readonly TestOp[];
}

/** A reply, fit for an assertion: operations as `op:type:name=hex`. */
export interface TestReply {
  /** Result code. */
  code: number;
  /** Generation. */
  generation: number;
  /** Void-time. */
  voidTime: number;
  /** Operations. */
  ops: string[];
}

/** Eight bytes of an integer in hexadecimal. */
export function integerHex(value: number | bigint): string {
  return BigInt.asUintN(64, BigInt(value)).toString(16).padStart(16, "0");
}

/** Text as hexadecimal. */
export function textHex(text: string): string {
  return toHex(utf8(text));
}

/** A WRITE operation with an integer. */
export function writeInteger(name: string, value: number | bigint): TestOp {
  return [OP.WRITE, name, PARTICLE.INTEGER, integerHex(value)];
}

/** Encodes a request, with its proto header. */
export function encodeRequest(shape: TestRequestShape): Uint8Array {
  const buffer = new ByteBuffer();
  const writer = new RequestWriter(buffer);
  writer.begin({ info1: 0, info2: 0, info3: 0, ...shape });
  writer.field(FIELD.NAMESPACE, utf8("test"));
  if (shape.set !== undefined) writer.textField(FIELD.SET, shape.set);
  if (shape.key !== undefined) writer.field(FIELD.KEY, fromHex(shape.key));
  for (const [type, payload] of shape.fields ?? []) writer.field(type, fromHex(payload));
  writer.field(FIELD.DIGEST, testDigest(shape.record));
  for (const op of shape.ops ?? []) appendOp(buffer, writer, op);
  writer.finish();
  return buffer.toBytes();
}

/** Appends an operation; names that a client would not send are allowed. */
export function appendOp(buffer: ByteBuffer, writer: RequestWriter, [op, name, type, value]: TestOp): void {
  const at = writer.beginOp(op, "");
  buffer.appendText(name);
  buffer.bytes[at + 7] = utf8(name).length;
  buffer.append(fromHex(value ?? ""));
  writer.endOp(at, type ?? PARTICLE.NULL);
  writeU32(buffer.bytes, at, buffer.length - at - 4);
}

/** Decodes every message of the frames in some bytes. */
export function decodeReplies(bytes: Uint8Array): (TestReply & { rowIndex: number; info3: number })[] {
  const replies: (TestReply & { rowIndex: number; info3: number })[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + PROTO_HEADER_SIZE +
      ((bytes[at + 4] << 24) | (bytes[at + 5] << 16) | (bytes[at + 6] << 8) | bytes[at + 7]);
    const frame: Frame = { type: bytes[at + 1], bytes, start: at + PROTO_HEADER_SIZE, end };
    for (let messageAt = frame.start; messageAt < end;) {
      const message = new ReplyMessage();
      messageAt = decodeMessage(frame, messageAt, message);
      replies.push({ ...readMessage(message), rowIndex: message.batchIndex, info3: message.info3 });
    }
    at = end;
  }
  return replies;
}

function readMessage(message: ReplyMessage): TestReply {
  const ops: string[] = [];
  const op: ReplyOp = { op: 0, particleType: 0, name: "", valueAt: 0, end: 0 };
  for (let at = message.opsAt, left = message.opCount; left > 0; left--) {
    at = decodeOp(message.bytes, at, op);
    ops.push(`${op.op}:${op.particleType}:${op.name}=${toHex(message.bytes, op.valueAt, op.end)}`);
  }
  return { code: message.resultCode, generation: message.generation, voidTime: message.voidTime, ops };
}

/** A request while it runs, as a session runs it. */
export class TestRequest {
  /** The reply, once there is one. */
  reply: TestReply | undefined;
  /** Times that the transaction was suspended. */
  suspendedCount = 0;
  readonly #namespace: Namespace;
  readonly #context: TransactionContext;
  readonly #out = new ByteBuffer();

  /** Decodes the request; `wake` or `run` starts it. */
  constructor(namespace: Namespace, bytes: Uint8Array) {
    this.#namespace = namespace;
    this.#context = new TransactionContext({ reply: new ReplyWriter(this.#out), waiter: this });
    if (!this.#context.request.decode(bytes, PROTO_HEADER_SIZE, bytes.length)) {
      throw new Error("malformed request");
    }
  }

  /** Runs the transaction from its beginning. */
  wake(): void {
    if (this.reply !== undefined) return;
    this.#out.length = 0;
    const { reply } = this.#context;
    reply.beginProto();
    reply.beginMessage();
    const step = runTransaction(this.#context, this.#namespace);
    if (step === STEP.SUSPENDED) {
      this.suspendedCount++;
      return;
    }
    reply.endProto();
    if (step === STEP.DONE) return this.#end();
    const deferral = this.#context.takeDeferral();
    deferral.whenSettled(() => {
      const { frame, resultCode } = deferral;
      if (resultCode !== ResultCode.OK || frame !== undefined) this.#out.length = 0;
      if (resultCode !== ResultCode.OK) reply.frame({ resultCode: resultCode! });
      else if (frame !== undefined) this.#out.append(frame);
      this.#end();
    });
  }

  #end(): void {
    const { code, generation, voidTime, ops } = decodeReplies(this.#out.toBytes())[0];
    this.reply = { code, generation, voidTime, ops };
  }
}

/** One namespace, alone on its node. */
export class TestNamespace {
  /** Moved by hand. */
  readonly clock: TestClock;
  /** Lines about refusals. */
  readonly log: TestLog = new TestLog();
  /** Its records. */
  readonly records: TestStore;
  /** As transactions see it. */
  readonly namespace: Namespace;
  /** The device that answers "pending", when there is one. */
  device: PendingDevice | undefined;

  /** @param options settings, and whether every record is pending at first */
  constructor(
    options: { settings?: Parameters<typeof testSettings>[0]; pending?: boolean; clock?: TestClock } = {},
  ) {
    this.clock = options.clock ?? new TestClock();
    const settings: NamespaceSettings = testSettings(options.settings);
    this.records = new TestStore({
      settings,
      clock: this.clock,
      ...(options.pending !== true ? {} : {
        wrapDevice: (inner, clock) => this.device = new PendingDevice(inner, clock, 5),
      }),
    });
    this.namespace = new Namespace({
      settings,
      service: defaultSettings().service,
      store: this.records.store,
      partitions: new PartitionTable(),
      udf: new UdfModules({
        clock: this.clock,
        compute: createCompute(),
        log: this.log,
        settings: defaultSettings().modLua,
      }),
      clock: this.clock,
      log: this.log,
    });
    this.namespace.partitions.assignAll();
  }

  /** Starts a request. */
  start(shape: TestRequestShape): TestRequest {
    const request = new TestRequest(this.namespace, encodeRequest(shape));
    request.wake();
    return request;
  }

  /** Runs a request to its reply. */
  run(shape: TestRequestShape): TestReply {
    const request = this.start(shape);
    while (request.reply === undefined && this.clock.step());
    if (request.reply === undefined) throw new Error("The request never ends");
    return request.reply;
  }

  /** Writes; `info2` and others may add to it. */
  write(record: number, ops: readonly TestOp[], rest: Partial<TestRequestShape> = {}): TestReply {
    return this.run({ ...rest, record, ops, info2: INFO2.WRITE | (rest.info2 ?? 0) });
  }

  /** Reads the whole record. */
  read(record: number, rest: Partial<TestRequestShape> = {}): TestReply {
    return this.run({ ...rest, record, info1: INFO1.READ | INFO1.GET_ALL });
  }
}
