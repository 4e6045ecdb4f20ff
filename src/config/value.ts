/**
 * Text of a value to the value, and back. Sizes and counts take the suffixes K, M, G, T, P (powers of 1024), times
 * take S, M, H, D; upper and lower case are the same. Source: server-operations reference, section 1.2.
 *
 * @module
 */
import { quoted } from "./diagnostic.ts";
import { KIB, type Option, type OptionValue, SIZE_MAX } from "./option.ts";

/** A value, or what is wrong with its text. */
export type ParsedValue = { ok: true; value: OptionValue } | { ok: false; problem: string; allowed?: string };

const sizeFactors: Readonly<Record<string, number>> = {
  "": 1,
  k: KIB,
  m: KIB ** 2,
  g: KIB ** 3,
  t: KIB ** 4,
  p: KIB ** 5,
};
const timeFactors: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * Reads the text of one value.
 *
 * @param option the row that says how
 * @param raw the text as a person wrote it, words separated by single spaces; empty when it was left out
 */
export function parseValue(option: Option, raw: string): ParsedValue {
  if (raw === "") {
    if (option.type === "bool") return { ok: true, value: true };
    return { ok: false, problem: "must have a value", allowed: describeAllowed(option) };
  }
  if (raw.split(" ").length > (option.wordsMax ?? 1)) {
    const words = option.wordsMax ?? 1;
    return {
      ok: false,
      problem: `takes ${words === 1 ? "one word" : `at most ${words} words`}, not ${shown(option, raw)}`,
    };
  }
  switch (option.type) {
    case "bool":
      return parseBool(option, raw);
    case "enum":
      if (option.values!.includes(raw)) return { ok: true, value: raw };
      return { ok: false, problem: `is ${shown(option, raw)}`, allowed: describeAllowed(option) };
    case "text":
      return { ok: true, value: raw };
    case "list":
      return { ok: true, value: [raw] };
    default:
      return parseNumber(option, raw);
  }
}

function parseBool(option: Option, raw: string): ParsedValue {
  const word = raw.toLowerCase();
  if (word === "true" || word === "false") return { ok: true, value: word === "true" };
  return { ok: false, problem: `is ${shown(option, raw)}`, allowed: describeAllowed(option) };
}

function parseNumber(option: Option, raw: string): ParsedValue {
  const word = option.words?.[raw.toLowerCase()];
  if (word !== undefined) return { ok: true, value: word };
  const isTime = option.type === "seconds";
  const match = (isTime ? /^(-?\d{1,20})([smhd]?)$/i : /^(-?\d{1,20})([kmgtp]?)$/i).exec(raw);
  const hasSuffix = match !== null && match[2] !== "";
  if (match === null || (hasSuffix && (option.type === "port" || option.type === "percent"))) {
    return { ok: false, problem: `is ${shown(option, raw)}, not a number`, allowed: describeAllowed(option) };
  }
  const factor = (isTime ? timeFactors : sizeFactors)[match[2].toLowerCase()];
  const value = Number(match[1]) * factor;
  if (!isAllowed(option, value)) {
    return { ok: false, problem: `is ${shown(option, raw)}, out of range`, allowed: describeAllowed(option) };
  }
  if (option.powerOfTwo && !isPowerOfTwo(value)) {
    return {
      ok: false,
      problem: `is ${shown(option, raw)}, not a power of two`,
      allowed: describeAllowed(option),
    };
  }
  return { ok: true, value };
}

function isAllowed(option: Option, value: number): boolean {
  if (!Number.isSafeInteger(value)) return false;
  if (option.special?.includes(value)) return true;
  const [low, high] = option.range ?? [0, SIZE_MAX];
  return value >= low && value <= high;
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value)) && 2 ** Math.log2(value) === value;
}

function shown(option: Option, raw: string): string {
  return option.secret ? "(a hidden value)" : quoted(raw);
}

/** The values that an option takes, for people: `1 to 128`, `true or false`, `one of all, off, one`. */
export function describeAllowed(option: Option): string {
  switch (option.type) {
    case "bool":
      return "true or false";
    case "enum":
      return option.values!.join(", ");
    case "text":
      return "a word";
    case "list":
      return (option.wordsMax ?? 1) === 1
        ? "a word, given as often as needed"
        : `up to ${option.wordsMax} words`;
    default:
      return describeNumbers(option);
  }
}

function describeNumbers(option: Option): string {
  const [low, high] = option.range ?? [0, SIZE_MAX];
  const parts = [
    ...Object.keys(option.words ?? {}),
    ...(option.special ?? []).filter((n) => n < low || n > high).map(String),
  ];
  const number = (value: number) => option.type === "size" ? sizeText(value) : String(value);
  parts.push(high >= SIZE_MAX ? `${number(low)} or more` : `${number(low)} to ${number(high)}`);
  const twos = option.powerOfTwo ? ", a power of two" : "";
  return parts.join(", ") + twos;
}

/** `16777216` as `16M`: the largest unit that leaves a whole number. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value !== 0 && value % KIB === 0 && unit < 5) {
    value /= KIB;
    unit++;
  }
  return `${value}${["", "K", "M", "G", "T", "P"][unit]}`;
}

/**
 * The value as `get-config` prints it: plain numbers, `null` for no text, words of a list joined by commas.
 *
 * @param option the row, which says whether the value is secret
 * @param value of the option's type
 */
export function formatValue(option: Option, value: OptionValue): string {
  if (typeof value === "object") return value.join(",");
  if (value === "") return "null";
  if (option.secret) return "(hidden)";
  for (const [word, number] of Object.entries(option.words ?? {})) if (value === number) return word;
  return String(value);
}

/** Whether two values of one option are the same. */
export function sameValue(left: OptionValue, right: OptionValue): boolean {
  if (typeof left === "object" && typeof right === "object") {
    return left.length === right.length && left.every((word, index) => word === right[index]);
  }
  return left === right;
}
