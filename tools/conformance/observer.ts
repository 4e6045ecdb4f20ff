/**
 * A relay between the suite and the server that notes which features the requests use, and when; so that the list of
 * exceptions follows from what a test sends, not from whether it fails.
 *
 * @module
 */

import { PROTO_BODY_SIZE_MAX } from "../../src/base/mod.ts";
import { PROTO_HEADER_SIZE } from "../../src/wire/mod.ts";
import { type Feature, featuresOfFrame } from "../replay/features.ts";
import { concat, frameSizeBytes } from "../replay/message.ts";
import type { Outcome } from "./results.ts";
import type { ReportLine } from "./run.ts";

/** A feature seen on the wire. */
export interface Sighting {
  /** When, in milliseconds since 1970. */
  atMs: number;
  /** Which. */
  feature: Feature;
}

/** Relays connections to a server and watches the requests. */
export class Observer {
  /** What was seen, in order of time. */
  readonly sightings: Sighting[] = [];
  /** Port to connect to. */
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #server: { host: string; port: number };

  /** @param server where to relay to */
  constructor(server: { host: string; port: number }) {
    this.#server = server;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    void this.#accept();
  }

  /** Accepts no more connections. */
  close(): void {
    this.#listener.close();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      void this.#relay(client).catch(() => {});
    }
  }

  async #relay(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: this.#server.host, port: this.#server.port });
    client.setNoDelay(true);
    server.setNoDelay(true);
    const closeBoth = () => {
      for (const end of [client, server]) {
        try {
          end.close();
        } catch {
          // The other direction has closed it.
        }
      }
    };
    const back = server.readable.pipeTo(client.writable).catch(() => {}).finally(closeBoth);
    try {
      let rest = new Uint8Array();
      const chunk = new Uint8Array(64 * 1024);
      for (;;) {
        const count = await client.read(chunk);
        if (count === null) break;
        const bytes = chunk.slice(0, count);
        rest = this.#watch(concat([rest, bytes]));
        for (let at = 0; at < count;) at += await server.write(bytes.subarray(at));
      }
    } finally {
      closeBoth();
      await back;
    }
  }

  /** Looks at the whole frames at the front and returns what is left. */
  #watch(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    let rest = bytes;
    while (rest.length >= PROTO_HEADER_SIZE) {
      const sizeBytes = frameSizeBytes(rest);
      if (sizeBytes > PROTO_BODY_SIZE_MAX) return new Uint8Array();
      if (rest.length < sizeBytes) break;
      const atMs = performance.timeOrigin + performance.now();
      for (const feature of featuresOf(rest.subarray(0, sizeBytes))) this.sightings.push({ atMs, feature });
      rest = rest.subarray(sizeBytes);
    }
    return rest.slice();
  }
}

function featuresOf(frame: Uint8Array): Set<Feature> {
  try {
    return featuresOfFrame(frame);
  } catch {
    return new Set();
  }
}

/** What a test needed, from what was seen on the wire. */
export interface Needs {
  /** By full title of a test: what it sent itself. */
  tests: Map<string, Set<Feature>>;
  /** By full title of a suite: what its hooks sent. */
  suites: Map<string, Set<Feature>>;
}

/**
 * Assigns sightings to the tests and hooks that ran at the time.
 *
 * @param lines of the reporter, one file's
 * @param sightings of the observer
 */
export function needsOf(lines: readonly ReportLine[], sightings: readonly Sighting[]): Needs {
  const needs: Needs = { tests: new Map(), suites: new Map() };
  for (const line of lines) {
    if (line.type === "end" || line.startMs === undefined) continue;
    const startMs = line.startMs;
    const seen = sightings.filter(({ atMs }) => atMs >= startMs && atMs <= line.endMs);
    const target = line.type === "hook" ? needs.suites : needs.tests;
    const key = line.type === "hook" ? line.suite : line.title;
    const features = target.get(key) ?? new Set<Feature>();
    for (const { feature } of seen) features.add(feature);
    target.set(key, features);
  }
  return needs;
}

/**
 * Why a test cannot be expected to pass, if it cannot. What a hook around it sends counts only when the test did not
 * pass: some hooks prepare what other tests of the suite need.
 *
 * @param test full title and outcome
 * @returns the reason, or undefined when it uses nothing that is missing
 */
export function reasonFor(test: { title: string; outcome: Outcome }, needs: Needs): string | undefined {
  const own = needs.tests.get(test.title);
  if (own !== undefined && own.size > 0) return `uses ${[...own].sort().join(", ")}`;
  if (test.outcome === "pass") return undefined;
  for (const [suite, features] of needs.suites) {
    if (features.size === 0 || !(suite === "" || test.title.startsWith(`${suite} `))) continue;
    return `a hook around it uses ${[...features].sort().join(", ")}`;
  }
  return undefined;
}
