import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  bool,
  defineNames,
  GIB,
  int,
  KIB,
  list,
  MIB,
  oneOf,
  type OptionSpec,
  type OptionValue,
  percent,
  port,
  seconds,
  size,
  text,
} from "./option.ts";
import { describeAllowed, formatValue, parseValue, sizeText } from "./value.ts";

function row(spec: OptionSpec<boolean> | OptionSpec<number> | OptionSpec<string> | OptionSpec<string[]>) {
  return defineNames({ it: spec as OptionSpec<OptionValue> }).rows[0];
}

const doc = "an option";
const flag = row(bool(false, { doc }));
const count = row(int(1, { doc, range: [1, 4 * KIB] }));
const bytes = row(size(MIB, { doc, range: [64, 8 * MIB] }));
const twos = row(size(GIB, { doc, range: [128 * MIB, 16 * GIB], powerOfTwo: true }));
const time = row(seconds(0, { doc, range: [-1, 315_360_000] }));
const share = row(percent(50, { doc, range: [1, 99] }));
const listener = row(port(8081, { doc, words: { off: -1 } }));
const word = row(oneOf<string>(["all", "off"], "off", { doc }));
const name = row(text("", { doc }));
const hidden = row(text("", { doc, secret: true }));
const seeds = row(list({ doc, wordsMax: 2 }));

describe("parseValue()", () => {
  const good: [typeof flag, string, OptionValue][] = [
    [flag, "true", true],
    [flag, "FALSE", false],
    [flag, "", true],
    [count, "1", 1],
    [count, "4k", 4096],
    [bytes, "64", 64],
    [bytes, "8M", 8 * MIB],
    [bytes, "1m", MIB],
    [twos, "1G", GIB],
    [time, "30D", 2_592_000],
    [time, "2m", 120],
    [time, "1h", 3600],
    [time, "5S", 5],
    [time, "-1", -1],
    [share, "99", 99],
    [listener, "off", -1],
    [listener, "OFF", -1],
    [listener, "0", 0],
    [listener, "65535", 65535],
    [word, "all", "all"],
    [name, "any/thing", "any/thing"],
    [seeds, "10.0.0.1 3002", ["10.0.0.1 3002"]],
  ];
  for (const [option, raw, value] of good) {
    it(`reads ${JSON.stringify(raw)} as ${option.type} ${JSON.stringify(value)}`, () => {
      assertEquals(parseValue(option, raw), { ok: true, value });
    });
  }

  const bad: [typeof flag, string, string][] = [
    [flag, "yes", 'is "yes"'],
    [count, "", "must have a value"],
    [count, "0", 'is "0", out of range'],
    [count, "5K", 'is "5K", out of range'],
    [count, "lots", 'is "lots", not a number'],
    [count, "1.5", 'is "1.5", not a number'],
    [count, "99999999999999999999P", 'is "99999999999999999999P", out of range'],
    [bytes, "1H", 'is "1H", not a number'],
    [time, "1G", 'is "1G", not a number'],
    [time, "-2", 'is "-2", out of range'],
    [twos, "1000M", 'is "1000M", not a power of two'],
    [share, "1K", 'is "1K", not a number'],
    [listener, "80", 'is "80", out of range'],
    [word, "ALL", 'is "ALL"'],
    [name, "two words", 'takes one word, not "two words"'],
    [seeds, "a b c", 'takes at most 2 words, not "a b c"'],
    [hidden, "my secret", "takes one word, not (a hidden value)"],
  ];
  for (const [option, raw, problem] of bad) {
    it(`refuses ${JSON.stringify(raw)} as ${option.type}`, () => {
      const result = parseValue(option, raw);
      assertEquals(result.ok ? "accepted" : result.problem, problem);
    });
  }
});

describe("describeAllowed()", () => {
  it("names units, words and powers of two when the row has them", () => {
    assertEquals(describeAllowed(bytes), "64 to 8M");
    assertEquals(describeAllowed(twos), "128M to 16G, a power of two");
    assertEquals(describeAllowed(listener), "off, 0, 1024 to 65535");
    assertEquals(describeAllowed(word), "all, off");
  });
});

describe("formatValue()", () => {
  it("prints null for no text and hides secrets", () => {
    assertEquals(formatValue(name, ""), "null");
    assertEquals(formatValue(hidden, ""), "null");
    assertEquals(formatValue(hidden, "abc"), "(hidden)");
    assertEquals(formatValue(listener, -1), "off");
    assertEquals(formatValue(seeds, ["a", "b"]), "a,b");
  });
});

describe("sizeText()", () => {
  it("uses the largest unit that leaves a whole number", () => {
    assertEquals([0, 1023, 1024, 1536, 16 * MIB, GIB].map(sizeText), [
      "0",
      "1023",
      "1K",
      "1536",
      "16M",
      "1G",
    ]);
  });
});
