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
import { ContainerBuilder } from "./builder.ts";
import { CdtCall } from "./call.ts";
import { ContextWalk } from "./context.ts";
import { FLAG } from "./head.ts";
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
  /** Builds the new container, between `beginNew` and `endNew`. */
  readonly made: ContainerBuilder = new ContainerBuilder();
  /** Where new things are built. */
  out: ByteBuffer = new ByteBuffer(0);
  /** Persisted indexes may be used; not after one turned out to be wrong. */
  usesIndex = true;
  /** The container is the value of a bin, and not inside another one: it may have a persisted index. */
  isBin = true;
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
    this.isBin = true;
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
    if (!this.openView(target.bytes, target.at, target.end, this.isBin)) return ResultCode.PARAMETER;
    return this.view.isMap === isMap ? ResultCode.OK : ResultCode.INCOMPATIBLE_TYPE;
  }

  /**
   * Looks at a container of which a new one may be made.
   *
   * @returns false when its bytes are damaged
   */
  openView(bytes: Uint8Array, at: number, end: number, isBin: boolean): boolean {
    const { view } = this;
    if (!isBin) return view.open(bytes, at, end);
    if (!view.openBin(bytes, at, end, this.usesIndex)) return false;
    // A new index is made of what is known of the old container.
    return (view.flags & FLAG.PERSIST_INDEX) === 0 || view.locate();
  }

  /** Flags of a new container: one that is inside another has no persisted index. */
  newFlags(flags: number): number {
    return this.isBin ? flags : flags & ~FLAG.PERSIST_INDEX;
  }

  /**
   * Begins the new container; its entries are given to `made`, then `endNew` is called.
   *
   * @param count elements that it will have
   * @param flags flags of its header element
   */
  beginNew(count: number, flags: number): ContainerBuilder {
    this.newIsMap = this.view.isMap;
    this.made.begin(this.view, this.out, count, flags);
    return this.made;
  }

  /** Ends the new container. */
  endNew(): void {
    this.made.end();
    this.newAt = this.made.at;
    this.newSize = this.made.sizeBytes;
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
