/**
 * One client connection: cuts frames, runs requests strictly in order, gathers replies.
 *
 * States: idle (frames are run as they arrive) → running a job (a batch or scan, in slices), suspended (a transaction
 * waits; its frame stays in the input) or deferred (it has used its share of the turn) → idle. While not idle, or while replies pile up because the client does not
 * read, input is kept back, and beyond a high-water mark the socket is not read at all: a client can make the node hold
 * one request, some read-ahead and a bounded amount of replies, no more.
 *
 * All replies of one readable event leave in one write. Two buffers take turns: one is with the system, the other
 * gathers. With `commit-to-device` nothing leaves that tells of what is not synced; requests go on meanwhile.
 *
 * @module
 */

import {
  ByteBuffer,
  ResultCode,
  SESSION_INPUT_HIGH_WATER_BYTES,
  SESSION_JOB_OUTPUT_HIGH_WATER_BYTES,
  SESSION_OUTPUT_HIGH_WATER_BYTES,
} from "../base/mod.ts";
import type { CloseReason, Connection, ConnectionHandler, Timer } from "../port/mod.ts";
import type { DurableWaiter, NamespaceStore, Waiter } from "../storage/mod.ts";
import { type Namespace, TransactionContext } from "../transaction/mod.ts";
import { PROTO_HEADER_SIZE, protoBodySize, protoFault, ReplyWriter } from "../wire/mod.ts";
import type { Dispatcher } from "./dispatch.ts";
import type { TurnTaker } from "./client_turns.ts";
import type { Job } from "./job.ts";

/** Capacity of fresh buffers; most requests and replies are smaller. */
const BUFFER_SIZE_BYTES = 512;
/** Capacity that a buffer keeps between uses. */
const BUFFER_KEEP_BYTES = 64 * 1024;

/** Which port a connection came in by. */
export type SessionKind = "service" | "admin" | "info";

/** How the dispatcher left a frame. */
export type FrameOutcome = "done" | "suspended" | "close" | Job;

/** One client connection. */
export class Session implements ConnectionHandler, Waiter, DurableWaiter, TurnTaker {
  /** Port that the connection came in by. */
  readonly kind: SessionKind;
  /** Where replies gather; frames are appended whole. */
  out: ByteBuffer = new ByteBuffer(BUFFER_SIZE_BYTES);
  /** Writes record replies into `out`. */
  readonly reply: ReplyWriter;
  /** The transaction that runs. */
  readonly context: TransactionContext;
  /** Monotonic time of the last readable event. */
  activeMs: number;
  /** Monotonic time as last asked for: when a run of frames began, or the request before the present one ended. */
  nowMs: number;
  /** What the client said it is, base64; undefined when it did not. */
  userAgent: string | undefined;
  /** Namespace of the transaction that was suspended last. */
  suspendedIn: Namespace | undefined;
  /** The connection is gone, or about to be. */
  closed = false;
  readonly #dispatcher: Dispatcher;
  readonly #connection: Connection;
  readonly #input = new ByteBuffer(0);
  #sending: ByteBuffer = new ByteBuffer(BUFFER_SIZE_BYTES);
  #writing = false;
  #paused = false;
  #suspended = false;
  /** Frames wait for a later turn. */
  #deferred = false;
  #suspendTimer: Timer | undefined;
  #job: Job | undefined;
  #isJobScheduled = false;
  #holdCount = 0;
  #closing = false;

  /** @param options the connection, its port, and who runs its requests */
  constructor(options: { connection: Connection; kind: SessionKind; dispatcher: Dispatcher }) {
    this.#connection = options.connection;
    this.#dispatcher = options.dispatcher;
    this.kind = options.kind;
    this.reply = new ReplyWriter(this.out);
    this.context = new TransactionContext({ reply: this.reply, waiter: this });
    this.activeMs = this.nowMs = options.dispatcher.clock.monotonicMs();
  }

  /** The peer's address. */
  get remote(): { host: string; port: number } {
    return this.#connection.remote;
  }

  /** Nothing is running and nothing waits to be sent. */
  get isIdle(): boolean {
    return !this.#isBusy && !this.#deferred && !this.#writing && this.out.length === 0;
  }

  get #isBusy(): boolean {
    return this.#suspended || this.#job !== undefined;
  }

  /** See {@linkcode ConnectionHandler}. */
  onData(bytes: Uint8Array): void {
    if (this.closed || this.#closing) return;
    this.activeMs = this.nowMs = this.#dispatcher.clock.monotonicMs();
    if (this.#isFenced(this.nowMs)) {
      this.#input.append(bytes);
      return this.#throttle();
    }
    if (this.#input.length > 0 || this.#isBusy || this.#deferred || this.isFlooded) {
      this.#input.append(bytes);
      this.#pump();
    } else {
      const consumed = this.#runFrames(bytes, bytes.length);
      if (consumed < bytes.length) this.#input.append(bytes, consumed);
    }
    this.flush();
    this.#throttle();
  }

  /** See {@linkcode ConnectionHandler}. */
  onWritten(): void {
    this.#writing = false;
    this.#sending.reset(BUFFER_KEEP_BYTES);
    if (this.#closing && this.out.length === 0) {
      this.#connection.close();
      return;
    }
    this.flush();
    if (this.isFlooded) return;
    if (this.#job !== undefined && !this.#suspended) this.#scheduleJob();
    this.#pump();
    this.flush();
    this.#throttle();
  }

  /** See {@linkcode ConnectionHandler}. */
  onClose(_reason: CloseReason, _error?: Error): void {
    this.closed = true;
    this.#dispatcher.fence.forget(this.#goOn);
    this.#suspendTimer?.cancel();
    this.#job?.cancel?.();
    this.#job = undefined;
    this.#dispatcher.abandon(this);
    this.#dispatcher.onSessionClosed(this);
  }

  /** See {@linkcode Waiter}: a suspended transaction or job may go on. */
  wake(): void {
    if (this.closed || !this.#suspended) return;
    this.#suspendTimer?.cancel();
    this.#suspended = false;
    // The request is in the input still, and a job is stepped when the fence is lowered.
    if (this.#isFenced(this.#dispatcher.clock.monotonicMs())) return;
    if (this.#job !== undefined) this.#stepJob();
    this.#pump();
    this.flush();
    this.#throttle();
  }

  /** See {@linkcode TurnTaker}. */
  onTurn(): void {
    this.#deferred = false;
    if (this.closed) return;
    this.#pump();
    this.flush();
    this.#throttle();
  }

  /** Keeps all replies back until what the last transactions of a store have written or shown is synced. */
  hold(store: NamespaceStore): void {
    for (const unit of store.takeHolds()) if (unit.wait(this)) this.#holdCount++;
  }

  /** See {@linkcode DurableWaiter}. */
  onDurable(): void {
    if (--this.#holdCount > 0 || this.closed) return;
    this.flush();
    if (this.#closing && !this.#writing) this.#connection.close();
  }

  /** Sends what has been gathered, unless a write is under way or something must be synced first. */
  flush(): void {
    if (this.#writing || this.closed || this.out.length === 0 || this.#holdCount > 0) return;
    if (this.kind === "service" && this.#dispatcher.fence.isRaised) {
      this.#dispatcher.fence.wait(this.#goOn);
      return;
    }
    const sending = this.out;
    this.out = this.#sending;
    this.#sending = sending;
    this.reply.out = this.out;
    this.#writing = true;
    this.#connection.write(sending.view());
  }

  /** Closes the connection once what has been gathered is sent. */
  closeAfterFlush(): void {
    this.#closing = true;
    this.flush();
    if (!this.#writing && this.#holdCount === 0) this.#connection.close();
  }

  /** Closes the connection at once; nothing that was asked for on it is run any more. */
  close(): void {
    this.closed = true;
    this.#connection.close();
  }

  /** Replies that the client has not taken reached the limit. */
  get isFlooded(): boolean {
    return this.#waitingBytes > SESSION_OUTPUT_HIGH_WATER_BYTES;
  }

  /** Enough replies of the job wait for the client; the end of the write that is under way wakes the job. */
  get #isJobAhead(): boolean {
    return this.#waitingBytes > SESSION_JOB_OUTPUT_HIGH_WATER_BYTES;
  }

  get #waitingBytes(): number {
    return this.out.length + (this.#writing ? this.#sending.length : 0);
  }

  /** After a long sleep nothing is run or sent for clients until others have confirmed the cluster. */
  #isFenced(nowMs: number): boolean {
    if (this.kind !== "service" || !this.#dispatcher.holdsClients(nowMs)) return false;
    this.#dispatcher.fence.wait(this.#goOn);
    return true;
  }

  readonly #goOn = (): void => {
    if (this.closed) return;
    if (this.#job !== undefined && !this.#suspended) this.#scheduleJob();
    this.#pump();
    this.flush();
    this.#throttle();
  };

  /** Runs frames that were kept back. */
  #pump(): void {
    if (this.#input.length === 0 || this.#isBusy || this.#deferred || this.isFlooded || this.closed) return;
    this.nowMs = this.#dispatcher.clock.monotonicMs();
    if (this.#isFenced(this.nowMs)) return;
    const consumed = this.#runFrames(this.#input.bytes, this.#input.length);
    this.#input.consume(consumed);
    if (this.#input.length === 0) this.#input.reset(0);
  }

  /** Runs the whole frames at the start of some bytes, for this session's share; how many bytes are done with. */
  #runFrames(bytes: Uint8Array, end: number): number {
    if (this.kind === "info") return this.#dispatcher.runPlainInfo(this, bytes, end);
    const { turns } = this.#dispatcher;
    const startMs = this.nowMs;
    const consumed = this.#runFramesUntil(startMs + turns.shareMs, bytes, end);
    turns.use(this.nowMs - startMs);
    return consumed;
  }

  /** Each request that has ended has looked at the clock, so that looking at the time costs nothing. */
  #runFramesUntil(deadlineMs: number, bytes: Uint8Array, end: number): number {
    let at = 0;
    while (end - at >= PROTO_HEADER_SIZE && !this.isFlooded) {
      const fault = protoFault(bytes, at);
      if (fault !== undefined) {
        this.#dispatcher.onProtoFault(this, fault);
        this.#connection.close();
        return end;
      }
      const frameEnd = at + PROTO_HEADER_SIZE + protoBodySize(bytes, at);
      if (frameEnd > end) break;
      if (this.nowMs >= deadlineMs) {
        this.#deferred = true;
        this.#dispatcher.turns.defer(this);
        break;
      }
      const outcome = this.#dispatcher.runFrame(this, bytes, at, frameEnd);
      if (outcome === "suspended") {
        this.#suspend();
        return at;
      }
      at = frameEnd;
      if (outcome === "close") {
        this.closeAfterFlush();
        return end;
      }
      if (outcome !== "done") {
        this.#job = outcome;
        this.#stepJob();
        if (this.#job !== undefined) return at;
      }
    }
    return at;
  }

  /** The frame at the head of the input waits; after its time is over it is answered and dropped. */
  #suspend(): void {
    this.#suspended = true;
    this.#suspendTimer = this.#dispatcher.clock.after(this.#dispatcher.budgetMs(this), () => {
      if (!this.#suspended || this.#job !== undefined || this.closed) return;
      this.#dispatcher.onSuspendTimeout(this);
      this.reply.frame({ resultCode: ResultCode.TIMEOUT });
      this.#input.consume(PROTO_HEADER_SIZE + protoBodySize(this.#input.bytes, 0));
      this.#suspended = false;
      this.#pump();
      this.flush();
      this.#throttle();
    });
  }

  #scheduleJob(): void {
    // Both a slice that ends and a write that ends ask for the next slice; one place in the queue is all a job may have.
    if (this.#isJobScheduled) return;
    this.#isJobScheduled = true;
    this.#dispatcher.scheduler.schedule((deadlineMs) => {
      this.#isJobScheduled = false;
      if (this.closed || this.#job === undefined || this.#suspended || this.#isJobAhead) return;
      if (this.#isFenced(this.#dispatcher.clock.monotonicMs())) return;
      this.#stepJob(deadlineMs);
      this.flush();
      if (this.#job === undefined) this.#pump();
      this.flush();
      this.#throttle();
    });
  }

  #stepJob(deadlineMs: number = this.#dispatcher.scheduler.deadlineMs()): void {
    const step = this.#job!.step(this.#dispatcher.clock, deadlineMs);
    this.nowMs = this.#dispatcher.clock.monotonicMs();
    this.#dispatcher.holdForJob(this);
    if (step === "done") this.#job = undefined;
    else if (step === "suspended") this.#suspended = true;
    else if (!this.#isJobAhead) this.#scheduleJob();
  }

  /** Reads the socket only while its bytes can be used or kept. */
  #throttle(): void {
    if (this.closed) return;
    const isHeld = this.#isBusy || this.#deferred || this.isFlooded || this.#dispatcher.fence.isRaised;
    const wait = isHeld &&
      this.#input.length > SESSION_INPUT_HIGH_WATER_BYTES;
    if (wait === this.#paused) return;
    this.#paused = wait;
    if (wait) this.#connection.pause();
    else this.#connection.resume();
  }
}
