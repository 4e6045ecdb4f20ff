/**
 * The listeners of a node and the sessions that come in by them: limits, idle connections, orderly end.
 *
 * @module
 */

import { bindAddresses, type Settings } from "../config/mod.ts";
import type { Connection, Listener, Ports, Timer } from "../port/mod.ts";
import type { Dispatcher } from "./dispatch.ts";
import { type OnFailure, setGuardedHandler } from "./guard.ts";
import type { ConnectionStats, NodeStats } from "./node_stats.ts";
import { Session, type SessionKind } from "./session.ts";

/** Connections of the admin port, as the stock server limits them; also of the plain info port. */
const ADMIN_CONNECTION_COUNT_MAX = 100;
const REAP_INTERVAL_MS = 1000;

/** A listener that is open. */
export interface OpenListener {
  /** What it is for. */
  kind: SessionKind;
  /** Address that is bound. */
  host: string;
  /** Port that is bound. */
  port: number;
}

interface ListenerSettings {
  addresses: readonly string[];
  port: number;
  /** False: tools on the machine itself reach the node on loopback too, whatever addresses it binds. */
  disableLocalhost?: boolean;
}

/** Whether a program on this machine that connects to 127.0.0.1 reaches a listener bound to this address. */
function reachesLoopback(host: string): boolean {
  return host === "0.0.0.0" || host === "::" || host === "::1" || host.startsWith("127.");
}

/** Listeners and sessions of one node. */
export class Listeners {
  /** Sessions that are connected. */
  readonly sessions: Set<Session> = new Set();
  /** Listeners that are open, in the order of their opening. */
  readonly open: OpenListener[] = [];
  readonly #ports: Ports;
  readonly #settings: Settings;
  readonly #stats: NodeStats;
  readonly #listeners: Listener[] = [];
  readonly #onFailure: OnFailure;
  #isAccepting = true;
  #dispatcher: Dispatcher | undefined;
  #reaper: Timer | undefined;

  /** @param options ports, settings and counters of the node, and who hears of a failed assertion */
  constructor(options: { ports: Ports; settings: Settings; stats: NodeStats; onFailure: OnFailure }) {
    this.#onFailure = options.onFailure;
    this.#ports = options.ports;
    this.#settings = options.settings;
    this.#stats = options.stats;
  }

  /**
   * Opens all listeners; when one can't be opened, those that were are closed again.
   *
   * @param dispatcher runs the frames of the sessions
   * @param listen false opens none
   * @throws {Error} that names address, port and cause
   */
  async start(dispatcher: Dispatcher, listen: boolean): Promise<void> {
    this.#dispatcher = dispatcher;
    this.#scheduleReaper();
    if (!listen) return;
    const { service, admin, info } = this.#settings.network;
    try {
      await this.#listen("service", service);
      if (admin !== undefined && admin.port !== 0) await this.#listen("admin", admin);
      if (info !== undefined) await this.#listen("info", info);
    } catch (error) {
      this.stopAccepting();
      throw error;
    }
  }

  /** Connections of a kind that are open. */
  count(kind: SessionKind): number {
    const stats = this.#statsOf(kind);
    return stats.opened - stats.closed;
  }

  /** The port that a kind of listener is bound to, 0 when there is none. */
  port(kind: SessionKind): number {
    return this.open.find((listener) => listener.kind === kind)?.port ?? 0;
  }

  /** Closes the listeners; sessions go on. What was connected before and is told of later is closed. */
  stopAccepting(): void {
    this.#isAccepting = false;
    for (const listener of this.#listeners.splice(0)) listener.close();
    this.#reaper?.cancel();
  }

  /** Closes all sessions at once. */
  closeSessions(): void {
    for (const session of this.sessions) session.close();
  }

  /** A session's connection is gone. */
  onSessionClosed(session: Session): void {
    if (this.sessions.delete(session)) this.#statsOf(session.kind).closed++;
  }

  async #listen(kind: SessionKind, listener: ListenerSettings): Promise<void> {
    let port = listener.port;
    const hosts = bindAddresses(listener.addresses, this.#ports.host);
    if (listener.disableLocalhost === false && !hosts.some(reachesLoopback)) hosts.push("127.0.0.1");
    for (const host of hosts) {
      const opened = await this.#ports.network.listen(
        { host, port },
        (connection) => this.accept(connection, kind),
      );
      // With port 0 the system chooses once; further addresses of the listener use the same.
      port = opened.address.port;
      this.#listeners.push(opened);
      this.open.push({ kind, host: opened.address.host, port });
    }
  }

  /** Takes a new connection. */
  accept(connection: Connection, kind: SessionKind): void {
    const session = new Session({ connection, kind, dispatcher: this.#dispatcher! });
    setGuardedHandler(connection, session, this.#onFailure);
    this.#statsOf(kind).opened++;
    this.sessions.add(session);
    const countMax = kind === "service" ? this.#settings.service.protoFdMax : ADMIN_CONNECTION_COUNT_MAX;
    if (!this.#isAccepting) session.close();
    else if (this.count(kind) > countMax) {
      this.#stats.refusedFds++;
      session.close();
    }
  }

  #statsOf(kind: SessionKind): ConnectionStats {
    return kind === "service" ? this.#stats.client : kind === "admin" ? this.#stats.admin : this.#stats.info;
  }

  #scheduleReaper(): void {
    this.#reaper = this.#ports.clock.after(REAP_INTERVAL_MS, () => {
      this.#reap();
      this.#scheduleReaper();
    });
  }

  /** Closes service connections on which nothing has happened for `proto-fd-idle-ms`. */
  #reap(): void {
    const idleMs = this.#settings.service.protoFdIdleMs;
    if (idleMs === 0) return;
    const limitMs = this.#ports.clock.monotonicMs() - idleMs;
    for (const session of this.sessions) {
      if (session.nowMs >= limitMs || !session.isIdle) continue;
      this.#stats.reapedFds++;
      session.close();
    }
  }
}
