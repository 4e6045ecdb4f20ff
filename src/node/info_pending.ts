/**
 * Answers of info commands that come later: what was asked for needs the agreement of other nodes. All commands of a
 * request are carried out at once, in their order; the reply leaves when all have their answers.
 *
 * @module
 */

import { ByteBuffer } from "../base/mod.ts";
import { appendInfoAnswer, PROTO_HEADER_SIZE, PROTO_TYPE_INFO, writeProtoHeader } from "../wire/mod.ts";
import type { Job, JobStep } from "./job.ts";

/** An answer that is not known yet. */
export class PendingAnswer {
  /** The answer; undefined while it is not known. */
  text: string | undefined;
  #onSettled: (() => void) | undefined;

  /** The answer is known. Calling it again does nothing. */
  settle(text: string): void {
    if (this.text !== undefined) return;
    this.text = text;
    this.#onSettled?.();
  }

  /** Calls once when the answer is known, at once when it is. */
  whenSettled(fn: () => void): void {
    if (this.text !== undefined) fn();
    else this.#onSettled = fn;
  }
}

/** A command as it was asked, and its answer. */
interface Part {
  line: Uint8Array;
  answer: string | PendingAnswer;
}

/** A reply that waits for some of its answers. */
export class PendingReply implements Job {
  readonly #head: Uint8Array;
  readonly #parts: Part[] = [];
  readonly #out: () => ByteBuffer;
  #waitingCount = 0;
  /** Called when the last answer is known. */
  onReady: () => void = () => {};

  /**
   * @param head answers that come before those that wait; copied
   * @param out where the reply goes when it is complete, asked for then
   */
  constructor(head: Uint8Array, out: () => ByteBuffer) {
    this.#head = head.slice();
    this.#out = out;
  }

  /** Adds the next command's answer; `line` is copied. */
  add(line: Uint8Array, answer: string | PendingAnswer): void {
    this.#parts.push({ line: line.slice(), answer });
    if (typeof answer === "string") return;
    this.#waitingCount++;
    answer.whenSettled(() => {
      this.#waitingCount--;
      if (this.#waitingCount === 0) this.onReady();
    });
  }

  /** All answers are known. */
  get isReady(): boolean {
    return this.#waitingCount === 0;
  }

  /** See {@linkcode Job}. */
  step(): JobStep {
    if (!this.isReady) return "suspended";
    this.write();
    return "done";
  }

  /** Writes the frame. */
  write(): void {
    const body = new ByteBuffer(256);
    body.append(this.#head);
    for (const { line, answer } of this.#parts) {
      appendInfoAnswer(body, line, typeof answer === "string" ? answer : answer.text!);
    }
    const out = this.#out();
    const at = out.reserve(PROTO_HEADER_SIZE);
    writeProtoHeader(out.bytes, at, { type: PROTO_TYPE_INFO, bodySizeBytes: body.length });
    out.length = at + PROTO_HEADER_SIZE;
    out.append(body.view());
  }
}
