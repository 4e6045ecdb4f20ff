/**
 * The state of a shell: whom it talks to, what names mean without a namespace, how results are printed.
 *
 * @module
 */

import type { AerieClient, AnyKey, Bins, ScanRecord, Value } from "../src/client/mod.ts";
import { fromHex, toHex } from "../src/base/mod.ts";
import { type OutputMode, type Row, rowLines, rowOf, TABLE_ROWS_MAX } from "./shell_output.ts";
import type { LineReader } from "./shell_values.ts";

/** Rows that are shown to a person who did not say how many. */
export const LIMIT_DEFAULT = 100;

const DIGEST_DIGITS = 40;

/** Where text goes. */
export interface ShellOutput {
  /** One text of the result. */
  print(text: string): void;
  /** One text for the person who called. */
  complain(text: string): void;
}

/** See the head of the file. */
export class ShellSession {
  /** The cluster. */
  readonly client: AerieClient;
  /** Where text goes. */
  readonly output: ShellOutput;
  /** A person types and reads. */
  readonly isInteractive: boolean;
  /** Namespace of keys. */
  namespace: string;
  /** Set of keys, empty for none. */
  set = "";
  /** How results are printed. */
  mode: OutputMode;
  /** The last error, for `explain`. */
  lastError: unknown;
  /** The person asked to leave. */
  isLeaving = false;
  /** The person asked to end what runs. */
  isInterrupted = false;

  /** @param options the parts */
  constructor(
    options: {
      client: AerieClient;
      output: ShellOutput;
      isInteractive: boolean;
      namespace: string;
      mode: OutputMode;
    },
  ) {
    this.client = options.client;
    this.output = options.output;
    this.isInteractive = options.isInteractive;
    this.namespace = options.namespace;
    this.mode = options.mode;
  }

  /** Reads a key: text, integer, bytes, or `#` and the digest in hexadecimal. */
  key(line: LineReader): AnyKey {
    const value = line.value("a key");
    const { namespace, set } = this;
    if (typeof value === "string" && value.startsWith("#") && value.length === DIGEST_DIGITS + 1) {
      if (!/^#[0-9a-fA-F]+$/.test(value)) line.fail("a digest is # and 40 hexadecimal digits");
      return { namespace, set, digest: fromHex(value.slice(1)) };
    }
    if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") {
      return { namespace, set, key: value };
    }
    if (value instanceof Uint8Array) return { namespace, set, key: value };
    return line.fail("a key is text, an integer, bytes (0x…) or a digest (#…)");
  }

  /** Prints rows. */
  printRows(rows: readonly Row[]): void {
    for (const line of rowLines(rows, this.mode)) this.output.print(line);
  }

  /** Prints what a command did, for people. */
  say(text: string): void {
    if (this.mode === "json") return;
    this.output.print(text);
  }

  /** Prints one record. */
  printRecord(record: { bins: Bins; generation: number; ttlS: number }): void {
    this.printRows([rowOf(record.bins, { "(gen)": record.generation, "(ttl)": record.ttlS })]);
  }

  /** Prints records as they come, in chunks; a person who gave no limit sees the first hundred. */
  async printRecords(records: AsyncIterable<ScanRecord>, limit: number): Promise<void> {
    let rows: Row[] = [];
    let count = 0;
    let hasMore = false;
    this.isInterrupted = false;
    for await (const record of records) {
      if (count === limit || this.isInterrupted) {
        hasMore = true;
        break;
      }
      count++;
      rows.push(
        rowOf(record.bins, { "(key)": shownKey(record), "(gen)": record.generation, "(ttl)": record.ttlS }),
      );
      if (rows.length < TABLE_ROWS_MAX) continue;
      this.printRows(rows);
      rows = [];
    }
    this.printRows(rows);
    this.say(
      `${count} record${count === 1 ? "" : "s"}${hasMore ? ", and there are more (--limit N, --all)" : ""}`,
    );
  }
}

/** A key as the shell reads it: the user's, where the record has it, or the digest. */
function shownKey(record: ScanRecord): Value {
  return record.key ?? `#${toHex(record.digest)}`;
}
