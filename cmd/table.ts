/**
 * Tables on a terminal.
 *
 * @module
 */

/** Which side the cells of a column stick to. */
export type Align = "left" | "right";

/** A column: its title, which side its cells stick to, and the cell of a row. */
export interface Column<Row> {
  /** Its first line. */
  title: string;
  /** Side of the cells. */
  align: Align;
  /** Text of a row's cell, one line. */
  cell: (row: Row) => string;
}

/**
 * A table with a line of titles; columns are two spaces apart.
 *
 * @param rows one per line
 * @param columns their titles and cells
 */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => cell(row))),
  ];
  const widths = columns.map((_, at) => lines.reduce((width, line) => Math.max(width, line[at].length), 0));
  return lines.map((line) =>
    line.map((text, at) => columns[at].align === "left" ? text.padEnd(widths[at]) : text.padStart(widths[at]))
      .join("  ").trimEnd()
  );
}
