/**
 * A node without sockets, on a clock that is moved by hand: everything that it answers is decided by the test.
 *
 * @module
 */

import { ByteBuffer, LOG_CONTEXTS, utf8, utf8Decode } from "../base/mod.ts";
import { defaultSettings, type SettingsOverrides } from "../config/mod.ts";
import { createCompute } from "../platform/mod.ts";
import type {
  Address,
  Clock,
  Connection,
  ConnectionHandler,
  Disk,
  Host,
  Listener,
  ListenOptions,
  Log,
  LogControl,
  LogLevel,
  LogSink,
  MachineCpuUse,
  MemoryUse,
  Network,
} from "../port/mod.ts";
import { PendingDevice, type RecordDevice } from "../storage/mod.ts";
import { TestClock, testDigest, TestRandom } from "../storage/testing.ts";
import {
  encodeInfoRequest,
  FIELD,
  INFO1,
  INFO2,
  OP,
  PARTICLE,
  PROTO_HEADER_SIZE,
  RequestWriter,
} from "../wire/mod.ts";
import { type AerieNode, createNode } from "./node.ts";
import type { SessionKind } from "./session.ts";

const MIB = 1024 * 1024;

/** Turns of the promises within which a disk that keeps nothing has kept it. */
const TURNS_TO_KEEP = 100;

/** One client of a {@linkcode TestNode}. */
export class TestConnection implements Connection {
  readonly remote: Address = { host: "127.0.0.1", port: 50_000 };
  readonly local: Address = { host: "127.0.0.1", port: 3000 };
  handler!: ConnectionHandler;
  /** What the node sent and nobody took. */
  readonly received: ByteBuffer = new ByteBuffer(1024);
  /** The node or the test closed it. */
  closed = false;
  readonly #clock: TestClock;

  /** @param clock on which writes end */
  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  write(bytes: Uint8Array): void {
    this.received.append(bytes);
    this.#clock.nextTurn(() => this.handler.onWritten());
  }

  pause(): void {}

  resume(): void {}

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#clock.nextTurn(() => this.handler.onClose("local"));
  }

  /** Sends bytes and takes what comes back at once. */
  exchange(bytes: Uint8Array): Uint8Array {
    this.handler.onData(bytes);
    this.#clock.advance(0);
    const reply = this.received.toBytes();
    this.received.reset();
    return reply;
  }

  /** The whole body of the answer to an info request of some commands. */
  infoBody(...commands: string[]): string {
    return utf8Decode(this.exchange(encodeInfoRequest(commands)).subarray(PROTO_HEADER_SIZE));
  }

  /** The value that one info command gets. */
  ask(command: string): string {
    const body = this.infoBody(command);
    return body.startsWith(`${command}\t`) ? body.slice(command.length + 1, -1) : body;
  }

  /** As {@linkcode TestConnection.ask}, for what is answered when something has been kept on the disk, too. */
  async askAndWait(command: string): Promise<string> {
    const early = this.ask(command);
    if (early !== "") return early;
    for (let turn = 0; turn < TURNS_TO_KEEP && this.received.length === 0; turn++) await Promise.resolve();
    this.#clock.advance(0);
    const body = utf8Decode(this.received.toBytes().subarray(PROTO_HEADER_SIZE));
    this.received.reset();
    return body.slice(command.length + 1, -1);
  }

  /** Sends a line of text, to the plain info port. */
  line(text: string): string {
    return utf8Decode(this.exchange(utf8(`${text}\n`)));
  }
}

/** A log with one sink whose levels can be changed. */
class ControlledLog implements Log {
  readonly lines: string[] = [];
  readonly #levels = new Map<string, LogLevel>(LOG_CONTEXTS.map((name) => [name, "info"]));
  readonly #sink: LogSink = {
    name: "/var/log/aerie.log",
    levels: () => this.#levels,
    setLevel: (context, level) => {
      if (context !== "any" && !this.#levels.has(context)) return false;
      for (const name of context === "any" ? LOG_CONTEXTS : [context]) this.#levels.set(name, level);
      return true;
    },
  };
  readonly control: LogControl = {
    sinks: [this.#sink],
    reopen() {},
    flush: () => Promise.resolve(),
  };

  enabled(level: LogLevel, context: string): boolean {
    const ranks: LogLevel[] = ["critical", "warning", "info", "debug", "detail"];
    return ranks.indexOf(level) <= ranks.indexOf(this.#levels.get(context) ?? "critical");
  }

  write(level: LogLevel, context: string, message: string): void {
    if (this.enabled(level, context)) this.lines.push(`${level} (${context}) ${message}`);
  }
}

/** What a machine tells; a test may change it. */
export interface TestMachine {
  /** Memory. */
  memory: MemoryUse;
  /** CPU time of the machine. */
  machineCpu: MachineCpuUse;
  /** CPU time of the process, in microseconds. */
  processUs: number;
}

function testHost(machine: TestMachine): Host {
  const mac = "00:00:00:00:00:00";
  return {
    interfaces: () => [
      { name: "lo", address: "127.0.0.1", family: "IPv4", loopback: true, mac },
      { name: "eth0", address: "10.0.0.1", family: "IPv4", loopback: false, mac },
      { name: "eth0", address: "2001:db8::1", family: "IPv6", loopback: false, mac },
    ],
    resolve: (name) => Promise.resolve([name]),
    hostname: () => "test",
    memory: () => ({ ...machine.memory }),
    cpu: () => ({ userUs: machine.processUs, systemUs: 0 }),
    machineCpu: () => ({ ...machine.machineCpu }),
    cpuCount: () => 2,
    environment: () => undefined,
    pid: () => 1,
    platform: () => ({ os: "linux", arch: "x86_64", runtime: "test" }),
    onSignal: () => () => {},
  };
}

/** A disk that forgets everything: no file is there, and what is written is gone. */
const NO_DISK = new Proxy({} as Disk, {
  get: (_, name) => () =>
    name === "makeDirectory" || name === "replaceFile"
      ? Promise.resolve()
      : Promise.reject(Object.assign(new Error("There is no file in this test"), { code: "ENOENT" })),
});

/** A node and its surroundings. */
export class TestNode {
  /** The node. */
  node!: AerieNode;
  /** Its time. */
  readonly clock: TestClock = new TestClock();
  /** What its machine tells. */
  readonly machine: TestMachine = {
    memory: {
      residentBytes: 64 * MIB,
      heapUsedBytes: 8 * MIB,
      heapTotalBytes: 16 * MIB,
      externalBytes: 4 * MIB,
      systemTotalBytes: 4096 * MIB,
      systemFreeBytes: 3072 * MIB,
    },
    machineCpu: { userUs: 0, systemUs: 0, idleUs: 0 },
    processUs: 0,
  };
  readonly #log = new ControlledLog();
  readonly #accept = new Map<number, (connection: Connection) => void>();

  /**
   * Starts a node with id A1, ports 3000 and 3003, namespace `test`.
   *
   * @param overrides settings that differ
   * @param options `readMs`: every first look at a record's bytes waits this long
   */
  static async start(
    overrides: SettingsOverrides = {},
    options: { readMs?: number } = {},
  ): Promise<TestNode> {
    const { readMs } = options;
    const test = new TestNode();
    const settings = defaultSettings(overrides);
    settings.service.nodeId ||= "A1";
    const network: Network = {
      listen: (options, onConnection) => Promise.resolve(test.#listen(options, onConnection)),
      connect: () => Promise.reject(new Error("There is no network in this test")),
    };
    test.node = await createNode({
      settings,
      ports: {
        clock: test.clock,
        random: new TestRandom(1),
        network,
        disk: NO_DISK,
        host: testHost(test.machine),
        compute: createCompute(),
        log: test.#log,
      },
      ...(readMs === undefined
        ? {}
        : { wrapDevice: (device: RecordDevice, clock: Clock) => new PendingDevice(device, clock, readMs) }),
    });
    await test.node.start();
    return test;
  }

  /** Lines of the log so far. */
  get logLines(): readonly string[] {
    return this.#log.lines;
  }

  /** Connects to a listener. */
  connect(kind: SessionKind = "service"): TestConnection {
    const connection = new TestConnection(this.clock);
    this.#accept.get(this.node.listeners.port(kind))!(connection);
    return connection;
  }

  /** Stores records number 0 up to `count` of a set, each with one bin, by one connection. */
  put(set: string, count: number, options: { ttlS?: number; sizeBytes?: number } = {}): void {
    const connection = this.connect();
    for (let number = 0; number < count; number++) {
      const writer = new RequestWriter(new ByteBuffer(256));
      writer.begin({ info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: options.ttlS ?? 0xffff_ffff });
      this.#name(writer, set, number);
      const at = writer.beginOp(OP.WRITE, "a");
      writer.buffer.append(new Uint8Array(options.sizeBytes ?? 8));
      writer.endOp(at, options.sizeBytes === undefined ? PARTICLE.INTEGER : PARTICLE.BLOB);
      connection.exchange(finished(writer));
    }
    connection.close();
  }

  /** Reads record `number` of a set; the result code. */
  get(set: string, number: number): number {
    return this.read(set, number)[PROTO_HEADER_SIZE + 5];
  }

  /** Reads record `number` of a set; the reply as it came. */
  read(set: string, number: number, options: { compress?: boolean } = {}): Uint8Array {
    const writer = new RequestWriter(new ByteBuffer(256));
    const compress = options.compress === true ? INFO1.COMPRESS_RESPONSE : 0;
    writer.begin({ info1: INFO1.READ | INFO1.GET_ALL | compress, info2: 0, info3: 0 });
    this.#name(writer, set, number);
    const connection = this.connect();
    const reply = connection.exchange(finished(writer));
    connection.close();
    return reply;
  }

  #name(writer: RequestWriter, set: string, number: number): void {
    writer.textField(FIELD.NAMESPACE, "test");
    if (set !== "") writer.textField(FIELD.SET, set);
    writer.field(FIELD.DIGEST, recordDigest(set, number));
  }

  #listen(options: ListenOptions, onConnection: (connection: Connection) => void): Listener {
    this.#accept.set(options.port, onConnection);
    return {
      address: { host: options.host, port: options.port },
      close: () => void this.#accept.delete(options.port),
    };
  }
}

/** The digest of record `number` of a set. */
export function recordDigest(set: string, number: number): Uint8Array {
  const digest = testDigest(number);
  // What comes after the partition id tells sets apart.
  utf8(set).forEach((byte, at) => digest[4 + at % 16] ^= byte);
  return digest;
}

function finished(writer: RequestWriter): Uint8Array {
  writer.finish();
  return writer.buffer.toBytes();
}
