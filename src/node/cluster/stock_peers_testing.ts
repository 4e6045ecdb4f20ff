/**
 * Peers that say what the nodes of the recorded stock cluster said, at the same times, to a node in the place of b1.
 *
 * Heartbeats, clustering, exchange and the signals of ended migrations are the recording. Migrations are a conversation:
 * what they send is recorded, but they wait for the node's answers as a stock node does, and they answer its own.
 *
 * @module
 */

import { assert } from "@std/assert";
import { ByteBuffer, fromHex } from "../../base/mod.ts";
import type { Connection, Ports } from "../../port/mod.ts";
import type { SimMachine, SimProcess, Simulation } from "../../sim/mod.ts";
import {
  decodePeerBytes,
  decodePeerMessage,
  encodePeerMessage,
  type ExchangeData,
  FABRIC_CHANNEL,
  FABRIC_CHANNEL_COUNT,
  isPeerFault,
  type MigrateKind,
  type MigrateMessage,
  type NodeId,
  peerFrameEnd,
  type PeerMessage,
  PeerReader,
} from "../../wire/mod.ts";
import { recordedPeerMessages, testInflate } from "../../wire/peer_testing.ts";

/** The node whose place is taken. */
export const REPLACED_NODE: NodeId = "00000000000000b1";
/** When the recording began, by the clock of its pulses. */
export const RECORDING_WALL_MS = 0x01a1fb2f7d87;
/** Services of b1; those of b2 and b3 are 1,000 and 2,000 higher. */
export const FABRIC_PORT = 31521;
/** See {@linkcode FABRIC_PORT}. */
export const HEARTBEAT_PORT = 31522;

const LOOPBACK = "127.0.0.1";
const CONNECT_TIMEOUT_MS = 500;
const RESEND_MS = 1000;
const RETRY_MS = 100;
const BODY_SIZE_MAX_BYTES = 16 * 1024 * 1024;

/** Something that a peer said to b1. */
interface Line {
  readonly atMs: number;
  readonly bytes: Uint8Array;
  /** Of the fabric; undefined of the heartbeat. */
  readonly channel: number | undefined;
}

/** A migration to b1: its start, the records, its end; or the signal that all migrations of a partition have ended. */
interface Transfer {
  readonly atMs: number;
  readonly start: Uint8Array;
  readonly id: number;
  readonly isSignal: boolean;
  readonly inserts: { readonly id: number; readonly bytes: Uint8Array }[];
  done: Uint8Array | undefined;
}

/** What one peer said to b1, from its start to its end. */
export interface RecordedLife {
  readonly node: NodeId;
  readonly fromMs: number;
  readonly toMs: number;
  /** Handshakes by channel. */
  readonly handshakes: readonly Uint8Array[];
  readonly lines: readonly Line[];
  /** In their recorded order. */
  readonly transfers: readonly Transfer[];
}

/** The lives of b2 and b3 from some moment on. */
export function recordedLives(fromMs: number): RecordedLife[] {
  const lives = [
    { node: "00000000000000b2", fromMs, toMs: 37_840 },
    { node: "00000000000000b3", fromMs: 12_300, toMs: 22_680 },
    { node: "00000000000000b3", fromMs: 28_480, toMs: 42_800 },
  ].map((life) => ({
    ...life,
    handshakes: [] as Uint8Array[],
    lines: [] as Line[],
    transfers: [] as Transfer[],
  }));
  const dialers = new Map<number, { node: NodeId; channel: number }>();
  for (const { t, conn, port, to, from, dir, hex } of recordedPeerMessages()) {
    const bytes = fromHex(hex);
    const message = decodePeerBytes(bytes, testInflate);
    assert(!isPeerFault(message));
    const atMs = t * 1000;
    if (port === "heartbeat") {
      if (message.type !== "heartbeat" || message.source === REPLACED_NODE) continue;
      // Pulses go to everybody; those on connections with b1 are enough.
      const other = dir === "to-listener" ? to : undefined;
      if (other !== undefined && other !== "n1") continue;
      if (other === undefined && !dialedByReplaced(conn)) continue;
      lifeOf(lives, message.source, atMs)?.lines.push({ atMs, bytes, channel: undefined });
      continue;
    }
    if (message.type === "handshake") {
      dialers.set(conn, { node: message.source, channel: message.channel });
      // A peer that spoke before the lives begin had opened its connections by then.
      const life = lives.find(({ node, toMs }) => to === "n1" && node === message.source && atMs <= toMs);
      if (life !== undefined) life.handshakes[message.channel] ??= bytes;
      continue;
    }
    const dialer = dialers.get(conn)!;
    const listener = (to ?? from)!.replace("n", "b").padStart(16, "0");
    const [source, target] = dir === "to-listener" ? [dialer.node, listener] : [listener, dialer.node];
    const life = target === REPLACED_NODE ? lifeOf(lives, source, atMs) : undefined;
    if (life === undefined) continue;
    if (message.type === "migrate") addToTransfers(life.transfers, message, { atMs, bytes });
    else if (isInitiative(message)) life.lines.push({ atMs, bytes, channel: dialer.channel });
  }
  return lives;
}

/** Heartbeat connections that b1 opened: their listener's messages go to b1. */
const DIALED_BY_REPLACED = new Set<number>();

function dialedByReplaced(conn: number): boolean {
  if (DIALED_BY_REPLACED.size === 0) {
    for (const { conn, port, dir, hex } of recordedPeerMessages()) {
      if (port !== "heartbeat" || dir !== "to-listener") continue;
      const message = decodePeerBytes(fromHex(hex), testInflate);
      if (!isPeerFault(message) && message.type === "heartbeat" && message.source === REPLACED_NODE) {
        DIALED_BY_REPLACED.add(conn);
      }
    }
  }
  return DIALED_BY_REPLACED.has(conn);
}

function lifeOf<Life extends RecordedLife>(
  lives: readonly Life[],
  node: NodeId,
  atMs: number,
): Life | undefined {
  return lives.find((life) => life.node === node && atMs >= life.fromMs && atMs <= life.toMs);
}

/** Whether a message is said of the peer's own accord: proxies and replica writes without their clients are not. */
function isInitiative(message: PeerMessage): boolean {
  return message.type === "clustering" || message.type === "exchange" || message.type === "info";
}

/** Repeated messages count once. */
function addToTransfers(
  transfers: Transfer[],
  message: MigrateMessage,
  { atMs, bytes }: { atMs: number; bytes: Uint8Array },
): void {
  const id = message.emigrationId;
  const known = transfers.findLast((transfer) => transfer.id === id);
  if (message.kind === "start" || message.kind === "all-done") {
    const isSignal = message.kind === "all-done";
    if (known === undefined || known.isSignal !== isSignal) {
      transfers.push({ atMs, start: bytes, id, isSignal, inserts: [], done: undefined });
    }
  } else if (message.kind === "insert") known?.inserts.push({ id: message.insertId, bytes });
  else if (message.kind === "done" && known !== undefined) known.done = bytes;
}

/** What a stock node answers to a migration message of ours. */
const REPLIES: Readonly<Partial<Record<MigrateKind, MigrateKind>>> = {
  "start": "start-ok",
  "insert": "insert-ack",
  "done": "done-ack",
  "all-done": "all-done-ack",
};

/** A peer during one of its lives. */
export class RecordedPeer {
  /** Migrations that the node has begun to this peer: `KEY PARTITION`, and signals of their end. */
  readonly started: string[] = [];
  /** See {@linkcode RecordedPeer.started}. */
  readonly allDone: string[] = [];
  /** What the node told in exchanges. */
  readonly exchanged: ExchangeData[] = [];
  /** Messages of the node that could not be read. */
  readonly faults: string[] = [];
  readonly #life: RecordedLife;
  readonly #process: SimProcess;
  readonly #ports: Ports;
  readonly #fabric: OutStream[] = [];
  /** Recorded transfers that have not begun. */
  readonly #transfers: Transfer[];
  /** The one that runs, and its records that are not acknowledged. */
  #transfer: Transfer | undefined;
  readonly #unacknowledged = new Set<number>();
  /** Signals that are not acknowledged, by number. */
  readonly #signals = new Map<number, Transfer>();
  readonly #heartbeats: OutStream[] = [];

  readonly #originMs: number;

  /** @param originMs time of the recording at which virtual time began */
  constructor(machine: SimMachine, life: RecordedLife, originMs: number) {
    this.#life = life;
    this.#originMs = originMs;
    this.#transfers = [...life.transfers];
    this.#process = machine.start(life.node.slice(-2));
    this.#ports = this.#process.ports;
  }

  /** Listens, dials the node and begins to speak; the life ends by itself. */
  async start(simulation: Simulation): Promise<void> {
    const offset = (Number(this.#life.node.at(-1)) - 1) * 1000;
    const { network, clock } = this.#ports;
    await simulation.runUntilSettled(
      network.listen({ host: LOOPBACK, port: FABRIC_PORT + offset }, (connection) => {
        connection.handler = new Inbox((message) => this.#onMessage(message, undefined));
      }),
    );
    await simulation.runUntilSettled(
      network.listen(
        { host: LOOPBACK, port: HEARTBEAT_PORT + offset },
        (connection) => this.#heartbeat(connection),
      ),
    );
    this.#heartbeat(
      await simulation.runUntilSettled(
        network.connect({ host: LOOPBACK, port: HEARTBEAT_PORT, timeoutMs: CONNECT_TIMEOUT_MS }),
      ),
    );
    for (let channel = 0; channel < FABRIC_CHANNEL_COUNT; channel++) {
      const connection = await simulation.runUntilSettled(
        network.connect({ host: LOOPBACK, port: FABRIC_PORT, timeoutMs: CONNECT_TIMEOUT_MS }),
      );
      const stream = new OutStream(connection);
      connection.handler = new Inbox((message) => this.#onMessage(message, channel), stream);
      stream.send(this.#life.handshakes[channel]);
      this.#fabric[channel] = stream;
    }
    const nowMs = this.#originMs + clock.monotonicMs();
    this.#speak([...this.#life.lines]);
    clock.after(this.#life.toMs - nowMs, () => this.#process.kill());
    this.#transferNext();
  }

  #heartbeat(connection: Connection): void {
    const stream = new OutStream(connection);
    connection.handler = new Inbox(() => {}, stream);
    this.#heartbeats.push(stream);
  }

  /** Says what was recorded, in that order: of timers that are due at the same time any may fire first. */
  #speak(rest: Line[]): void {
    const { clock } = this.#ports;
    const nowMs = this.#originMs + clock.monotonicMs();
    while (rest.length > 0 && rest[0].atMs <= nowMs) this.#say(rest.shift()!);
    if (rest.length > 0) clock.after(rest[0].atMs - nowMs, () => this.#speak(rest));
  }

  #say({ bytes, channel }: Line): void {
    const stream = channel === undefined
      ? this.#heartbeats.findLast(({ isOpen }) => isOpen)
      : this.#fabric[channel];
    stream?.send(bytes);
  }

  #onMessage(message: PeerMessage | string, channel: number | undefined): void {
    if (typeof message === "string") this.faults.push(message);
    else if (message.type === "exchange" && message.kind === "data") this.exchanged.push(message);
    else if (message.type === "migrate") this.#onMigrate(message, channel);
  }

  /** Begins the next recorded transfer when its time has come; one runs at a time, as with one migrate thread. */
  #transferNext(): void {
    const next = this.#transfers[0];
    if (this.#transfer !== undefined || next === undefined) return;
    const { clock } = this.#ports;
    const waitMs = next.atMs - this.#originMs - clock.monotonicMs();
    if (waitMs > 0) {
      clock.after(waitMs, () => this.#transferNext());
      return;
    }
    this.#transfers.shift();
    if (next.isSignal) {
      this.#signals.set(next.id, next);
      this.#signal(next);
      this.#transferNext();
      return;
    }
    this.#transfer = next;
    this.#fabric[FABRIC_CHANNEL.CTRL].send(next.start);
  }

  /** Signals are repeated until they are acknowledged. */
  #signal(transfer: Transfer): void {
    if (this.#signals.get(transfer.id) !== transfer) return;
    this.#fabric[FABRIC_CHANNEL.CTRL].send(transfer.start);
    this.#ports.clock.after(RESEND_MS, () => this.#signal(transfer));
  }

  #onMigrate(message: MigrateMessage, channel: number | undefined): void {
    const kind = REPLIES[message.kind];
    if (kind === undefined) return this.#onAnswer(message);
    if (message.kind === "start") {
      this.started.push(`${message.clusterKey.toString(16)} ${message.partition}`);
    }
    if (message.kind === "all-done") {
      this.allDone.push(`${message.clusterKey.toString(16)} ${message.partition}`);
    }
    const out = new ByteBuffer(64);
    const { emigrationId } = message;
    const reply = kind === "insert-ack" && message.kind === "insert"
      ? { type: "migrate", kind, emigrationId, insertId: message.insertId } as const
      : { type: "migrate", kind, emigrationId } as MigrateMessage;
    encodePeerMessage(reply, out);
    this.#fabric[channel ?? (message.kind === "insert" ? FABRIC_CHANNEL.BULK : FABRIC_CHANNEL.CTRL)].send(
      out.toBytes(),
    );
  }

  #onAnswer(message: MigrateMessage): void {
    if (message.kind === "all-done-ack") return void this.#signals.delete(message.emigrationId);
    const transfer = this.#transfer;
    if (transfer === undefined || transfer.id !== message.emigrationId) return;
    const end = () => {
      if (this.#unacknowledged.size === 0 && transfer.done !== undefined) {
        this.#fabric[FABRIC_CHANNEL.CTRL].send(transfer.done);
      }
    };
    switch (message.kind) {
      case "start-ok":
        for (const { id, bytes } of transfer.inserts) {
          this.#unacknowledged.add(id);
          this.#fabric[FABRIC_CHANNEL.BULK].send(bytes);
        }
        return end();
      case "start-again":
        this.#ports.clock.after(RETRY_MS, () => {
          if (this.#transfer === transfer) this.#fabric[FABRIC_CHANNEL.CTRL].send(transfer.start);
        });
        return;
      case "insert-ack":
        this.#unacknowledged.delete(message.insertId);
        return end();
      case "start-fail":
        this.faults.push(`the start of transfer ${transfer.id} failed`);
        break;
      case "done-ack":
        break;
      default:
        return;
    }
    this.#transfer = undefined;
    this.#transferNext();
  }
}

/** Sends messages one after the other on a connection. */
class OutStream {
  isOpen = true;
  readonly #connection: Connection;
  readonly #queue: Uint8Array[] = [];
  #isWriting = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  send(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.written(false);
  }

  written(isDone = true): void {
    if (isDone) this.#isWriting = false;
    const next = this.#isWriting || !this.isOpen ? undefined : this.#queue.shift();
    if (next === undefined) return;
    this.#isWriting = true;
    this.#connection.write(next);
  }
}

/** Cuts and decodes what arrives. */
class Inbox {
  readonly #onMessage: (message: PeerMessage | string) => void;
  readonly #stream: OutStream | undefined;
  readonly #input = new ByteBuffer(256);
  readonly #reader = new PeerReader();

  constructor(onMessage: (message: PeerMessage | string) => void, stream?: OutStream) {
    this.#onMessage = onMessage;
    this.#stream = stream;
  }

  onData(bytes: Uint8Array): void {
    const input = this.#input;
    input.append(bytes);
    let at = 0;
    for (;;) {
      const end = peerFrameEnd(input.bytes, at, { end: input.length, bodySizeMaxBytes: BODY_SIZE_MAX_BYTES });
      if (end <= at) break;
      if (!this.#reader.open(input.bytes, at, end)) this.#onMessage("no envelope");
      else {
        const message = decodePeerMessage(this.#reader, testInflate);
        this.#onMessage(isPeerFault(message) ? message.fault : message);
      }
      at = end;
    }
    input.consume(at);
  }

  onWritten(): void {
    this.#stream?.written();
  }

  onClose(): void {
    if (this.#stream !== undefined) this.#stream.isOpen = false;
  }
}
