import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import {
  CONFIG_DIAGNOSTICS_MAX,
  CONFIG_FILE_SIZE_MAX,
  CONFIG_LINE_LENGTH_MAX,
  type ConfNode,
  parseConf,
} from "./conf_parser.ts";
import { loadSettings } from "./load.ts";
import { parseYaml } from "./yaml_form.ts";

function problems(text: string): string[] {
  return parseConf(text, "f").diagnostics.map(({ line, message }) => `${line}: ${message}`);
}

function shape(nodes: readonly ConfNode[]): unknown[] {
  return nodes.map((
    { keyword, args, line, children },
  ) => [line, keyword, ...args, ...(children ? [shape(children)] : [])]);
}

describe("parseConf()", () => {
  it("gives lines and blocks with their line numbers, whatever the white space and comments", () => {
    const text =
      "# first\nservice {\r\n\tproto-fd-max   10 # ten\n}\n\nnamespace test {\n a b\tc d\n storage-engine memory {\n }\n}";
    assertEquals(shape(parseConf(text, "f").nodes), [
      [2, "service", [[3, "proto-fd-max", "10"]]],
      [6, "namespace", "test", [[7, "a", "b", "c", "d"], [8, "storage-engine", "memory", []]]],
    ]);
    assertEquals(problems(text), []);
  });

  const cases: [string, string[]][] = [
    ["service {", ['1: the block "service" opened on line 1 is not closed; add "}"']],
    ["}", ['1: "}" closes nothing; remove it']],
    ["service\n{\n}", [
      '2: "{" stands alone; put it at the end of the line that opens the block',
      '3: "}" closes nothing; remove it',
    ]],
    ["a { b }", ['1: a brace stands inside the line; end the line after "{" and put "}" on its own line']],
    ["a {\n} x", ['2: "}" must stand alone on its line']],
    ["a b c d e", ["1: the line has 5 words; a name takes at most 3 values"]],
    ["a".repeat(1024), [`1: the line has 1024 characters; give at most ${CONFIG_LINE_LENGTH_MAX}`]],
    ["a {\n".repeat(9) + "}\n".repeat(9), ["9: blocks are nested more than 8 deep"]],
  ];
  for (const [text, expected] of cases) {
    it(`reports ${expected[0].slice(0, 60)}`, () => assertEquals(problems(text), expected));
  }

  it("accepts the longest line and refuses a larger file", () => {
    assertEquals(problems("a".repeat(CONFIG_LINE_LENGTH_MAX)), []);
    assertEquals(problems("#".repeat(CONFIG_FILE_SIZE_MAX + 1)).length, 1);
  });

  it("stops after a hundred problems", () => {
    assertEquals(problems("}\n".repeat(5000)).length, CONFIG_DIAGNOSTICS_MAX);
    const unknown = loadSettings({ fileText: "nonsense 1\n".repeat(5000) }).diagnostics;
    assert(unknown.length <= CONFIG_DIAGNOSTICS_MAX + 10);
  });
});

const seed = `service {
  proto-fd-max 100
}
logging {
  console {
    context any info
  }
}
network {
  service {
    address any
    port 3000
  }
}
namespace test {
  default-ttl 30D
  nsup-period 120
  set users {
    default-ttl 10
  }
  storage-engine memory {
    data-size 1G
  }
}
`;

const pieces = fc.constantFrom(
  "{",
  "}",
  "\n",
  "#",
  " ",
  "-1",
  "99999999999P",
  "namespace x {",
  "set",
  "\u0000",
  "any",
  "é",
  "- ",
  ": ",
  "[",
  "&a",
  "*a",
);

/** A text with some characters replaced, removed or inserted. */
function mutated(text: string) {
  return fc.array(fc.tuple(fc.nat(text.length), fc.nat(20), pieces), { maxLength: 12 }).map((edits) => {
    let result = text;
    for (const [at, cut, piece] of edits) result = result.slice(0, at) + piece + result.slice(at + cut);
    return result;
  });
}

describe("loadSettings()", () => {
  it("never throws and always ends for mutated files", () => {
    fc.assert(
      fc.property(mutated(seed), (fileText) => {
        const result = loadSettings({ fileText, fileName: "f" });
        assertEquals(result.ok, !result.diagnostics.some(({ severity }) => severity === "error"));
      }),
      { numRuns: 500 },
    );
  });

  it("never throws and always ends for arbitrary text in both forms", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          mutated("namespaces:\n  test:\n    sets: {a: {default-ttl: 1}}\n"),
        ),
        (fileText) => {
          loadSettings({ fileText });
          loadSettings({ fileText, form: parseYaml });
        },
      ),
      { numRuns: 300 },
    );
  });

  it("never throws for arbitrary flags and environment names", () => {
    const part = fc.constantFrom(
      "namespace",
      "test",
      "set",
      "s",
      "service",
      "port",
      "network",
      "logging",
      "file",
      "",
      "storage-engine",
      "x",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.string(), (path, value) => {
        loadSettings({
          flags: [{ name: `--${path.join(".")}`, value }],
          env: { [`AERIE_${path.join("__").toUpperCase()}`]: value },
        });
      }),
      { numRuns: 500 },
    );
  });
});
