import { setImmediate } from "node:timers";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../platform/mod.ts";
import type { Connection, ConnectionHandler, Network } from "../port/mod.ts";
import { type OneNodeOptions, runOneNode, SeededRandom } from "./mod.ts";

const base: Omit<OneNodeOptions, "seed"> = {
  operationCount: 600,
  compute: createCompute(),
  settle: () => new Promise((resolve) => setImmediate(resolve)),
};

describe("runOneNode", () => {
  it("runOneNode() finds nothing wrong, with faults and without", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { failure, operationCount } = await runOneNode({ ...base, seed });
      assertEquals(failure, undefined, `seed ${seed}`);
      assert(operationCount >= base.operationCount);
    }
  });

  it("runOneNode() gives the same hash twice, and another for another seed", async () => {
    const hashes: string[] = [];
    for (const seed of [4, 4, 5]) hashes.push((await runOneNode({ ...base, seed })).hash);
    assertEquals(hashes[0], hashes[1]);
    assert(hashes[0] !== hashes[2]);
  });

  it("runOneNode() lets every kind of fault happen in some seed", async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 25; seed++) {
      for (const fault of (await runOneNode({ ...base, seed })).faults.keys()) seen.add(fault);
    }
    assertEquals(seen.size, 10, [...seen].join());
  });
});

/** Offsets within a request or reply: header 8, then header size, info1, info2, info3, one byte, result code. */
const INFO1_AT = 9;
const INFO2_AT = 10;
const INFO1_READ = 1;
const INFO2_WRITE = 1;
const MESSAGE_TYPE_AT = 1;
const MESSAGE_TYPE_RECORD = 3;

/** Answers some requests itself, with what the server answered to an earlier one. */
class LyingConnection implements Connection {
  readonly remote;
  readonly local;
  readonly #inner: Connection;
  readonly #lies: (request: Uint8Array) => boolean;
  readonly #answers: Map<string, Uint8Array[]>;
  readonly #later: (fn: () => void) => void;
  #handler!: ConnectionHandler;
  #request = "";
  #collects = false;

  constructor(inner: Connection, parts: {
    lies: (request: Uint8Array) => boolean;
    answers: Map<string, Uint8Array[]>;
    later: (fn: () => void) => void;
  }) {
    this.#inner = inner;
    this.#lies = parts.lies;
    this.#answers = parts.answers;
    this.#later = parts.later;
    this.remote = inner.remote;
    this.local = inner.local;
  }

  get handler(): ConnectionHandler {
    return this.#handler;
  }

  set handler(handler: ConnectionHandler) {
    this.#handler = handler;
    this.#inner.handler = {
      onData: (bytes) => {
        if (this.#collects) this.#remember(bytes);
        handler.onData(bytes);
      },
      onWritten: () => handler.onWritten(),
      onClose: (reason, error) =>
        error === undefined ? handler.onClose(reason) : handler.onClose(reason, error),
    };
  }

  write(bytes: Uint8Array): void {
    this.#request = bytes.join();
    const old = this.#answers.get(this.#request)?.[0];
    this.#collects = bytes[MESSAGE_TYPE_AT] === MESSAGE_TYPE_RECORD;
    if (old === undefined || !this.#collects || !this.#lies(bytes)) return this.#inner.write(bytes);
    this.#later(() => {
      this.#handler.onWritten();
      this.#handler.onData(old.slice());
    });
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(): void {
    this.#inner.close();
  }

  #remember(bytes: Uint8Array): void {
    this.#collects = false;
    const answers = this.#answers.get(this.#request) ?? [];
    answers.push(bytes.slice());
    if (answers.length > 4) answers.shift();
    this.#answers.set(this.#request, answers);
  }
}

const LIE_CHANCE = 0.05;

/** A network whose connections lie now and then about requests of one kind. */
function lyingNetwork(network: Network, kind: (request: Uint8Array) => boolean): Network {
  const random = new SeededRandom(7);
  const answers = new Map<string, Uint8Array[]>();
  const lies = (request: Uint8Array) => kind(request) && random.chance(LIE_CHANCE);
  const later = (fn: () => void) => {
    // A connection that is refused at once gives a turn in virtual time.
    network.connect({ host: "127.0.0.1", port: 1, timeoutMs: 1000 }).catch(fn);
  };
  return {
    listen: (options, onConnection) => network.listen(options, onConnection),
    connect: async (options) => new LyingConnection(await network.connect(options), { lies, answers, later }),
  };
}

async function findsLies(kind: (request: Uint8Array) => boolean): Promise<number> {
  let found = 0;
  for (let seed = 1; seed <= 5; seed++) {
    const plant = (network: Network) => lyingNetwork(network, kind);
    const { failure } = await runOneNode({ ...base, seed, faults: [], plant });
    if (failure === undefined) continue;
    assertMatch(failure, /No order explains|A scan gave/);
    found++;
  }
  return found;
}

describe("planted bugs", () => {
  it("runOneNode() finds a server that answers reads with what was true some reads ago", async () => {
    assertEquals(
      await findsLies((request) => (request[INFO1_AT] & INFO1_READ) !== 0 && request[INFO2_AT] === 0),
      5,
    );
  });

  it("runOneNode() finds a server that acknowledges writes without applying them", async () => {
    assertEquals(await findsLies((request) => (request[INFO2_AT] & INFO2_WRITE) !== 0), 5);
  });
});
