/**
 * What one row of the option table holds, and the short builders that the tables are written with. A table is keyed by
 * the field of the settings object, so that the compiler checks that table and settings agree, field by field.
 *
 * @module
 */
import { assert } from "../base/mod.ts";

/**
 * What a setting does in this version. `active`: it works. `accepted`: it is read and reported, and has no effect.
 * `unsupported`: its name is known; a value other than the default is an error.
 */
export type OptionStatus = "active" | "accepted" | "unsupported";

/** How the text of a value is read. Numbers are kept in the option's unit: sizes in bytes, seconds in seconds. */
export type OptionType = "bool" | "int" | "size" | "seconds" | "percent" | "port" | "enum" | "text" | "list";

/** What a builder says about a row, apart from type and default. */
export interface OptionDetails {
  /** One line for people: what the setting does. */
  doc: string;
  /** What it does in this version; `active` when not given. */
  status?: OptionStatus;
  /** May be changed at run time. */
  dynamic?: boolean;
  /** Smallest and largest value, in the option's unit. */
  range?: readonly [number, number];
  /** Numbers outside the range that are allowed too, for example 0 for "none". */
  special?: readonly number[];
  /** Words that stand for numbers, for example `off`. */
  words?: Readonly<Record<string, number>>;
  /** The value must be a power of two. */
  powerOfTwo?: boolean;
  /** Unit of a number, when the type does not say it: `ms`, `µs`, `bytes`. */
  unit?: string;
  /** Name in the file, when it is not the field in kebab case. */
  name?: string;
  /** How many words one value has at most, for example 2 for "host port". */
  wordsMax?: number;
  /** No warning when an accepted setting is given, because it does no harm. */
  quiet?: boolean;
  /** The value is never printed. */
  secret?: boolean;
  /** Why it is refused or ignored, and what to use instead. */
  instead?: string;
}

/** A row before its field and name are known. */
export interface OptionSpec<V> extends OptionDetails {
  /** How the text of a value is read. */
  type: OptionType;
  /** Value when nobody gives one. */
  default: V;
  /** Words of an enumeration. */
  values?: readonly string[];
}

/** What the value of any option can be. */
export type OptionValue = boolean | number | string | readonly string[];

/** One row of the option table. */
export interface Option extends OptionSpec<OptionValue> {
  /** Name in the file, in flags and in get-config. */
  name: string;
  /** Field of the settings object. */
  field: string;
  /** What it does in this version. */
  status: OptionStatus;
  /** May be changed at run time. */
  dynamic: boolean;
}

/** The rows of one context, in the order in which get-config prints them. */
export interface OptionTable {
  /** All rows. */
  readonly rows: readonly Option[];
  /** Rows by the name in the file. */
  readonly byName: ReadonlyMap<string, Option>;
}

/** Exactly one row per field of the settings object, of the field's type. */
export type OptionsOf<T> = { readonly [K in keyof T]-?: OptionSpec<T[K]> };

/** Largest value of a count without its own bound. */
export const COUNT_MAX = 0xffff_ffff;

/** Largest value of a size without its own bound. */
export const SIZE_MAX = Number.MAX_SAFE_INTEGER;

/** Factors of the suffixes of integers. */
export const KIB = 1024;
/** 1024 KiB. */
export const MIB = 1024 * KIB;
/** 1024 MiB. */
export const GIB = 1024 * MIB;
/** 1024 GiB. */
export const TIB = 1024 * GIB;

/** A row for `true` or `false`. */
export function bool(value: boolean, details: OptionDetails): OptionSpec<boolean> {
  return { type: "bool", default: value, ...details };
}

/** A row for a count. */
export function int(value: number, details: OptionDetails): OptionSpec<number> {
  return { type: "int", default: value, range: [0, COUNT_MAX], ...details };
}

/** A row for a number of milliseconds. */
export function ms(value: number, details: OptionDetails): OptionSpec<number> {
  return { type: "int", default: value, range: [0, COUNT_MAX], unit: "ms", ...details };
}

/** A row for a number of bytes; the text may end in K, M, G, T or P. */
export function size(value: number, details: OptionDetails): OptionSpec<number> {
  return { type: "size", default: value, range: [0, SIZE_MAX], unit: "bytes", ...details };
}

/** A row for a time in seconds; the text may end in S, M, H or D. */
export function seconds(value: number, details: OptionDetails): OptionSpec<number> {
  return { type: "seconds", default: value, range: [0, COUNT_MAX], unit: "s", ...details };
}

/** A row for a percentage. */
export function percent(value: number, details: OptionDetails): OptionSpec<number> {
  return { type: "percent", default: value, range: [0, 100], unit: "%", ...details };
}

/** A row for a TCP or UDP port; 0 lets the system choose a free one. */
export function port(value: number, details: OptionDetails): OptionSpec<number> {
  return { type: "port", default: value, range: [1024, 65535], special: [0], ...details };
}

/** A row for one of several words. */
export function oneOf<V extends string>(
  values: readonly string[],
  value: V,
  details: OptionDetails,
): OptionSpec<V> {
  assert(values.includes(value), `default "${value}" is not one of ${values.join(", ")}`);
  return { type: "enum", default: value, values, ...details };
}

/** A row for free text; the empty text means none. */
export function text(value: string, details: OptionDetails): OptionSpec<string> {
  return { type: "text", default: value, ...details };
}

/** A row for a setting that may be given several times. */
export function list(details: OptionDetails): OptionSpec<string[]> {
  return { type: "list", default: [], ...details };
}

/**
 * Makes the table of one context.
 *
 * @param rows one row per field, in get-config's order
 */
export function defineOptions<T extends object>(rows: OptionsOf<T>): OptionTable {
  const options: Option[] = Object.entries<OptionSpec<OptionValue>>(
    rows as Record<string, OptionSpec<OptionValue>>,
  ).map(([field, spec]) => ({
    ...spec,
    field,
    name: spec.name ?? kebabCase(field),
    status: spec.status ?? "active",
    dynamic: spec.dynamic ?? false,
  }));
  return { rows: options, byName: new Map(options.map((option) => [option.name, option])) };
}

/** A table of names that are known but have no settings object yet. */
export function defineNames(rows: Readonly<Record<string, OptionSpec<OptionValue>>>): OptionTable {
  return defineOptions(rows as OptionsOf<Record<string, OptionValue>>);
}

/** `protoFdMax` to `proto-fd-max`. */
export function kebabCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `mesh-seed-address-port` to `mesh-seed-address-ports`, `address` to `addresses`: the YAML name of a list. */
export function pluralName(name: string): string {
  return name.endsWith("s") ? `${name}es` : `${name}s`;
}
