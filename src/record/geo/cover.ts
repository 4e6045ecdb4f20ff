/**
 * Coverings: a region as a few cells. The library has a coverer of its own, which divides cells in another order than
 * the stock server does and so ends with other cells; this one gives the stock server's.
 *
 * Candidates begin as the cells around the middle of the region's bounding circle. The largest one is divided, among
 * equals the one with the fewest parts in the region, until more parts than allowed would come of it.
 *
 * @module
 */

import { geometry, type S2 } from "./geometry.ts";
import type { Region } from "./region.ts";

/** How fine a covering is. */
export interface CoverOptions {
  /** Level of the largest cells, 0 to 30. */
  minLevel: number;
  /** Level of the smallest cells, 0 to 30. */
  maxLevel: number;
  /** Levels that are skipped between two sizes of cell, 1 to 3. */
  levelMod: number;
  /** Cells, as far as the levels allow. */
  maxCells: number;
}

/** Level of a single point. */
const LEAF_LEVEL = 30;
/** Smallest width of a cell of level 0, in radians: the constant of the library's projection. */
const MIN_WIDTH_RADIANS = (2 * Math.SQRT2) / 3;
/** Cells around a vertex. */
const VERTEX_CELL_COUNT = 4;

interface Candidate {
  readonly id: bigint;
  readonly level: number;
  readonly parts: { id: bigint; isTerminal: boolean }[];
  priority: number;
}

/** Covers a region; cells in ascending order, four that make up a larger one given as that one. */
export function coverRegion(region: Region, options: CoverOptions): bigint[] {
  const coverer = new Coverer(region, options);
  return coverer.cover();
}

class Coverer {
  readonly #s2: S2 = geometry();
  readonly #region: Region;
  readonly #options: CoverOptions;
  readonly #cells: bigint[] = [];
  /** Few: each holds at least one cell's place. */
  readonly #candidates: Candidate[] = [];

  constructor(region: Region, options: CoverOptions) {
    this.#region = region;
    this.#options = options;
  }

  cover(): bigint[] {
    const { minLevel, maxCells } = this.#options;
    for (const id of this.#firstCells()) this.#addCell(id);
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      const { level, parts } = next;
      const count = this.#cells.length + this.#candidates.length + parts.length;
      if (level < minLevel || parts.length === 1 || count <= maxCells) {
        for (const part of parts) this.#addPart(part.id, part.isTerminal);
      } else {
        this.#cells.push(next.id);
      }
    }
    const union = new this.#s2.CellUnion(...this.#cells);
    union.normalize();
    return [...union];
  }

  #firstCells(): bigint[] {
    const { cellid } = this.#s2;
    const { minLevel, maxLevel, levelMod, maxCells } = this.#options;
    const cap = this.#region.capBound();
    const widest = Math.floor(Math.log2(MIN_WIDTH_RADIANS / (2 * cap.radius())));
    let level = Math.max(0, Math.min(widest, maxLevel, LEAF_LEVEL - 1));
    if (levelMod > 1 && level > minLevel) level -= (level - minLevel) % levelMod;
    if (maxCells >= VERTEX_CELL_COUNT && level > 0) {
      return cellid.vertexNeighbors(cellid.fromPoint(cap.center), level);
    }
    return [0, 1, 2, 3, 4, 5].map((face) => cellid.fromFace(face));
  }

  #addCell(id: bigint): void {
    const isTerminal = this.#judge(id);
    if (isTerminal !== undefined) this.#addPart(id, isTerminal);
  }

  /** Whether a cell is not divided any more; undefined when it has no part in the region. */
  #judge(id: bigint): boolean | undefined {
    const cell = this.#s2.Cell.fromCellID(id);
    if (!this.#region.intersectsCell(cell)) return undefined;
    const { minLevel, maxLevel, levelMod } = this.#options;
    const level = this.#s2.cellid.level(id);
    return level >= minLevel && (level + levelMod > maxLevel || this.#region.containsCell(cell));
  }

  #addPart(id: bigint, isTerminal: boolean): void {
    if (isTerminal) {
      this.#cells.push(id);
      return;
    }
    const { minLevel, levelMod } = this.#options;
    const level = this.#s2.cellid.level(id);
    const candidate: Candidate = { id, level, parts: [], priority: 0 };
    this.#divide(candidate, id, level < minLevel ? 1 : levelMod);
    const { parts } = candidate;
    if (parts.length === 0) return;
    const terminalCount = parts.filter((part) => part.isTerminal).length;
    const partCountBits = 2 * levelMod;
    if (terminalCount === 1 << partCountBits && level >= minLevel) {
      this.#cells.push(id);
      return;
    }
    candidate.priority = (((level << partCountBits) + parts.length) << partCountBits) + terminalCount;
    this.#candidates.push(candidate);
  }

  #divide(candidate: Candidate, id: bigint, levels: number): void {
    for (const child of this.#s2.cellid.children(id)) {
      if (levels > 1) {
        if (this.#region.intersectsCell(this.#s2.Cell.fromCellID(child))) {
          this.#divide(candidate, child, levels - 1);
        }
        continue;
      }
      const isTerminal = this.#judge(child);
      if (isTerminal !== undefined) candidate.parts.push({ id: child, isTerminal });
    }
  }

  /** Takes out the candidate that is divided next: the lowest priority number, the oldest among equals. */
  #take(): Candidate | undefined {
    let best = 0;
    for (let index = 1; index < this.#candidates.length; index++) {
      if (this.#candidates[index].priority < this.#candidates[best].priority) best = index;
    }
    return this.#candidates.splice(best, 1)[0];
  }
}
