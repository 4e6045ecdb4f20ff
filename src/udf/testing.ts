/**
 * Records and modules for tests of scripts.
 *
 * @module
 */

import { utf8, utf8Decode } from "../base/mod.ts";
import type { Clock, Compute, Log } from "../port/mod.ts";
import { BinTable, SOURCE } from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { UdfModules } from "./modules.ts";
import { UdfChanges, type UdfRecord } from "./record.ts";
import type { UdfValue } from "./script.ts";

/** A bin's value in tests: integer, text, boolean, or a particle as it stands. */
export type TestBin = number | string | boolean | UdfValue;

/** A record in memory. */
export function testRecord(bins: Record<string, TestBin> | undefined): UdfRecord {
  const table = new BinTable();
  const buffer: number[] = [];
  const rows: [nameAt: number, nameSize: number, value: TestBin, valueAt: number, valueSize: number][] = [];
  const add = (bytes: Uint8Array): number => buffer.push(...bytes) - bytes.length;
  for (const [name, value] of Object.entries(bins ?? {})) {
    const nameBytes = utf8(name);
    const valueBytes = typeof value === "string"
      ? utf8(value)
      : typeof value === "object"
      ? value.bytes
      : utf8("");
    rows.push([add(nameBytes), nameBytes.length, value, add(valueBytes), valueBytes.length]);
  }
  const request = Uint8Array.from(buffer);
  table.reset(new Uint8Array(0), request);
  for (const [nameAt, nameSize, value, valueAt, valueSize] of rows) {
    const row = table.add(SOURCE.REQUEST, nameAt, nameSize);
    if (typeof value === "number") {
      table.setNumber(row, PARTICLE.INTEGER, Math.floor(value / 2 ** 32), value | 0);
    } else if (typeof value === "boolean") table.setNumber(row, PARTICLE.BOOL, 0, value ? 1 : 0);
    else {
      const type = typeof value === "string" ? PARTICLE.STRING : value.type;
      table.setRange(row, type, SOURCE.REQUEST, valueAt, valueSize);
    }
  }
  return {
    table,
    exists: bins !== undefined,
    generation: bins === undefined ? 0 : 3,
    ttlS: 100,
    lastUpdateMs: 123_456,
    sizeBytes: 64,
    setName: utf8("demo"),
    digest: new Uint8Array(20).fill(7),
    key: Uint8Array.of(PARTICLE.STRING, ...utf8("key")),
  };
}

/** A value of a script in JavaScript: bytes in hexadecimal for what has no counterpart. */
export function shown({ type, bytes }: UdfValue): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (type) {
    case PARTICLE.NULL:
      return null;
    case PARTICLE.INTEGER:
      return Number(view.getBigInt64(0));
    case PARTICLE.FLOAT:
      return { float: view.getFloat64(0) };
    case PARTICLE.BOOL:
      return bytes[0] === 1;
    case PARTICLE.STRING:
      return utf8Decode(bytes);
    default:
      return `${type}:${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  }
}

/** Modules with the ports that they need. */
export class TestModules {
  /** The modules. */
  readonly modules: UdfModules;
  /** What scripts have logged. */
  readonly lines: string[] = [];
  /** What the last call wanted done. */
  readonly changes: UdfChanges = new UdfChanges();

  /** @param ports `clock` and `compute` of a platform or simulator */
  constructor(ports: { clock: Clock; compute: Compute }) {
    const log: Log = {
      enabled: () => true,
      write: (level, _context, text) => this.lines.push(`${level} ${text}`),
    };
    this.modules = new UdfModules({ ...ports, log, settings: { cacheEnabled: true, userPath: "/udf" } });
  }

  /** Registers `m.lua` and calls its function `f` on a record; the value, or the error as `{ error }`. */
  call(
    source: string,
    bins?: Record<string, TestBin>,
    argumentList: Uint8Array = Uint8Array.of(0x90),
  ): unknown {
    this.modules.set("m.lua", utf8(source));
    return this.again(bins, argumentList);
  }

  /** Calls `f` again, in the same state. */
  again(bins?: Record<string, TestBin>, argumentList: Uint8Array = Uint8Array.of(0x90), name = "f"): unknown {
    const end = this.modules.apply({
      moduleName: utf8("m"),
      functionName: utf8(name),
      arguments: argumentList,
      record: testRecord(bins),
      changes: this.changes,
    });
    return end.ok ? shown(end.value) : { error: end.text };
  }

  /** The value of an expression in Lua, within a function that has a record `rec`. */
  value(expression: string, bins?: Record<string, TestBin>): unknown {
    return this.call(`function f(rec) return ${expression} end`, bins);
  }
}
