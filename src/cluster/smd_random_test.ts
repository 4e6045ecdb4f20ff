/**
 * Random schedules: clusters form, split and merge, nodes crash and return with their disks or with empty ones, messages are delayed,
 * lost, repeated and reordered while items are set and deleted. Once quiet, all nodes have the same content.
 * `SEEDS=5000` runs more, `SEED=17` one with its transcript.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { SMD_MODULE } from "../wire/mod.ts";
import { LAB_MODULES, SmdLab, type SmdLabNode } from "./smd_testing.ts";
import { decodeSmdFile } from "./smd_store.ts";
import type { SmdContent } from "./smd_types.ts";

const SEED_COUNT = Number(Deno.env.get("SEEDS") ?? "200");
const STEP_COUNT = 60;
/** Three repetitions of the principal, for messages that the last faults took. */
const CALM_MS = 10_000;

/** A set that was asked for. */
interface Asked {
  readonly request: number;
  readonly module: number;
  readonly key: string;
  readonly value: string | null;
}

class RandomRun {
  readonly lab: SmdLab;
  readonly asked: Asked[] = [];
  readonly #numbers: number[];
  /** Generations that were confirmed, by module and key. */
  readonly #generations = new Map<string, number>();
  #value = 1000;

  constructor(seed: number, trace?: (line: string) => void) {
    const lab = this.lab = new SmdLab(seed);
    if (trace !== undefined) lab.trace = trace;
    this.#numbers = Array.from({ length: 2 + lab.random.below(4) }, (_, index) => index + 1);
    for (const n of this.#numbers) lab.start(n, lab.random.below(20_000) - 10_000);
    this.#weather();
    lab.confirmed = (node, request) => this.#checkKept(node, request);
    lab.cluster(this.#numbers, 100);
  }

  /** A confirmed item is on the disks of all members. */
  #checkKept(node: SmdLabNode, request: number): void {
    const asked = this.asked[request - 1];
    if (asked === undefined) return;
    const { module, key } = asked;
    const own = node.smd.content(module)!.items.find((item) => item.key === key);
    // A later change of the same item may be under way already.
    if (own === undefined || own.value === null || own.value !== asked.value) return;
    this.lab.count("confirmed sets that were looked for on disks");
    for (const id of node.succession) {
      const bytes = this.lab.nodes.get(id)!.disk.get(module);
      const kept = bytes && decodeSmdFile(bytes).items.find((item) => item.key === key);
      assert(
        kept !== undefined && kept.generation >= own.generation,
        `${key} of module ${module} is confirmed at generation ${own.generation}, and ${id} kept ${kept?.generation}`,
      );
    }
    const name = `${module} ${key}`;
    this.#generations.set(name, Math.max(own.generation, this.#generations.get(name) ?? 0));
  }

  #weather(): void {
    const { random, conditions } = this.lab;
    conditions.delayMaxMs = random.pick([1, 5, 50, 400]);
    conditions.lossRate = random.pick([0, 0, 0.05, 0.3]);
    conditions.repeatRate = random.pick([0, 0.1, 0.5]);
    conditions.diskMs = random.pick([0, 2, 40]);
  }

  disturb(): void {
    const { random } = this.lab;
    for (let step = 0; step < STEP_COUNT; step++) {
      this.lab.run(random.pick([1, 10, 100, 1000, 4000]));
      const event = random.pick([
        "set",
        "set",
        "set",
        "delete",
        "cluster",
        "split",
        "crash",
        "restart",
        "weather",
      ]);
      this.lab.count(`event ${event}`);
      this.#event(event);
    }
  }

  #event(event: string): void {
    const { lab } = this;
    const alive = lab.alive.map(({ id }) => parseInt(id, 16));
    switch (event) {
      case "set":
      case "delete":
        return alive.length === 0 ? undefined : this.#set(lab.random.pick(alive), event === "delete");
      case "cluster":
        return alive.length === 0 ? undefined : lab.cluster(alive, 300, lab.random.chance(0.5));
      case "split": {
        const sides: number[][] = [[], []];
        for (const n of alive) sides[lab.random.below(2)].push(n);
        const tells = lab.random.chance(0.5);
        for (const side of sides) if (side.length > 0) lab.cluster(side, 300, tells);
        return;
      }
      case "crash":
        if (alive.length > 1) lab.crash(lab.random.pick(alive));
        return;
      case "restart": {
        const down = this.#numbers.filter((n) => !alive.includes(n));
        if (down.length > 0) this.#restart(lab.random.pick(down));
        return;
      }
      case "weather":
        return this.#weather();
    }
  }

  /** A node comes back, sometimes with an empty disk, if another disk has all that was on it. */
  #restart(n: number): void {
    const { lab } = this;
    const { disk } = lab.node(n);
    const isSpare = this.#numbers.some((other) =>
      other !== n && LAB_MODULES.every((module) => hasAll(lab.node(other).disk.get(module), disk.get(module)))
    );
    if (isSpare && lab.random.chance(0.5)) {
      lab.count("event wipe");
      disk.clear();
    }
    lab.start(n);
  }

  #set(n: number, isDelete: boolean): void {
    const { lab } = this;
    const module = lab.random.pick([
      SMD_MODULE.TRUNCATE,
      SMD_MODULE.SINDEX,
      SMD_MODULE.EVICT,
      SMD_MODULE.UDF,
    ]);
    // Half of the keys are never deleted: what is confirmed of them has to be there in the end.
    const key = isDelete ? `d${lab.random.below(3)}` : `${lab.random.pick(["k", "d"])}${lab.random.below(3)}`;
    const value = isDelete ? null : String(++this.#value + 1000 * lab.random.below(20));
    this.asked.push({ request: this.asked.length + 1, module, key, value });
    lab.set(n, { module, key, value });
  }

  /** Ends all faults: every node runs and is in one cluster. */
  calm(): void {
    const { lab } = this;
    Object.assign(lab.conditions, { delayMaxMs: 3, lossRate: 0, repeatRate: 0, diskMs: 2 });
    for (const n of this.#numbers) if (!lab.node(n).isAlive) lab.start(n);
    lab.run(1000);
    lab.cluster(this.#numbers, 100);
    lab.run(CALM_MS);
  }

  check(): void {
    for (const module of LAB_MODULES) {
      const contents = this.#numbers.map((n) => sorted(this.lab.node(n).smd.content(module)!));
      for (const content of contents) assertEquals(content, contents[0], `module ${module}: contents differ`);
      for (const n of this.#numbers) this.#checkNode(n, module, contents[0]);
      assertEquals(this.lab.node(this.#numbers.at(-1)!).smd.phase(module), "idle");
      this.#checkConfirmed(module, contents[0]);
    }
    for (const { request } of this.asked) {
      assert(this.lab.results.has(request) || this.#mayHaveDied(request), `request ${request} got no answer`);
    }
  }

  /** What the node was told to act on, and what its disk has, are its content. */
  #checkNode(n: number, module: number, content: SmdContent): void {
    const { applied, disk } = this.lab.node(n);
    for (const { key, value } of content.items) {
      assertEquals(
        applied.get(`${module} ${key}`) ?? null,
        value,
        `node ${n}, module ${module}: applied ${key}`,
      );
    }
    const ofModule = [...applied.keys()].filter((name) => name.startsWith(`${module} `)).length;
    assertEquals(ofModule, content.items.filter(({ value }) => value !== null).length);
    const kept = disk.get(module);
    if (kept !== undefined || content.version.clusterKey !== 0) {
      assertEquals(sorted(decodeSmdFile(kept!)), content, `node ${n}, module ${module}: disk`);
    }
  }

  #checkConfirmed(module: number, content: SmdContent): void {
    const items = new Map(content.items.map((item) => [item.key, item.value]));
    for (const { key, generation } of content.items) {
      const confirmed = this.#generations.get(`${module} ${key}`) ?? 0;
      assert(
        generation >= confirmed,
        `module ${module}: ${key} had generation ${confirmed}, has ${generation}`,
      );
    }
    for (const { request, module: of, key, value } of this.asked) {
      if (of !== module || !key.startsWith("k") || this.lab.results.get(request) !== "ok") continue;
      const found = items.get(key);
      assert(found !== undefined && found !== null, `module ${module}: ${key} was confirmed and is gone`);
      if (module === SMD_MODULE.TRUNCATE) {
        assert(Number(found) >= Number(value), `mark ${key}: ${value} was confirmed, ${found} is there`);
      }
    }
  }

  /** Requests of a node that crashed get no answer. */
  #mayHaveDied(_request: number): boolean {
    return (this.lab.counts.get("event crash") ?? 0) > 0;
  }
}

function sorted({ version, items }: SmdContent): SmdContent {
  return { version, items: [...items].sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

/** Whether a file has the same content as another one, or that one is not there. */
function hasAll(file: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return other === undefined ||
    (file?.length === other.length && file.every((byte, at) => byte === other[at]));
}

function runSeed(seed: number, trace?: (line: string) => void): Map<string, number> {
  const run = new RandomRun(seed, trace);
  try {
    run.disturb();
    run.calm();
    run.check();
  } catch (error) {
    throw new Error(
      `seed ${seed}: ${(error as Error).message}\n${run.lab.show(SMD_MODULE.TRUNCATE).join("\n")}`,
      { cause: error },
    );
  }
  for (const result of run.lab.results.values()) run.lab.count(`result ${result}`);
  return run.lab.counts;
}

/** What the seeds must have met, so that the test can't pass by missing everything. */
const MUST_MEET = [
  "merges",
  "retransmits",
  "event wipe",
  "messages_other_cluster",
  "received request-version",
  "received report-version",
  "received request-full",
  "received full-to-principal",
  "received full-from-principal",
  "received set-ack",
  "result ok",
  "result timeout",
  "confirmed sets that were looked for on disks",
];

Deno.test("Smd has the same content on all members once quiet when everything fails at random", () => {
  const only = Deno.env.get("SEED");
  if (only !== undefined) {
    runSeed(Number(only), (line) => void Deno.stdout.writeSync(new TextEncoder().encode(line + "\n")));
    return;
  }
  const total = new Map<string, number>();
  for (let seed = 1; seed <= SEED_COUNT; seed++) {
    for (const [name, count] of runSeed(seed)) total.set(name, (total.get(name) ?? 0) + count);
  }
  assertEquals(MUST_MEET.filter((name) => (total.get(name) ?? 0) < 10), [], "hardly met");
});
