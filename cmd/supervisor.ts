/**
 * Keeps several node processes running: starts them, passes on what they print and the signals that arrive, starts
 * again one that ends, and stops all in order.
 *
 * | state of a node | leaves when |
 * | --- | --- |
 * | starting | it prints its ready line -> ready; it ends -> waiting, or all are stopped when it has never been ready |
 * | ready | it ends -> waiting |
 * | waiting | the back-off is over -> starting; it ended too often in a row -> given-up |
 * | given-up | never: the other nodes go on without it |
 *
 * @module
 */

import type { ProcessEnd, ProcessSignal, RunningProcess, StartProcessOptions } from "../src/platform/mod.ts";
import type { Clock, Timer } from "../src/port/mod.ts";

/** Wait before the first restart; doubled with each further end. */
export const RESTART_DELAY_MS = 500;
/** Longest wait before a restart. */
export const RESTART_DELAY_MAX_MS = 30_000;
/** A node that ran this long begins with the shortest wait again. */
export const STEADY_AFTER_MS = 60_000;
/** Ends in a row after which a node is left down: what ends it each time will not mend itself. */
export const RESTART_COUNT_MAX = 10;
/** Time for a node to stop; then it is ended at once. */
export const STOP_LIMIT_MS = 30_000;

const READY = /^ready in \d+(\.\d+)? ms$/;

/** What a supervisor needs. */
export interface SupervisorOptions {
  /** Number of nodes. */
  count: number;
  /** Starts the process of a node. */
  start: (index: number, onLine: StartProcessOptions["onLine"]) => Promise<RunningProcess>;
  /** Time and timers. */
  clock: Clock;
  /** Takes a line; of node `index`, or of the supervisor itself. */
  print: (line: string, stream: "output" | "error") => void;
}

interface SupervisedNode {
  readonly index: number;
  state: "starting" | "ready" | "waiting" | "given-up";
  process: RunningProcess | undefined;
  startedMs: number;
  hasBeenReady: boolean;
  /** Ends in a row, none of them after a steady run. */
  endCount: number;
  timer: Timer | undefined;
}

/** The processes of all nodes. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #nodes: SupervisedNode[];
  readonly #startedMs: number;
  #announced = false;
  #stopping: Promise<void> | undefined;
  #code = 0;
  #resolve: (code: number) => void = () => {};
  /** Resolves to the exit code when no process is left: 0 after a wanted stop, else 1. */
  readonly ended: Promise<number>;

  /** Starts nothing yet. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.ended = new Promise((resolve) => this.#resolve = resolve);
    this.#nodes = Array.from({ length: options.count }, (_, index) => ({
      index,
      state: "starting",
      process: undefined,
      startedMs: 0,
      hasBeenReady: false,
      endCount: 0,
      timer: undefined,
    }));
  }

  /** Starts all nodes. */
  start(): void {
    for (const node of this.#nodes) void this.#start(node);
  }

  /** Passes a signal on to all nodes. */
  forward(signal: ProcessSignal): void {
    for (const node of this.#nodes) node.process?.signal(signal);
  }

  /** Stops one node after the other, the last first, so that the first, which others may have as seed, is there longest. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  /** Ends all processes at once. */
  kill(): void {
    void this.stop();
    this.forward("SIGKILL");
  }

  async #start(node: SupervisedNode): Promise<void> {
    const { clock } = this.#options;
    node.state = "starting";
    node.timer = undefined;
    node.startedMs = clock.monotonicMs();
    let end: ProcessEnd;
    try {
      const process = await this.#options.start(node.index, (line, stream) => this.#line(node, line, stream));
      node.process = process;
      if (this.#stopping !== undefined) process.signal("SIGTERM");
      end = await process.ended;
    } catch (error) {
      this.#say((error as Error).message);
      end = { code: 1, signal: undefined };
    }
    node.process = undefined;
    this.#onEnd(node, end);
  }

  #line(node: SupervisedNode, line: string, stream: "output" | "error"): void {
    if (node.state !== "starting" || stream !== "output" || !READY.test(line)) {
      return this.#options.print(`${node.index}| ${line}`, stream);
    }
    node.state = "ready";
    node.hasBeenReady = true;
    // Not the node's own words: whoever waits for "ready in" waits for all.
    this.#say(`node ${node.index} is ready, pid ${node.process?.pid ?? "unknown"}`, "output");
    if (this.#announced || this.#nodes.some((one) => !one.hasBeenReady)) return;
    this.#announced = true;
    const tookMs = this.#options.clock.monotonicMs() - this.#startedMs;
    this.#say(`${this.#nodes.length} nodes ready in ${Math.round(tookMs)} ms`, "output");
  }

  #onEnd(node: SupervisedNode, end: ProcessEnd): void {
    const { clock } = this.#options;
    const how = end.signal === undefined ? `with exit code ${end.code}` : `by ${end.signal}`;
    if (this.#stopping !== undefined) return;
    if (!node.hasBeenReady) {
      this.#code = 1;
      this.#say(`node ${node.index} ended ${how} before it was ready; its own words are above. All stop`);
      return void this.stop();
    }
    node.endCount = clock.monotonicMs() - node.startedMs >= STEADY_AFTER_MS ? 1 : node.endCount + 1;
    if (node.endCount > RESTART_COUNT_MAX) return this.#giveUp(node, how);
    const delayMs = Math.min(RESTART_DELAY_MS * 2 ** (node.endCount - 1), RESTART_DELAY_MAX_MS);
    node.state = "waiting";
    node.timer = clock.after(delayMs, () => void this.#start(node));
    this.#say(`node ${node.index} ended ${how}; it is started again in ${delayMs / 1000} s`);
  }

  #giveUp(node: SupervisedNode, how: string): void {
    node.state = "given-up";
    const left = this.#nodes.filter(({ state }) => state !== "given-up").length;
    this.#say(
      `node ${node.index} ended ${how}, ${node.endCount} times in a row: it stays down. ` +
        (left > 0 ? `The other ${left} go on; mend what ends it and start again` : "No node is left"),
    );
    if (left > 0) return;
    this.#code = 1;
    void this.stop();
  }

  async #stop(): Promise<void> {
    for (const node of this.#nodes) node.timer?.cancel();
    // Not before the caller has the promise of this stop.
    await Promise.resolve();
    for (const node of this.#nodes.toReversed()) await this.#stopOne(node);
    this.#resolve(this.#code);
  }

  async #stopOne(node: SupervisedNode): Promise<void> {
    const { process } = node;
    if (process === undefined) return;
    const late = this.#options.clock.after(STOP_LIMIT_MS, () => {
      this.#say(`node ${node.index} did not stop within ${STOP_LIMIT_MS / 1000} s; it is ended at once`);
      process.signal("SIGKILL");
    });
    process.signal("SIGTERM");
    await process.ended;
    late.cancel();
  }

  #say(line: string, stream: "output" | "error" = "error"): void {
    this.#options.print(line, stream);
  }
}
