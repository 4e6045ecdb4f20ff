/**
 * Port: network.
 *
 * @module
 */

/** One end of a connection. */
export interface Address {
  /** Numeric IP address, without brackets. */
  host: string;
  /** TCP port. */
  port: number;
}

/** How to listen. */
export interface ListenOptions {
  /** Numeric address to bind, or a name that resolves to one. */
  host: string;
  /** TCP port; 0 lets the system choose. */
  port: number;
}

/** A listening socket. */
export interface Listener {
  /** The address that is bound in fact. */
  readonly address: Address;
  /** Stops accepting; connections that exist live on. */
  close(): void;
}

/** Why a connection ended. */
export type CloseReason = "peer" | "local" | "error";

/**
 * What a connection tells its owner. All calls come in turns of the event loop of their own, none from inside a call
 * of {@linkcode Connection}'s methods.
 */
export interface ConnectionHandler {
  /**
   * Bytes arrived.
   *
   * @param bytes lent until the call returns
   */
  onData(bytes: Uint8Array): void;
  /** The bytes of the last `write` are with the system and may be used again. */
  onWritten(): void;
  /** The connection is gone; no call follows. Bytes of a write under way may be used again. */
  onClose(reason: CloseReason, error?: Error): void;
}

/** A stream of bytes to a peer. */
export interface Connection {
  /** The peer. */
  readonly remote: Address;
  /** This end. */
  readonly local: Address;
  /** Must be set before the turn in which the connection was received ends. */
  handler: ConnectionHandler;
  /**
   * Sends bytes. Only one write may be under way: the next may follow once `onWritten` was called.
   *
   * @param bytes lent until `onWritten` or `onClose`
   */
  write(bytes: Uint8Array): void;
  /** Stops reading; at most one more `onData` may follow. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Ends the connection at once; `onClose("local")` follows. Calling it again does nothing. */
  close(): void;
}

/** How to connect. */
export interface ConnectOptions {
  /** Name or numeric address. */
  host: string;
  /** TCP port. */
  port: number;
  /** Give up after this many milliseconds. */
  timeoutMs: number;
}

/** How to take part in multicast. */
export interface MulticastOptions {
  /** Numeric addresses of the groups, all IPv4 or all IPv6. */
  groups: readonly string[];
  /** UDP port, not 0; other processes of the machine may use it too. */
  port: number;
  /** Numeric addresses of the interfaces to send and hear by; none leaves the choice to the system. */
  interfaces: readonly string[];
  /** Routers that a datagram may pass, 1 to 255; 0 is the system's default, which is 1: none. */
  ttl: number;
}

/** Membership in multicast groups. */
export interface MulticastSocket {
  /**
   * Sends a datagram to every group by every interface. Members on this machine hear it, this one too. It may be lost,
   * and it may come twice; a failure is not told.
   *
   * @param bytes not changed until the datagram has left; at most 65,507 bytes
   */
  send(bytes: Uint8Array): void;
  /** Leaves the groups; no datagram is delivered afterwards. */
  close(): void;
}

/** TCP, and multicast where there is any. */
export interface Network {
  /**
   * Listens for connections.
   *
   * @param onConnection receives each new connection and must set its handler at once
   * @returns the listener, or rejects with an `Error` whose message names address, port and cause
   */
  listen(options: ListenOptions, onConnection: (connection: Connection) => void): Promise<Listener>;
  /**
   * Opens a connection.
   *
   * @returns the connection (its handler must be set at once), or rejects with an `Error` that names address and cause
   */
  connect(options: ConnectOptions): Promise<Connection>;
  /**
   * Joins multicast groups. Absent of a network that has none, as one inside a process.
   *
   * @param onDatagram receives each datagram, lent until it returns, and where it came from
   * @returns the membership, or rejects with an `Error` that names group, interface and cause
   */
  multicast?(
    options: MulticastOptions,
    onDatagram: (bytes: Uint8Array, from: Address) => void,
  ): Promise<MulticastSocket>;
}
