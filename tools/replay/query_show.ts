/**
 * Background jobs in recorded traffic: the job ids are the client's, so they are the same in a replay; how far a job was
 * when the client asked is not. Where the recording shows a job's end, the replay waits for it, and then all counters
 * must be equal; before that only what the job is.
 *
 * @module
 */

/** Values of `query-show` that clocks and ports decide. */
const MASKED_ALWAYS: ReadonlySet<string> = new Set(["run-time", "time-since-done", "from"]);

/** Values that grow, or change, until the job is done. */
const MASKED_WHILE_ACTIVE: ReadonlySet<string> = new Set([
  "active-threads",
  "status",
  "job-progress",
  "recs-throttled",
  "recs-filtered-meta",
  "recs-filtered-bins",
  "recs-succeeded",
  "recs-failed",
  "ops-active",
  "udf-active",
]);

/** Whether an info request asks how one job stands. */
export function isQueryShow(request: string): boolean {
  return /^query-show:(trid|id)=\d+\n?$/.test(request);
}

/** Whether an answer to it says that the job is done. */
export function saysDone(answer: string): boolean {
  return answer.includes(":status=done(");
}

/** Whether an answer to it says that the job runs. */
export function saysActive(answer: string): boolean {
  return answer.includes(":status=active(");
}

/**
 * An answer without what may differ.
 *
 * @param answer what `query-show` printed about one job
 * @param isDone whether the recorded job was done
 */
export function maskQueryShow(answer: string, isDone: boolean): string {
  return answer.split(":").map((pair) => {
    const name = pair.split("=")[0];
    const isMasked = MASKED_ALWAYS.has(name) || (!isDone && MASKED_WHILE_ACTIVE.has(name));
    return isMasked ? `${name}=*` : pair;
  }).join(":");
}
