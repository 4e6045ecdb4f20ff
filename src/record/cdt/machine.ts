/**
 * One call at work: the container it is applied to, the call, the answer, and the new container if it makes one. All
 * room is used again from call to call; the common calls allocate nothing.
 *
 * The container is a range of a buffer that nobody changes meanwhile. New containers and answers are built at the end of
 * `out`; when `out` moves to a larger array, ranges of the old array stay readable.
 *
 * @module
 */

import { ByteBuffer, ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { CdtCall } from "./call.ts";
import { ContextWalk } from "./context.ts";
import { headSize, writeHead } from "./head.ts";
import { appendStored } from "./normalize.ts";
import { CdtResult } from "./result.ts";
import type { PathExpressions } from "./path.ts";
import { PathSelect } from "./path_select.ts";
import { Selection } from "./selection.ts";
import { ContainerView } from "./view.ts";

/** Where a call finds its container. */
export interface CdtTarget {
  /** Particle type of what is there; NULL when nothing is. */
  type: number;
  /** Buffer that holds it. */
  bytes: Uint8Array;
  /** Its offset. */
  at: number;
  /** Offset after it. */
  end: number;
}

/** State of one call. */
export class CdtMachine {
  /** The call. */
  readonly call: CdtCall = new CdtCall();
  /** The container that the operation works on. */
  readonly view: ContainerView = new ContainerView();
  /** A container among the parameters. */
  readonly items: ContainerView = new ContainerView();
  /** What the operation chose. */
  readonly selection: Selection = new Selection();
  /** The answer. */
  readonly result: CdtResult = new CdtResult();
  /** The way to the container, in a call with a context. */
  readonly walk: ContextWalk = new ContextWalk();
  /** Makes what evaluates the expressions of a selection by path; without it they are unsupported. */
  makeExpressions: (() => PathExpressions) | undefined;
  #pathSelect: PathSelect | undefined;
  /** Where new things are built. */
  out: ByteBuffer = new ByteBuffer(0);
  /** The container was not there. */
  isMissing = false;
  /** The operation may change its container. */
  mayModify = false;
  /** The operation made a new container. */
  isChanged = false;
  /** Offset in `out` of the new container. */
  newAt = 0;
  /** Bytes of the new container. */
  newSize = 0;
  /** The new container is a map. */
  newIsMap = false;

  /** The selection by path. */
  get pathSelect(): PathSelect {
    return this.#pathSelect ??= new PathSelect(this);
  }

  /** Starts a call on a container. */
  start(out: ByteBuffer, mayModify: boolean): void {
    this.out = out;
    this.mayModify = mayModify;
    this.isChanged = false;
    this.result.reset(out);
  }

  /**
   * Opens the container for an operation on lists or on maps.
   *
   * @returns OK, INCOMPATIBLE_TYPE, or PARAMETER when the stored bytes are damaged
   */
  open(target: CdtTarget, isMap: boolean): ResultCode {
    this.isMissing = target.type === PARTICLE.NULL;
    if (this.isMissing) {
      this.view.openMissing(isMap);
      return ResultCode.OK;
    }
    if (target.type !== (isMap ? PARTICLE.MAP : PARTICLE.LIST)) return ResultCode.INCOMPATIBLE_TYPE;
    if (!this.view.open(target.bytes, target.at, target.end)) return ResultCode.PARAMETER;
    return this.view.isMap === isMap ? ResultCode.OK : ResultCode.INCOMPATIBLE_TYPE;
  }

  /**
   * Begins the new container; its elements are appended to `out`, then `endNew` is called.
   *
   * @param count elements that it will have
   * @param flags flags of its header element
   */
  beginNew(count: number, flags: number): void {
    const { out } = this;
    this.newIsMap = this.view.isMap;
    this.newAt = out.reserve(headSize(count, flags, this.newIsMap) + this.view.end - this.view.contentAt);
    out.length = writeHead(out.bytes, this.newAt, count, flags, this.newIsMap);
  }

  /** Copies bytes of the old container into the new one. */
  keep(from: number, to: number): void {
    if (to > from) this.out.append(this.view.bytes, from, to);
  }

  /** Ends the new container. */
  endNew(): void {
    this.newSize = this.out.length - this.newAt;
    this.isChanged = true;
  }

  /**
   * Appends a parameter's stored form to `out`.
   *
   * @returns its size in bytes, or -1 when it can't be stored
   */
  storeParam(index: number): number {
    const { bytes, paramAt } = this.call;
    return appendStored(bytes, paramAt[index], paramAt[index + 1], this.out);
  }

  /** Answers the number of elements that a change has left. */
  answerCount(count: number): ResultCode {
    this.result.setInteger(count);
    return ResultCode.OK;
  }
}
