/**
 * A client connection that sends and receives whole frames, with a bound on every wait.
 *
 * @module
 */

import { ByteBuffer, PROTO_BODY_SIZE_MAX } from "../../src/base/mod.ts";
import { PROTO_HEADER_SIZE } from "../../src/wire/mod.ts";
import { frameSizeBytes } from "./message.ts";

/** Bytes asked for in one read. */
const READ_SIZE_BYTES = 64 * 1024;

/** A TCP connection that carries frames. */
export class FrameConnection {
  readonly #conn: Deno.TcpConn;
  readonly #input = new ByteBuffer(READ_SIZE_BYTES);
  readonly #chunk = new Uint8Array(READ_SIZE_BYTES);
  #closed = false;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    conn.setNoDelay(true);
  }

  /**
   * Connects.
   *
   * @throws {Error} when nobody listens
   */
  static async open(address: { host: string; port: number }): Promise<FrameConnection> {
    return new FrameConnection(await Deno.connect({ hostname: address.host, port: address.port }));
  }

  /** Sends all bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) at += await this.#conn.write(bytes.subarray(at));
  }

  /**
   * Receives the next frame.
   *
   * @param timeoutMs how long to wait; the connection is closed when the time is up
   * @returns a copy of header and body
   * @throws {Error} when the connection ends first, the header is no proto header, or the time is up
   */
  async read(timeoutMs: number): Promise<Uint8Array> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.close();
    }, timeoutMs);
    try {
      for (;;) {
        const frame = this.#take();
        if (frame !== undefined) return frame;
        const count = await this.#conn.read(this.#chunk);
        if (count === null) throw new Error("The server closed the connection");
        this.#input.append(this.#chunk, 0, count);
      }
    } catch (error) {
      throw late ? new Error(`The server sent no whole frame within ${timeoutMs} ms`) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tells the server that nothing more will be sent. */
  async closeWrite(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /** Ends the connection; calling it again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  #take(): Uint8Array | undefined {
    const bytes = this.#input.view();
    if (bytes.length < PROTO_HEADER_SIZE) return undefined;
    const sizeBytes = frameSizeBytes(bytes);
    if (bytes[0] !== 2 || sizeBytes > PROTO_BODY_SIZE_MAX) {
      throw new Error(`The server sent a frame of version ${bytes[0]} and ${sizeBytes} bytes`);
    }
    if (bytes.length < sizeBytes) return undefined;
    const frame = bytes.slice(0, sizeBytes);
    this.#input.consume(sizeBytes);
    return frame;
  }
}
