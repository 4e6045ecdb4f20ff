/**
 * For how long nothing has gone wrong in a cluster. Faults say when they begin and end; the state of the cluster is
 * looked at now and then, so what a look has found may last until the next one.
 *
 * @module
 */

/** See the head of the file. */
export class CalmWatch {
  readonly #nowUs: () => number;
  /** Since then nothing was wrong, as far as is known. */
  #sinceUs = 0;
  /** What the last look found. */
  #wasCalm = false;

  /** @param nowUs virtual time in microseconds */
  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  /** Something begins or ends to go wrong, of which something is left for so many milliseconds. */
  noteTrouble(lastsMs = 0): void {
    this.#sinceUs = Math.max(this.#sinceUs, this.#nowUs() + lastsMs * 1000);
  }

  /** Takes what a look has found; what the one before found may have lasted until now. */
  look(isCalm: boolean): void {
    if (!isCalm || !this.#wasCalm) this.noteTrouble();
    this.#wasCalm = isCalm;
  }

  /** Milliseconds for which nothing was wrong; 0 or less when something is, or may be. */
  get calmMs(): number {
    return this.#wasCalm ? (this.#nowUs() - this.#sinceUs) / 1000 : 0;
  }
}
