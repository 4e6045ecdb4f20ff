/**
 * One end of a simulated connection.
 *
 * States: open; ended (the peer's end of stream has arrived, bytes before it may still wait to be read); closed.
 * open → ended on arrival of the end; ended → closed when everything was read and no write is under way; open or ended
 * → closed by `close`, by a reset, or with the process.
 *
 * The handler's bytes are overwritten after the call, and the writer's bytes are copied only when the simulated kernel
 * takes them, so that a program that keeps what it was lent, or changes what it has lent, shows itself.
 *
 * @module
 */
import { assert } from "../base/mod.ts";
import type { Address, CloseReason, Connection, ConnectionHandler } from "../port/mod.ts";
import type { Link, SimNetwork } from "./network.ts";
import { EventKind } from "./simulation.ts";
import type { SimProcess } from "./world.ts";

/** What a handler finds in bytes that it was not given. */
const POISON = 0xdb;

/** Most bytes of one `onData`, as on the platform. */
const READ_SIZE_MAX_BYTES = 64 * 1024;

/** How long the kernel needs to take or give bytes. */
const KERNEL_MAX_US = 8;

/** Probability that a reset throws away bytes that had arrived before it. */
const RESET_DROPS_UNREAD_CHANCE = 0.5;

/** One end of a simulated connection. */
export class SimConnection implements Connection {
  readonly remote: Address;
  readonly local: Address;
  /** Who holds this end. */
  readonly process: SimProcess;
  /** The other end. */
  peer!: SimConnection;

  readonly #network: SimNetwork;
  #handler: ConnectionHandler | undefined;
  #closed = false;
  #finished = false;
  #whenFinished: (() => void)[] = [];
  #paused = false;

  #writing: Uint8Array | undefined;
  #taken = 0;
  #lastArrivalUs = 0;
  #sendScheduled = false;
  /** To the other end's machine. */
  #way: Link | undefined;

  /** Pieces on their way to this end, in order; undefined is the end of the stream. */
  readonly #underWay: (Uint8Array | undefined)[] = [];
  /** Pieces that have arrived and were not read. */
  readonly #unread: Uint8Array[] = [];
  #heldBytes = 0;
  #ended = false;
  #deliveryScheduled = false;

  /** @param process that holds this end */
  constructor(network: SimNetwork, process: SimProcess, local: Address, remote: Address) {
    this.#network = network;
    this.process = process;
    this.local = local;
    this.remote = remote;
  }

  get handler(): ConnectionHandler {
    assert(this.#handler !== undefined, "A connection's handler is set before it is used");
    return this.#handler;
  }

  set handler(handler: ConnectionHandler) {
    this.#handler = handler;
    this.#scheduleDelivery();
  }

  /** True when this end is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** True when this end is closed and its owner knows it, or is dead: nothing can come of what was sent to it. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Calls back once this end is finished; at once when it is. */
  whenFinished(fn: () => void): void {
    if (this.#finished) fn();
    else this.#whenFinished.push(fn);
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    assert(this.#writing === undefined, "One write of a connection is under way at a time");
    this.#writing = bytes;
    this.#taken = 0;
    this.#scheduleSend();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#scheduleDelivery();
  }

  close(): void {
    if (this.#closed) return;
    this.#shut();
    this.#network.simulation.schedule(
      0,
      EventKind.CLOSE,
      this.process,
      () => this.#handler?.onClose("local"),
    );
  }

  /** Closes this end without telling its owner, who is dead or never got it. */
  abandon(): void {
    if (!this.#closed) this.#shut();
    this.#finish();
  }

  /** Holds back what this end sends from now on, as a lost packet does; what is under way arrives before it. */
  stall(durationUs: number): void {
    const untilUs = this.#network.simulation.nowUs + durationUs;
    this.#lastArrivalUs = Math.max(this.#lastArrivalUs, untilUs);
  }

  /** Closes this end without telling anyone. */
  vanish(): void {
    this.#closed = true;
    this.#drop();
    this.#finish();
  }

  /** Ends this end with an error; its owner hears of it in a turn of its own. */
  breakNow(code: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop();
    const error = Object.assign(
      new Error(`Connection to ${this.remote.host}:${this.remote.port} broke (${code})`),
      {
        code,
      },
    );
    this.#network.simulation.schedule(0, EventKind.RESET, this.process, () => this.#tell("error", error));
  }

  #tell(reason: CloseReason, error?: Error): void {
    if (error === undefined) this.#handler?.onClose(reason);
    else this.#handler?.onClose(reason, error);
    this.#finish();
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    for (const fn of this.#whenFinished) fn();
    if (!this.peer.#finished) return;
    this.#network.forget(this);
    this.#network.forget(this.peer);
  }

  #shut(): void {
    this.#closed = true;
    const { machine } = this.process;
    const other = this.peer.process.machine;
    if (this.#unread.length > 0) {
      // As kernels do: closing with unread bytes is a reset.
      const delayUs = this.#network.latencyUs(machine, other);
      this.#network.carry(machine, other, delayUs, EventKind.RESET, () => this.peer.#arriveReset());
    } else {
      this.#sendPiece(undefined);
    }
    this.#drop();
  }

  #drop(): void {
    this.#unread.length = 0;
    this.#heldBytes = 0;
    this.#writing = undefined;
  }

  #scheduleSend(): void {
    if (this.#sendScheduled) return;
    this.#sendScheduled = true;
    const { simulation, random } = this.#network;
    simulation.schedule(random.between(1, KERNEL_MAX_US), EventKind.SEND, this.process, () => this.#send());
  }

  /** The kernel takes what it has room for. */
  #send(): void {
    this.#sendScheduled = false;
    const bytes = this.#writing;
    if (this.#closed || bytes === undefined) return;
    const { conditions, random } = this.#network;
    if (random.chance(conditions.resetChance)) return this.#network.reset(this);
    const room = conditions.windowSizeBytes - this.peer.#heldBytes;
    const left = bytes.length - this.#taken;
    let count = Math.min(room, left);
    if (count > 1 && random.chance(conditions.cutChance)) count = random.between(1, count);
    if (count > 0) {
      this.#sendPiece(this.#network.copyPiece(bytes.subarray(this.#taken, this.#taken + count)));
      this.#taken += count;
    }
    if (this.#taken < bytes.length) {
      // Without room, the reader's progress goes on from here.
      if (count > 0 && count < room) this.#scheduleSend();
      return;
    }
    this.#writing = undefined;
    this.handler.onWritten();
  }

  #sendPiece(piece: Uint8Array | undefined): void {
    const { peer } = this;
    const network = this.#network;
    const way = this.#way ??= network.link(this.process.machine, peer.process.machine);
    const { bandwidthBytesPerSecond } = network.conditions;
    const size = piece?.length ?? 0;
    const sizeUs = bandwidthBytesPerSecond > 0 ? (size * 1_000_000) / bandwidthBytesPerSecond : 0;
    const { nowUs } = network.simulation;
    const arrivalUs = Math.max(nowUs + network.linkLatencyUs(way), this.#lastArrivalUs) + sizeUs;
    this.#lastArrivalUs = arrivalUs;
    peer.#underWay.push(piece);
    peer.#heldBytes += size;
    network.carryOver(way, arrivalUs - nowUs, EventKind.ARRIVE, () => peer.#arrive());
  }

  /** The next piece has come over the wire. */
  #arrive(): void {
    const piece = this.#underWay.shift();
    if (this.#closed || !this.process.alive) {
      if (piece !== undefined) this.#refuse();
      return;
    }
    if (piece === undefined) this.#ended = true;
    else this.#unread.push(piece);
    // The owner's turn comes in an event that dies with it.
    this.#scheduleDelivery();
  }

  /** Bytes for an end that is gone: the sender learns it. */
  #refuse(): void {
    const from = this.process.machine;
    const to = this.peer.process.machine;
    if (this.peer.#closed) return;
    this.#network.carry(
      from,
      to,
      this.#network.latencyUs(from, to),
      EventKind.RESET,
      () => this.peer.#arriveReset(),
    );
  }

  #arriveReset(): void {
    if (this.#closed || !this.process.alive) return;
    if (this.#unread.length > 0 && !this.#network.random.chance(RESET_DROPS_UNREAD_CHANCE)) {
      // What had arrived is read first; the end comes after it.
      this.#ended = true;
      this.#scheduleDelivery();
      return;
    }
    this.breakNow("ECONNRESET");
  }

  #scheduleDelivery(): void {
    if (this.#deliveryScheduled || this.#closed || this.#handler === undefined) return;
    if (this.#paused || (this.#unread.length === 0 && !this.#ended)) return;
    this.#deliveryScheduled = true;
    const { simulation, random } = this.#network;
    const delayUs = random.below(KERNEL_MAX_US);
    simulation.schedule(delayUs, EventKind.DELIVER, this.process, () => this.#deliver());
  }

  /** Gives the owner the next bytes, or the end. */
  #deliver(): void {
    this.#deliveryScheduled = false;
    if (this.#closed || this.#paused) return;
    if (this.#unread.length === 0) {
      if (this.#ended) this.#end();
      return;
    }
    const bytes = this.#nextRead();
    this.#network.simulation.hash.mixBytes(bytes);
    this.#heldBytes -= bytes.length;
    this.handler.onData(bytes);
    bytes.fill(POISON);
    if (!this.#closed) this.#makeRoom();
    this.#scheduleDelivery();
  }

  /** What one read gives: what has arrived, or a part of it. */
  #nextRead(): Uint8Array {
    const { conditions, random } = this.#network;
    const unread = this.#unread;
    let size = 0;
    for (const piece of unread) size += piece.length;
    let count = Math.min(size, READ_SIZE_MAX_BYTES);
    if (count > 1 && random.chance(conditions.cutChance)) count = random.between(1, count);
    if (unread[0].length === count) return unread.shift()!;
    const bytes = this.#network.newPiece(count);
    for (let at = 0; at < count;) {
      const piece = unread[0];
      const part = piece.subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      if (part.length === piece.length) unread.shift();
      else unread[0] = piece.subarray(part.length);
    }
    return bytes;
  }

  #makeRoom(): void {
    const { peer } = this;
    if (peer.#writing === undefined || peer.#closed) return;
    peer.#scheduleSend();
  }

  /** The peer has closed. A write that is under way has nowhere to go. */
  #end(): void {
    const reason: CloseReason = this.#writing === undefined ? "peer" : "error";
    this.#closed = true;
    this.#drop();
    if (reason === "peer") this.#tell("peer");
    else this.#tell("error", Object.assign(new Error("The peer has closed"), { code: "EPIPE" }));
  }
}
