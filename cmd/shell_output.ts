/**
 * What the shell prints: records and rows as a table or as one line of JSON each.
 *
 * @module
 */

import type { Bins, Value } from "../src/client/mod.ts";
import { valueText } from "./shell_values.ts";
import { table } from "./table.ts";

/** How results are printed. */
export type OutputMode = "table" | "json";

/** A row of a result: values by column. */
export type Row = ReadonlyMap<string, Value>;

/** Cells of tables are cut here. */
const CELL_WIDTH_MAX = 60;
/** Rows that a table takes before it is printed: its columns are as wide as these need. */
export const TABLE_ROWS_MAX = 1000;

/** A row from a record and what is known beside its bins. */
export function rowOf(bins: Bins, extra: Readonly<Record<string, Value>> = {}): Row {
  return new Map([...Object.entries(extra), ...Object.entries(bins)]);
}

/** Rows as lines: each a JSON object, or together a table with the union of their columns. */
export function rowLines(rows: readonly Row[], mode: OutputMode): string[] {
  if (mode === "json") return rows.map(jsonLine);
  if (rows.length === 0) return [];
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  return table(
    rows,
    names.map((name) => ({
      title: printable(name),
      align: rows.every((row) => isNumber(row.get(name))) ? "right" : "left",
      cell: (row) => row.has(name) ? cellText(row.get(name)!) : "",
    })),
  );
}

function jsonLine(row: Row): string {
  return `{${[...row].map(([name, value]) => `${JSON.stringify(name)}:${valueText(value)}`).join(",")}}`;
}

function isNumber(value: Value | undefined): boolean {
  return value === undefined || typeof value === "number" || typeof value === "bigint";
}

function cellText(value: Value): string {
  const text = typeof value === "string" ? value : valueText(value);
  const clean = printable(text);
  return clean.length <= CELL_WIDTH_MAX ? clean : clean.slice(0, CELL_WIDTH_MAX - 1) + "…";
}

/** Control characters of stored texts must not reach the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
