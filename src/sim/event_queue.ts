/**
 * Events in the order of their virtual time; among equals, in the order in which they were scheduled.
 *
 * @module
 */

/** Something that will happen. */
export interface QueuedEvent {
  /** Virtual time in microseconds. */
  readonly atUs: number;
  /** Decides among events of the same time. */
  readonly sequence: number;
  /** Place in the heap; -1 when the event is not in it. */
  slot: number;
}

function earlier(left: QueuedEvent, right: QueuedEvent): boolean {
  return left.atUs < right.atUs || (left.atUs === right.atUs && left.sequence < right.sequence);
}

/** A binary heap whose events know their place, so that cancelled timers leave at once. */
export class EventQueue<Event extends QueuedEvent> {
  readonly #heap: Event[] = [];

  /** Events in the queue. */
  get count(): number {
    return this.#heap.length;
  }

  /** The next event, which stays in the queue. */
  peek(): Event | undefined {
    return this.#heap[0];
  }

  /** Adds an event. */
  push(event: Event): void {
    event.slot = this.#heap.length;
    this.#heap.push(event);
    this.#rise(event);
  }

  /** Takes an event out; does nothing when it is not in the queue. */
  remove(event: Event): void {
    const { slot } = event;
    if (slot < 0) return;
    event.slot = -1;
    const last = this.#heap.pop()!;
    if (last === event) return;
    last.slot = slot;
    this.#heap[slot] = last;
    this.#rise(last);
    this.#sink(last);
  }

  /** Takes the next event out. */
  pop(): Event | undefined {
    const next = this.#heap[0];
    if (next !== undefined) this.remove(next);
    return next;
  }

  #rise(event: Event): void {
    const heap = this.#heap;
    let { slot } = event;
    while (slot > 0) {
      const above = heap[(slot - 1) >> 1];
      if (!earlier(event, above)) break;
      heap[slot] = above;
      above.slot = slot;
      slot = (slot - 1) >> 1;
    }
    heap[slot] = event;
    event.slot = slot;
  }

  #sink(event: Event): void {
    const heap = this.#heap;
    let { slot } = event;
    for (;;) {
      let below = slot * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && earlier(heap[below + 1], heap[below])) below++;
      if (!earlier(heap[below], event)) break;
      heap[slot] = heap[below];
      heap[slot].slot = slot;
      slot = below;
    }
    heap[slot] = event;
    event.slot = slot;
  }
}
