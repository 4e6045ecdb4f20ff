/**
 * A turn of Deno's event loop in which sockets are served.
 *
 * Deno polls its sockets only when nothing else is ready, or after some sixty rounds. A chain of `setImmediate` or of
 * `MessagePort` messages always is ready: with slices of 1 ms, requests waited 60 ms and 4 s for their turn. A timer of
 * 0 ms lets sockets be served, but sleeps 1 to 2 ms. So the wake-up call comes through a socket itself: one byte over a
 * connection of the process to itself, about 30 µs, and every socket that is ready is served in between.
 *
 * @module
 */

/** Both ends of the connection to itself. */
interface Loop {
  near: Deno.TcpConn;
  far: Deno.TcpConn;
}

/** Connects the process to itself; rejects when loopback is not to be had. */
async function openLoop(): Promise<Loop> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const far = await listener.accept();
    if (far.remoteAddr.port !== near.localAddr.port) throw new Error("Another program connected first");
    near.setNoDelay(true);
    return { near, far };
  } finally {
    listener.close();
  }
}

class Turns {
  readonly #byte = new Uint8Array(1);
  /**
   * Larger than what is read: a read that fills its buffer leaves the socket marked as ready, and the next one is then
   * tried at once, succeeds, and no socket is polled at all.
   */
  readonly #room = new Uint8Array(2);
  #waiting: (() => void)[] = [];
  #loop: Loop | undefined;
  #opening: Promise<void> | undefined;
  #pending = false;

  add(fn: () => void): void {
    this.#waiting.push(fn);
    if (this.#pending) return;
    this.#pending = true;
    this.#arm();
  }

  #arm(): void {
    if (this.#loop === undefined) {
      this.#opening ??= openLoop().then((loop) => void (this.#loop = loop), () => {});
      setTimeout(() => this.#run(), 0);
      return;
    }
    const { near, far } = this.#loop;
    near.write(this.#byte).catch(() => 0);
    far.read(this.#room).then(() => this.#run(), () => {
      this.#loop = undefined;
      this.#run();
    });
  }

  #run(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#pending = false;
    // What the batch adds runs in the turn after.
    for (let index = 0; index < batch.length; index++) {
      try {
        batch[index]();
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Makes `Clock.nextTurn` for Deno; the connection to itself is opened at the first use. */
export function createDenoTurn(): (fn: () => void) => void {
  const turns = new Turns();
  return (fn) => turns.add(fn);
}
