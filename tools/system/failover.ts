/**
 * How long clients notice a death: the time from a kill or a freeze to the last request that failed, by aerie's client
 * and by the official Node client on the same cluster. Figures are reported; the simulator asserts them.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { LocalNode } from "../../cmd/local_cluster.ts";
import { prepareSuite } from "../conformance/suite.ts";
import { lastErrorAfter, type LoadedCluster, SETTLE_LIMIT_MS, withLoad } from "./loaded_cluster.ts";
import { median, msText, pause, type Report, type Scenario } from "./scenario.ts";

const PROGRAM = new URL("./official_client.mjs", import.meta.url).pathname;
const NODE_COUNT = 3;
const WARM_UP_MS = 1500;
/** Time between two questions whether a node serves the new map: the question costs it a tenth of a millisecond. */
const LOOK_MS = 4;
/** After the survivors agree: longer than both clients look at the cluster. */
const AFTERMATH_MS = 2500;

/** What the official client has seen. */
interface OfficialCounts {
  done: number;
  failed: number;
  /** Wall time at which the last failed request ended. */
  lastFailedMs: number;
  /** Wall time at which the last of those that failed began. */
  lastFailedStartMs: number;
}

/** The official client in a process of its own. */
class OfficialClient {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncGenerator<string>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#lines = linesOf(child.stdout);
  }

  /** Connects; resolves when it is connected. */
  static async start(hosts: readonly string[]): Promise<OfficialClient> {
    const suite = await prepareSuite();
    const [program, ...before] = suite.node;
    const child = new Deno.Command(program, {
      args: [...before, PROGRAM, suite.directory, hosts.join(",")],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const client = new OfficialClient(child);
    await client.#next();
    return client;
  }

  async report(): Promise<OfficialCounts> {
    await this.#writer.write(new TextEncoder().encode("\n"));
    return await this.#next();
  }

  async #next(): Promise<OfficialCounts> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the official client ended");
    return JSON.parse(value);
  }

  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await this.#child.status;
    clearTimeout(timer);
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

/** What one fault led to, in milliseconds from it. */
interface Measured {
  agreed: number;
  ours: number;
  official: number;
  officialBegan: number;
}

async function measure(
  loaded: LoadedCluster,
  official: OfficialClient,
  options: { fault: "kill" | "freeze"; index: number },
): Promise<Measured> {
  const { cluster } = loaded;
  const victim = cluster.nodes[options.index];
  const faultMs = cluster.ports.clock.monotonicMs();
  const faultWallMs = cluster.ports.clock.wallMs();
  const ended = options.fault === "kill" ? victim.kill() : victim.freeze();
  await untilAgreed(cluster.nodes.filter((node) => node !== victim));
  const agreed = cluster.ports.clock.monotonicMs() - faultMs;
  await ended;
  await pause(AFTERMATH_MS);
  const { lastFailedMs, lastFailedStartMs } = await official.report();
  const measured = {
    agreed,
    ours: lastErrorAfter(loaded, faultMs),
    official: Math.max(0, lastFailedMs - faultWallMs),
    officialBegan: Math.max(0, lastFailedStartMs - faultWallMs),
  };
  if (options.fault === "kill") await victim.start();
  else victim.thaw();
  await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
  return measured;
}

/** Waits until all of some nodes follow the map of a cluster of them alone. */
async function untilAgreed(nodes: readonly LocalNode[]): Promise<void> {
  const question = `cluster-stable:size=${nodes.length};ignore-migrations=true`;
  const limitMs = performance.now() + SETTLE_LIMIT_MS;
  const answers = nodes.map(() => "nothing");
  do {
    await Promise.all(nodes.map(async (node, at) => [answers[at]] = await node.ask([question])));
    if (performance.now() > limitMs) throw new Error(`the survivors do not agree: ${answers.join(", ")}`);
    await pause(LOOK_MS);
  } while (answers.some((one) => !/^[0-9A-F]+$/i.test(one) || one !== answers[0]));
}

function failover(fault: "kill" | "freeze", repeats: number): Scenario {
  const what = fault === "kill" ? "killed" : "frozen";
  return {
    name: `fail-over: a node of three is ${what}, ${repeats} times`,
    run: (report: Report) =>
      withLoad(NODE_COUNT, { pauseMs: 5 }, async (loaded) => {
        const official = await OfficialClient.start(loaded.cluster.hosts);
        try {
          await pause(WARM_UP_MS);
          const all: Measured[] = [];
          for (let round = 0; round < repeats; round++) {
            all.push(await measure(loaded, official, { fault, index: round % NODE_COUNT }));
          }
          const figures = (name: keyof Measured) => all.map((one) => one[name]);
          const row = (name: keyof Measured) =>
            `median ${msText(median(figures(name)))}, all ${figures(name).map(Math.round).join(", ")}`;
          report.note("survivors agree and serve", row("agreed"));
          report.note("last failed request, aerie's client", row("ours"));
          report.note("last failed request, official client", row("official"));
          report.note("which began", row("officialBegan"));
          const { done, failed } = await official.report();
          report.note("official client, failed requests", `${failed} of ${done + failed}`);
          await loaded.finish();
          assertEquals(
            (await official.report()).done > done,
            true,
            "the official client does nothing any more",
          );
        } finally {
          await official.close();
        }
      }),
  };
}

/** Both faults, each so many times. */
export function failoverScenarios(repeats: number): readonly Scenario[] {
  return [failover("kill", repeats), failover("freeze", repeats)];
}
