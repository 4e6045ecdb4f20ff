import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ResultCode, utf8 } from "../../base/mod.ts";
import { compileExpression } from "./program.ts";
import { bin, encodeTerm, Name, type Term } from "./testing.ts";
import { compileRegex, REGEX_FLAG } from "./regex.ts";

const { EXTENDED, ICASE, NEWLINE } = REGEX_FLAG;

function matches(pattern: string, flags: number, subject: string): boolean | undefined {
  const bytes = utf8(subject);
  return compileRegex(utf8(pattern), flags)?.test(bytes, 0, bytes.length);
}

/** What glibc's regcomp and regexec answer in the C locale; undefined: the pattern does not compile. */
const GLIBC:
  readonly (readonly [pattern: string, flags: number, subject: string, outcome: boolean | undefined])[] = [
    ["a.c", 0, "xabcx", true],
    ["a+", 0, "a+", true],
    ["a+", 0, "aa", false],
    ["a\\+$", 0, "aa", true],
    ["\\(ab\\)\\{2\\}", 0, "abab", true],
    ["(ab){2}", 0, "abab", false],
    ["(ab){2}", EXTENDED, "abab", true],
    ["*a", 0, "*a", true],
    ["*a", EXTENDED, "*a", undefined],
    ["^*", 0, "*", true],
    ["^*", EXTENDED, "*", undefined],
    ["a**", 0, "a", undefined],
    ["a**", EXTENDED, "a", true],
    ["a^b$c", 0, "a^b$c", true],
    ["a^b", EXTENDED, "a^b", false],
    ["^^", 0, "^", true],
    ["a|b", 0, "b", false],
    ["a\\|b", 0, "b", true],
    ["a|", EXTENDED, "", true],
    ["a{,2}b", EXTENDED, "aab", true],
    ["a{2", EXTENDED, "aa", undefined],
    ["a{2,1}", EXTENDED, "aa", undefined],
    ["{1}", EXTENDED, "", undefined],
    ["(", EXTENDED, "(", undefined],
    [")", EXTENDED, ")", true],
    ["\\)", 0, ")", undefined],
    ["[]a]", 0, "]", true],
    ["[^]a]", 0, "]a", false],
    ["[a-]", 0, "-", true],
    ["[b-a]", 0, "a", undefined],
    ["[[:alpha:]]", 0, "1x", true],
    ["[[:nope:]]", 0, "n", undefined],
    ["[[.-.]]", 0, "-", true],
    ["[a", 0, "a", undefined],
    ["\\", 0, "\\", undefined],
    ["AB", ICASE, "xaBx", true],
    ["[^a]", ICASE, "A", false],
    ["É", ICASE, "é", false],
    ["^.$", 0, "é", false],
    ["^..$", 0, "é", true],
    ["a.b", 0, "a\nb", true],
    ["a.b", NEWLINE, "a\nb", false],
    ["^b", 0, "a\nb", false],
    ["^b", NEWLINE, "a\nb", true],
    ["a[^x]b", NEWLINE, "a\nb", false],
    ["\\w\\W", 0, "a ", true],
    ["\\bab\\b", 0, "x ab y", true],
    ["", 0, "anything", true],
  ];

Deno.test("compileRegex() matches what glibc matches", () => {
  for (const [pattern, flags, subject, outcome] of GLIBC) {
    assertEquals(matches(pattern, flags, subject), outcome, `${pattern} with ${flags} on ${subject}`);
  }
});

Deno.test("compileRegex() looks at pattern and text up to their first NUL", () => {
  assertEquals(matches("a\0b", 0, "xa"), true);
  assertEquals(matches("b", 0, "a\0b"), false);
});

Deno.test("compileRegex() refuses references to groups", () => {
  assertEquals(matches("\\(a\\)\\1", 0, "aa"), undefined);
});

Deno.test("compileRegex() refuses what would be large, and matches the rest in time that the text bounds", () => {
  assertEquals(compileRegex(utf8("((a{100}){100}){100}"), EXTENDED), undefined);
  assertEquals(compileRegex(utf8("a{1001}"), EXTENDED), undefined);
  assertEquals(compileRegex(utf8("(".repeat(200) + ")".repeat(200)), EXTENDED), undefined);
  assertEquals(matches("(a*)*(a|aa)+$", EXTENDED, "a".repeat(20_000) + "b"), false);
});

Deno.test("compileExpression() limits the regular expressions of one expression together", () => {
  const regex = (pattern: string): Term => [7, EXTENDED, new Name(pattern), bin(3, "s")];
  const either = (count: number, pattern: string) =>
    compileExpression(encodeTerm([17, ...new Array<Term>(count).fill(regex(pattern))]));
  assert(typeof either(64, "a") !== "number");
  assertEquals(either(65, "a"), ResultCode.PARAMETER);
  assertEquals(either(12, "a{900}"), ResultCode.PARAMETER);
});

Deno.test("compileRegex() finds the same when its memory is short", () => {
  const regex = compileRegex(utf8("(a|b)*a(a|b){8}$"), EXTENDED)!;
  regex.limitMemory(4096);
  const bytes = utf8("abbabaab".repeat(2000));
  assertEquals(regex.test(bytes, 0, bytes.length), false);
  assertEquals(regex.test(bytes, 0, bytes.length - 1), true);
});

Deno.test("compileRegex() never throws", () => {
  const piece = fc.constantFrom(
    "a",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "1",
    ",",
    "\\",
    "*",
    "+",
    "?",
    "|",
    "^",
    "$",
    ".",
    "-",
    "[:",
    ":]",
    "é",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(15), fc.string(), (pieces, flags, subject) => {
      matches(pieces.join(""), flags, subject);
    }),
    { numRuns: 2000 },
  );
});
