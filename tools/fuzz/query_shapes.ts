/**
 * Queries of all kinds, for mutation: indexes of every type and collection, by context and by expression, background
 * operations and functions, aggregations, calls of functions, info commands about indexes, modules and jobs. They only
 * reach the code they are for when indexes, records and a module are there: `QUERY_STAGE` puts those in place.
 *
 * @module
 */

import { encodeBase64, utf8 } from "../../src/base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  FIELD,
  INFO1,
  INFO2,
  INFO3,
  OP,
  PARTICLE,
  PROTO_TYPE_INFO,
} from "../../src/wire/mod.ts";
import {
  concat,
  encodeMessage,
  type Field,
  frameOf,
  type Message,
  type Operation,
} from "../replay/message.ts";
import type { Shape } from "./shapes.ts";

const SET = "fuzz";
/** The indexes that mutated commands make; those of the stage stay. */
const OTHER = { indexName: "mutated", set: "other" } as const;
const RECORD_COUNT = 64;
const FIRST_TASK = 11;
const POINT = '{"type":"Point","coordinates":[1,2]}';
const CIRCLE = '{"type":"AeroCircle","coordinates":[[1,2],5000]}';
const POLYGON = '{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]]]}';

/** Functions that the shapes call. */
const MODULE = `
function noop(rec) end
function put(rec, v) rec["u"] = v; aerospike:update(rec) end
function count(stream, by)
  return stream : map(function(rec) return (rec.n or 0) + (by or 0) end) : reduce(function(a, b) return a + b end)
end
function pick(stream) return stream : filter(function(rec) return rec.n ~= nil end) : map(function(rec) return map{n = rec.n} end) end
`;

/** An index, and a query that it answers. */
interface Subject {
  name: string;
  bin: string;
  type: "NUMERIC" | "STRING" | "BLOB" | "GEO2DSPHERE";
  particle: number;
  begin: Uint8Array;
  end?: Uint8Array;
  collection?: "LIST" | "MAPKEYS" | "MAPVALUES";
  context?: Uint8Array;
  expression?: Uint8Array;
}

/** Numbers of collections on the wire. */
const COLLECTIONS = { LIST: 1, MAPKEYS: 2, MAPVALUES: 3 } as const;

const NUMBER = { type: "NUMERIC", particle: PARTICLE.INTEGER, begin: integer(1), end: integer(9) } as const;
const TEXT = { type: "STRING", particle: PARTICLE.STRING, begin: utf8("abc") } as const;
const BLOB = { type: "BLOB", particle: PARTICLE.BLOB, begin: Uint8Array.of(1, 2, 3) } as const;
const GEO = { type: "GEO2DSPHERE", particle: PARTICLE.GEOJSON } as const;
/** Under key "k"; at index 0. */
const UNDER_KEY = Uint8Array.of(0x92, 0x22, 0xa2, 3, 0x6b);
const FIRST = Uint8Array.of(0x92, 0x10, 0);
/** Bin n plus 1. */
const NEXT_NUMBER = Uint8Array.of(0x93, 0x14, 0x93, 0x51, 2, 0xa1, 0x6e, 1);

const SUBJECTS: readonly Subject[] = [
  { name: "n", bin: "n", ...NUMBER },
  { name: "s", bin: "s", ...TEXT },
  { name: "b", bin: "b", ...BLOB },
  { name: "gp", bin: "gp", ...GEO, begin: utf8(CIRCLE) },
  { name: "gr", bin: "gr", ...GEO, begin: utf8(POINT) },
  { name: "l", bin: "l", ...NUMBER, collection: "LIST" },
  { name: "mk", bin: "m", ...TEXT, collection: "MAPKEYS" },
  { name: "mv", bin: "m", ...NUMBER, collection: "MAPVALUES" },
  { name: "lg", bin: "lg", ...GEO, begin: utf8(POLYGON), collection: "LIST" },
  { name: "ck", bin: "d", ...NUMBER, collection: "LIST", context: UNDER_KEY },
  { name: "cf", bin: "l", ...NUMBER, context: FIRST },
  { name: "e", bin: "", ...NUMBER, expression: NEXT_NUMBER },
];

const PARTITIONS: Uint8Array = Uint8Array.from(
  { length: 2 * 4096 },
  (_, at) => at % 2 === 0 ? (at >> 1) & 0xff : at >> 9,
);

/** Shapes of queries. */
export function queryShapes(): Shape[] {
  const number = SUBJECTS[0];
  return [
    ...SUBJECTS.flatMap((subject) => [
      shape(`query ${subject.name}`, query(subject)),
      shape(`query ${subject.name} by name`, query(subject, { byName: true })),
      shape(`background ${subject.name}`, operate(rangeFields(subject, false))),
    ]),
    shape("query that goes on", query(number, { more: RESUME })),
    shape("query of few records", query(number, { more: [field(FIELD.SAMPLE_MAX, integer(3))] })),
    shape("short query", query(number, { info1: INFO1.READ | INFO1.SHORT_QUERY })),
    shape("query with a filter", query(number, { more: [FILTER] })),
    shape("background operate", operate([])),
    shape("background operate with a filter", operate([FILTER])),
    shape("background function", background("noop", []), background("put", [7])),
    shape("background function by index", background("put", [7], rangeFields(number, false))),
    shape("aggregation", aggregate("count", [2]), aggregate("pick", [])),
    shape("aggregation by index", aggregate("count", [2], rangeFields(number, false))),
    shape("function", call("noop", []), call("put", [7])),
    ...SUBJECTS.map((subject) => shape(`info create ${subject.name}`, info(create(subject, OTHER)))),
    ...INFO_COMMANDS.map((command) => shape(`info ${command}`, info(command))),
    shape("info udf-put", info(putModule("mutated.lua"))),
  ];
}

const INFO_COMMANDS: readonly string[] = [
  "sindex-list:namespace=test",
  "sindex-list:ns=test;b64=true",
  "sindex-stat:namespace=test;indexname=n",
  "sindex/test",
  "sindex/test/n",
  "sindex-exists:namespace=test;indexname=n",
  "sindex-delete:namespace=test;indexname=mutated",
  "query-show",
  "query-show:id=11",
  "query-abort:id=11",
  "query-abort-all",
  "udf-list",
  "udf-get:filename=fuzz.lua",
  "udf-remove:filename=mutated.lua",
];

/** Requests that put indexes, records and the module in place; they may be sent again and again. */
export function queryStage(): Uint8Array[] {
  const commands = [
    putModule("fuzz.lua"),
    `sindex-create:namespace=test;set=${SET};indexname=set;indextype=SET`,
    ...SUBJECTS.map((subject) => create(subject, { indexName: subject.name, set: SET })),
  ];
  return [...commands.map(info), ...Array.from({ length: RECORD_COUNT }, (_, number) => record(number))];
}

function shape(name: string, ...frames: Uint8Array[]): Shape {
  return { name, frames };
}

function info(command: string): Uint8Array {
  return frameOf(utf8(`${command}\n`), PROTO_TYPE_INFO);
}

function putModule(fileName: string): string {
  const content = encodeBase64(utf8(MODULE));
  return `udf-put:filename=${fileName};content=${content};content-len=${content.length};udf-type=LUA;`;
}

function create(
  { bin, type, collection, context, expression }: Subject,
  { indexName, set }: { indexName: string; set: string },
): string {
  const parts = [`sindex-create:namespace=test;set=${set};indexname=${indexName}`];
  if (context !== undefined) parts.push(`context=${encodeBase64(context)}`);
  if (collection !== undefined) parts.push(`indextype=${collection}`);
  parts.push(expression === undefined ? `bin=${bin}` : `exp=${encodeBase64(expression)}`, `type=${type}`);
  return parts.join(";");
}

/** A record with a value for every index. */
function record(number: number): Uint8Array {
  const small = number % 100;
  const list = Uint8Array.of(0x93, small, 5, 0xa4, 3, 0x61, 0x62, 0x63);
  return message({
    info2: INFO2.WRITE,
    fields: [...HEAD, field(FIELD.DIGEST, digest(number))],
    ops: [
      op(OP.WRITE, "n", PARTICLE.INTEGER, integer(small)),
      op(OP.WRITE, "s", PARTICLE.STRING, utf8("abc")),
      op(OP.WRITE, "b", PARTICLE.BLOB, Uint8Array.of(1, 2, 3)),
      op(OP.WRITE, "l", PARTICLE.LIST, list),
      op(OP.WRITE, "m", PARTICLE.MAP, Uint8Array.of(0x81, 0xa4, 3, 0x61, 0x62, 0x63, small)),
      op(OP.WRITE, "d", PARTICLE.MAP, Uint8Array.of(0x81, 0xa2, 3, 0x6b, ...list)),
      op(OP.WRITE, "gp", PARTICLE.GEOJSON, geo(POINT)),
      op(OP.WRITE, "gr", PARTICLE.GEOJSON, geo(POLYGON)),
      op(OP.WRITE, "lg", PARTICLE.LIST, Uint8Array.of(0x91, 0xd9, POINT.length + 1, 23, ...utf8(POINT))),
    ],
  });
}

const HEAD: readonly Field[] = [field(FIELD.NAMESPACE, utf8("test")), field(FIELD.SET, utf8(SET))];
/** Bin n is above 3. */
const FILTER: Field = field(FIELD.FILTER_EXP, Uint8Array.of(0x93, 3, 0x93, 0x51, 2, 0xa1, 0x6e, 3));
const RESUME: readonly Field[] = [
  field(FIELD.DIGEST_ARRAY, digest(1)),
  field(FIELD.BVAL_ARRAY, Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0)),
];

function query(
  subject: Subject,
  options: { byName?: boolean; more?: readonly Field[]; info1?: number } = {},
): Uint8Array {
  const { more = [], info1 = INFO1.READ } = options;
  const whole = more === RESUME ? [] : [field(FIELD.PID_ARRAY, PARTITIONS)];
  return message({
    info1,
    info3: INFO3.PARTITION_DONE,
    fields: [...HEAD, ...rangeFields(subject, options.byName === true), ...whole, ...more],
  });
}

function operate(more: readonly Field[]): Uint8Array {
  return message({
    info2: INFO2.WRITE,
    fields: [...HEAD, ...more],
    ops: [op(OP.INCR, "n", PARTICLE.INTEGER, integer(1))],
  });
}

function background(name: string, args: readonly number[], more: readonly Field[] = []): Uint8Array {
  return message({
    info2: INFO2.WRITE,
    fields: [
      ...HEAD,
      // Task ids of two jobs that run at the same time must not be equal.
      field(FIELD.TRID, integer(FIRST_TASK + args.length + 2 * more.length)),
      ...more,
      field(FIELD.UDF_OP, Uint8Array.of(2)),
      ...udf(name, args),
    ],
  });
}

function aggregate(name: string, args: readonly number[], more: readonly Field[] = []): Uint8Array {
  return message({
    info1: INFO1.READ,
    info3: INFO3.PARTITION_DONE,
    fields: [...HEAD, ...more, field(FIELD.UDF_OP, Uint8Array.of(1)), ...udf(name, args)],
  });
}

function call(name: string, args: readonly number[]): Uint8Array {
  const fields = [...HEAD, field(FIELD.DIGEST, digest(2)), ...udf(name, args)];
  return message({ info2: INFO2.WRITE, fields });
}

function udf(name: string, args: readonly number[]): Field[] {
  return [
    field(FIELD.UDF_FILENAME, utf8("fuzz")),
    field(FIELD.UDF_FUNCTION, utf8(name)),
    field(FIELD.UDF_ARGLIST, Uint8Array.of(0x90 + args.length, ...args)),
  ];
}

function rangeFields(subject: Subject, byName: boolean): Field[] {
  const { name, bin, particle, begin, end = begin, collection, context, expression } = subject;
  const binName = utf8(byName ? "" : bin);
  const fields = [
    field(
      FIELD.INDEX_RANGE,
      concat([Uint8Array.of(1, binName.length), binName, Uint8Array.of(particle), sized(begin), sized(end)]),
    ),
  ];
  if (collection !== undefined) {
    fields.push(field(FIELD.INDEX_TYPE, Uint8Array.of(COLLECTIONS[collection])));
  }
  if (byName) fields.push(field(FIELD.INDEX_NAME, utf8(name)));
  else if (context !== undefined) fields.push(field(FIELD.INDEX_CONTEXT, context));
  else if (expression !== undefined) fields.push(field(FIELD.INDEX_EXPRESSION, expression));
  return fields;
}

function message(parts: Partial<Message>): Uint8Array {
  return frameOf(encodeMessage({
    ...{ headerSize: AS_MSG_HEADER_SIZE, info1: 0, info2: 0, info3: 0, info4: 0 },
    ...{ result: 0, generation: 0, ttl: 0, transactionTtl: 1000, fields: [], ops: [] },
    ...parts,
  }));
}

function field(type: number, value: Uint8Array): Field {
  return { type, value };
}

function op(code: number, name: string, particle: number, value: Uint8Array): Operation {
  return { op: code, particle, flags: 0, name, value };
}

function integer(value: number): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, value);
}

function sized(bytes: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(0, 0, bytes.length >> 8, bytes.length & 0xff), bytes]);
}

function geo(json: string): Uint8Array {
  return Uint8Array.of(0, 0, 0, ...utf8(json));
}

/** A digest of its own for each number. */
function digest(number: number): Uint8Array {
  return Uint8Array.from({ length: 20 }, (_, at) => (number * 37 + at * 11) & 0xff);
}
