/**
 * What happens to a frame: info, security or record message; which namespace; which transaction or job.
 * Source: wire-protocol reference, section 2.9.
 *
 * @module
 */

import {
  INFLATE_SIZE_MAX,
  INFO_BODY_SIZE_MAX,
  INFO_LINE_SIZE_MAX,
  PROTO_BODY_SIZE_MAX,
  readU48,
  readU64,
  ResultCode,
  TIMER_DELAY_MAX_MS,
} from "../base/mod.ts";
import type { Settings } from "../config/mod.ts";
import type { Clock, Compute, Log } from "../port/mod.ts";
import { startQuery } from "../query/mod.ts";
import {
  BatchJob,
  CAUSE,
  type CompressionStats,
  findNamespace,
  type Namespace,
  type RefusalCause,
  runTransaction,
  STEP,
} from "../transaction/mod.ts";
import {
  FIELD,
  INFO1,
  INFO2,
  parseInfo,
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG,
  PROTO_TYPE_AS_MSG_COMPRESSED,
  PROTO_TYPE_INFO,
  PROTO_TYPE_SECURITY,
  type ProtoFault,
  securityReply,
  writeProtoHeader,
} from "../wire/mod.ts";
import { ClientTurns } from "./client_turns.ts";
import type { ClientFence } from "./cluster/mod.ts";
import { answerInfo, answerPlainLine } from "./info.ts";
import type { PendingReply } from "./info_pending.ts";
import { type Job, JobScheduler } from "./job.ts";
import type { AerieNode } from "./node.ts";
import type { FrameOutcome, Session } from "./session.ts";

/** Bytes of the length that a compressed message's body begins with. */
const INFLATED_LENGTH_SIZE = 8;
/** Replies below this many bytes are never compressed, as clients do with requests. */
const COMPRESS_SIZE_MIN_BYTES = 128;
/** First byte of a binary frame on the info port; anything else is text. */
const BINARY_FIRST_BYTE = 2;
const LF = 0x0a;

/** Runs the frames of all sessions of a node. */
export class Dispatcher {
  /** Time. */
  readonly clock: Clock;
  /** Runs jobs in slices. */
  readonly scheduler: JobScheduler;
  /** What clients may take of the event loop. */
  readonly turns: ClientTurns;
  readonly #node: AerieNode;
  readonly #settings: Settings;
  readonly #namespaces: readonly Namespace[];
  readonly #compute: Compute;
  readonly #log: Log;

  /** @param node whose frames */
  constructor(node: AerieNode) {
    this.#node = node;
    this.clock = node.ports.clock;
    this.scheduler = new JobScheduler(this.clock);
    this.turns = new ClientTurns(this.clock);
    this.#settings = node.settings;
    this.#namespaces = node.namespaces;
    this.#compute = node.ports.compute;
    this.#log = node.ports.log;
  }

  /**
   * Runs one whole frame; replies go to the session's output.
   *
   * @param bytes lent; a job gets a copy
   * @param at offset of the proto header
   * @param end end of the frame
   */
  runFrame(session: Session, bytes: Uint8Array, at: number, end: number): FrameOutcome {
    const type = bytes[at + 1];
    const bodyAt = at + PROTO_HEADER_SIZE;
    switch (type) {
      case PROTO_TYPE_AS_MSG:
        if (session.kind !== "service") return "close";
        return this.#runMessage(session, bytes, bodyAt, end);
      case PROTO_TYPE_INFO:
        if (end - bodyAt > INFO_BODY_SIZE_MAX) return "close";
        return this.#runInfo(session, bytes.subarray(bodyAt, end)) ?? "done";
      case PROTO_TYPE_SECURITY:
        session.out.append(securityReply(ResultCode.SEC_NOT_SUPPORTED));
        return "done";
      case PROTO_TYPE_AS_MSG_COMPRESSED:
        if (session.kind !== "service") return "close";
        return this.#runCompressed(session, bytes.subarray(bodyAt, end));
      default:
        return "close";
    }
  }

  /**
   * Runs what arrived on the info port: frames when the first byte is that of a frame, else lines of text.
   *
   * @returns bytes done with
   */
  runPlainInfo(session: Session, bytes: Uint8Array, end: number): number {
    let at = 0;
    while (at < end && !session.isFlooded) {
      if (bytes[at] === BINARY_FIRST_BYTE) {
        if (end - at < PROTO_HEADER_SIZE) return at;
        const frameEnd = at + PROTO_HEADER_SIZE + readU48(bytes, at + 2);
        if (bytes[at + 1] !== PROTO_TYPE_INFO || frameEnd - at > INFO_BODY_SIZE_MAX) {
          return this.#drop(session, end);
        }
        if (frameEnd > end) return at;
        const pending = this.#runInfo(session, bytes.subarray(at + PROTO_HEADER_SIZE, frameEnd));
        if (pending !== undefined) {
          pending.onReady = () => {
            pending.write();
            session.flush();
          };
        }
        at = frameEnd;
      } else {
        const lineEnd = bytes.indexOf(LF, at);
        if (lineEnd < 0 || lineEnd >= end) {
          return end - at > INFO_LINE_SIZE_MAX ? this.#drop(session, end) : at;
        }
        answerPlainLine(this.#node, session, bytes.subarray(at, lineEnd));
        at = lineEnd + 1;
      }
    }
    return at;
  }

  /** A frame's header can't be followed: counts it and says so; the session is closed by its owner. */
  onProtoFault(session: Session, fault: ProtoFault): void {
    this.#node.stats.demarshalError++;
    if (!this.#log.enabled("debug", "proto")) return;
    const { host, port } = session.remote;
    const hint = fault === "tls" ? "a TLS client on a port without TLS" : `bad ${fault} in a frame's header`;
    this.#log.write("debug", "proto", `dropping connection from ${host}:${port}: ${hint}`);
  }

  /** What holds clients back after a long sleep. */
  get fence(): ClientFence {
    return this.#node.cluster.fence;
  }

  /** Whether nothing may be done for clients at a monotonic time. */
  holdsClients(nowMs: number): boolean {
    return this.#node.cluster.holdsClients(nowMs);
  }

  /** Forgets a session that holds or waits for records. */
  abandon(session: Session): void {
    for (const namespace of this.#namespaces) {
      if (namespace.inFlight.heldCount > 0) namespace.inFlight.abandon(session);
    }
  }

  /** Keeps a session's replies back until what its job has written is synced. */
  holdForJob(session: Session): void {
    for (const { store } of this.#namespaces) if (store.hasHolds) session.hold(store);
  }

  /** A session's connection is gone. */
  onSessionClosed(session: Session): void {
    this.#node.listeners.onSessionClosed(session);
  }

  /** Milliseconds that the session's present request may take. */
  budgetMs(session: Session): number {
    const wantedMs = session.context.request.transactionTtlMs || this.#settings.service.transactionMaxMs;
    return wantedMs === 0 ? TIMER_DELAY_MAX_MS : Math.min(wantedMs, TIMER_DELAY_MAX_MS);
  }

  /** The time of the session's suspended transaction is over: counts it and lets go of what it holds. */
  onSuspendTimeout(session: Session): void {
    const { suspendedIn } = session;
    if (suspendedIn !== undefined) this.#giveUp(session, suspendedIn, CAUSE.suspendedTimeout);
  }

  #giveUp(session: Session, namespace: Namespace, cause: RefusalCause): number {
    this.abandon(session);
    namespace.stats.tsvcTimeout[session.context.origin]++;
    return namespace.refusals.note(cause);
  }

  #drop(session: Session, end: number): number {
    this.#node.stats.demarshalError++;
    session.close();
    return end;
  }

  /** Answers; when some answers have to wait, the rest is a job that the session is woken for. */
  #runInfo(session: Session, body: Uint8Array): PendingReply | undefined {
    const { out } = session;
    const start = out.reserve(PROTO_HEADER_SIZE);
    out.length = start + PROTO_HEADER_SIZE;
    const pending = answerInfo(this.#node, session, parseInfo(body));
    session.nowMs = this.clock.monotonicMs();
    if (pending !== undefined) {
      out.length = start;
      pending.onReady = () => session.wake();
      return pending;
    }
    writeProtoHeader(out.bytes, start, {
      type: PROTO_TYPE_INFO,
      bodySizeBytes: out.length - start - PROTO_HEADER_SIZE,
    });
    return undefined;
  }

  #runCompressed(session: Session, body: Uint8Array): FrameOutcome {
    const inner = this.#inflate(body);
    if (inner === undefined) {
      this.#node.stats.demarshalError++;
      session.reply.frame({ resultCode: ResultCode.PARAMETER });
      return "done";
    }
    return this.#runMessage(session, inner, PROTO_HEADER_SIZE, inner.length);
  }

  /** The message inside a compressed one, proto header included; undefined when it is not what it claims to be. */
  #inflate(body: Uint8Array): Uint8Array | undefined {
    if (body.length <= INFLATED_LENGTH_SIZE) return undefined;
    const announced = readU64(body, 0);
    if (announced < PROTO_HEADER_SIZE || announced > INFLATE_SIZE_MAX) return undefined;
    const inner = this.#compute.inflate(body.subarray(INFLATED_LENGTH_SIZE), announced);
    if (inner === undefined || inner.length !== announced || inner[1] !== PROTO_TYPE_AS_MSG) return undefined;
    const bodySize = readU48(inner, 2);
    return bodySize <= PROTO_BODY_SIZE_MAX && bodySize + PROTO_HEADER_SIZE === inner.length
      ? inner
      : undefined;
  }

  #runMessage(session: Session, bytes: Uint8Array, at: number, end: number): FrameOutcome {
    const { request } = session.context;
    if (!request.decode(bytes, at, end)) {
      this.#node.stats.demarshalError++;
      session.reply.frame({ resultCode: ResultCode.PARAMETER });
      return "done";
    }
    if ((request.info1 & INFO1.BATCH) !== 0) return this.#startBatch(session, bytes.slice(at, end));
    const namespace = findNamespace(request, this.#namespaces);
    if (namespace === undefined) return this.#refuse(session, ResultCode.NAMESPACE);
    if (namespace.partitions.generation < 0) return this.#refuse(session, ResultCode.UNAVAILABLE);
    if (!request.has(FIELD.DIGEST)) return this.#startQuery(session, bytes.slice(at, end), namespace);
    return this.#runSingle(session, namespace);
  }

  #refuse(session: Session, resultCode: number): FrameOutcome {
    this.#node.stats.earlyTsvcClientError++;
    session.reply.frame({ resultCode });
    return "done";
  }

  #runSingle(session: Session, namespace: Namespace): FrameOutcome {
    const { context, reply, activeMs } = session;
    this.scheduler.noteRequest();
    if (session.nowMs - activeMs > this.budgetMs(session)) {
      reply.frame({ resultCode: this.#giveUp(session, namespace, CAUSE.timeout) });
      return "done";
    }
    const replyAt = session.out.length;
    reply.beginProto();
    reply.beginMessage();
    const step = runTransaction(context, namespace);
    if (step === STEP.SUSPENDED) {
      session.out.length = replyAt;
      session.suspendedIn = namespace;
      return "suspended";
    }
    if (step === STEP.DEFERRED) return this.#defer(session, namespace, replyAt);
    reply.endProto();
    if (namespace.store.hasHolds) session.hold(namespace.store);
    this.#endSingle(session, namespace, replyAt);
    return "done";
  }

  /** The reply's frame is complete. */
  #endSingle(session: Session, namespace: Namespace, replyAt: number): void {
    const { request } = session.context;
    if ((request.info1 & INFO1.COMPRESS_RESPONSE) !== 0) {
      this.#compressReply(session, replyAt, namespace.stats.compression);
    }
    const { read, write, udf } = namespace.stats.histograms;
    const isWrite = (request.info2 & INFO2.WRITE) !== 0;
    const histogram = !isWrite ? read : request.fieldAt[FIELD.UDF_FILENAME] < 0 ? write : udf;
    const { activeMs } = session;
    session.nowMs = this.clock.monotonicMs();
    histogram.add((session.nowMs - activeMs) * this.#node.latencyScale);
  }

  /** Holds a reply back until other nodes have answered; what was gathered before leaves meanwhile. */
  #defer(session: Session, namespace: Namespace, replyAt: number): Job {
    const deferral = session.context.takeDeferral();
    session.reply.endProto();
    const held = session.out.bytes.slice(replyAt, session.out.length);
    session.out.length = replyAt;
    if (namespace.store.hasHolds) session.hold(namespace.store);
    let isWaiting = false;
    deferral.whenSettled(() => isWaiting && session.wake());
    return {
      step: () => {
        if (!deferral.isSettled) {
          isWaiting = true;
          return "suspended";
        }
        const frameAt = session.out.length;
        if (deferral.resultCode === ResultCode.OK) session.out.append(deferral.frame ?? held);
        else session.reply.frame({ resultCode: deferral.resultCode! });
        this.#endSingle(session, namespace, frameAt);
        return "done";
      },
    };
  }

  /** Replaces the frame at the end of the output by a compressed one, if that is smaller. */
  #compressReply(session: Session, frameAt: number, stats: CompressionStats): void {
    const { out } = session;
    const frame = out.bytes.subarray(frameAt, out.length);
    const plainSize = frame.length;
    if (plainSize <= COMPRESS_SIZE_MIN_BYTES) return stats.add(plainSize, plainSize);
    const stream = this.#compute.deflate(frame);
    const bodySize = INFLATED_LENGTH_SIZE + stream.length;
    stats.add(plainSize, PROTO_HEADER_SIZE + bodySize);
    if (PROTO_HEADER_SIZE + bodySize >= plainSize) return;
    out.length = frameAt;
    const at = out.reserve(PROTO_HEADER_SIZE);
    writeProtoHeader(out.bytes, at, { type: PROTO_TYPE_AS_MSG_COMPRESSED, bodySizeBytes: bodySize });
    out.length = at + PROTO_HEADER_SIZE;
    out.appendU32(0);
    out.appendU32(plainSize);
    out.append(stream);
  }

  #startBatch(session: Session, bytes: Uint8Array): FrameOutcome {
    const { request } = session.context;
    request.decode(bytes, 0, bytes.length);
    const wantsCompression = (request.info1 & INFO1.COMPRESS_RESPONSE) !== 0;
    const job = new BatchJob(request, {
      reply: session.reply,
      waiter: session,
      namespaces: this.#namespaces,
      stats: this.#node.stats.batch,
      rowCountMax: this.#settings.service.batchMaxRequests,
      onFrame: wantsCompression
        ? (frameAt) => this.#compressReply(session, frameAt, this.#node.stats.batchCompression)
        : undefined,
    });
    return this.#timed(job, session);
  }

  /** Counts a batch's latency when it is done. */
  #timed(job: Job, session: Session): Job {
    const startMs = session.activeMs;
    const histogram = this.#node.stats.batchIndexHistogram;
    return {
      step: (clock, deadlineMs) => {
        const step = job.step(clock, deadlineMs);
        if (step === "done") histogram.add((clock.monotonicMs() - startMs) * this.#node.latencyScale);
        return step;
      },
      cancel: () => job.cancel?.(),
    };
  }

  #startQuery(session: Session, bytes: Uint8Array, namespace: Namespace): FrameOutcome {
    const { request } = session.context;
    request.decode(bytes, 0, bytes.length);
    const started = startQuery(request, {
      namespace,
      reply: session.reply,
      waiter: session,
      clock: this.clock,
      schedule: (run) => this.scheduler.schedule(run),
      jobs: this.#node.queries,
      remote: session.remote,
      close: () => session.close(),
    });
    if (typeof started !== "number") return started;
    session.reply.frame({ resultCode: started });
    return "done";
  }
}
