import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { utf8 } from "../base/mod.ts";
import { createPlatform } from "../platform/mod.ts";
import { TestModules } from "./testing.ts";

const { clock, compute } = await createPlatform();
const tests = new TestModules({ compute, clock: { ...clock, monotonicMs: () => 0 } });

function errorOf(body: string): string {
  const end = tests.call(`function f(rec) ${body} end`, { a: 1 }) as { error?: string } | null;
  return end?.error ?? `no error: ${JSON.stringify(end)}`;
}

describe("The sandbox", () => {
  for (
    const name of [
      "io",
      "package",
      "debug.getregistry",
      "load",
      "loadstring",
      "loadfile",
      "dofile",
      "string.dump",
      "os.execute",
      "os.exit",
      "os.getenv",
      "os.remove",
      "os.rename",
      "os.tmpname",
      "os.setlocale",
    ]
  ) {
    it(`has no ${name}`, () => {
      const [table, field] = name.split(".");
      const expression = field === undefined
        ? `type(${table})`
        : `type(${table}) == 'table' and type(${table}.${field}) or 'nil'`;
      assertEquals(tests.value(expression), "nil");
    });
  }

  it("takes no bytecode", () => {
    const fault = tests.modules.check("m.lua", Uint8Array.of(0x1b, ...utf8("Lua"), 0x54, 0));
    assertMatch(fault?.message ?? "", /binary chunk/);
  });

  it("makes no finalizers", () => {
    assertMatch(errorOf("setmetatable({}, { __gc = function() while true do end end })"), /finalizers/);
    assertEquals(
      tests.call(`
        local mt = {}
        function f()
          local t = setmetatable({}, mt)
          mt.__gc = function() while true do end end
          for i = 1, 100000 do t = { t and i } end
          return 1
        end`),
      1,
      "nor by adding one later",
    );
    assertMatch(errorOf("local mt = { __gc = error } pcall(setmetatable, {}, mt) list().x = 1"), /integer/);
  });

  it("hides the metatables of its types", () => {
    assertEquals(tests.value("getmetatable(list()) == List and getmetatable(rec) == Record", { a: 1 }), true);
    assertMatch(errorOf("setmetatable(list(), {})"), /table expected/);
    assertMatch(
      errorOf("List.__index = error List.__gc = error return list{1}[1] + error('reached')"),
      /reached/,
    );
    assertEquals(tests.value("getmetatable('')"), false);
  });

  it("keeps modules apart", () => {
    tests.modules.set("other.lua", utf8("secret = 1 string.upper = nil function f() return secret end"));
    assertEquals(tests.value("secret"), null);
    assertEquals(tests.value("('a'):upper()"), "A");
  });

  it("does not give a record to a later call", () => {
    tests.call("local kept function f(rec) kept = kept or rec return kept.a end", { a: 1 });
    assertMatch((tests.again({ a: 2 }) as { error: string }).error, /a call that is over/);
  });

  it("requires registered modules alone", () => {
    tests.modules.set("lib.lua", utf8("local M = {} function M.twice(n) return 2 * n end return M"));
    assertEquals(tests.value("require('lib').twice(4)"), 8);
    assertMatch(errorOf("require('absent')"), /module 'absent' not found/);
    assertMatch(errorOf("require('../lib')"), /not found/);
    assertEquals(tests.value("require('string').upper('x')"), "X");
    tests.modules.set("a.lua", utf8("require('b')"));
    tests.modules.set("b.lua", utf8("require('a')"));
    assertEquals(tests.value("require('a')"), true, "modules that require each other");
  });

  it("writes log lines without control characters, and not too many", () => {
    tests.lines.length = 0;
    tests.call(`function f() info("a %d\\n%s", 1, "b") warn("w") trace("t") debug("d") print("p", 1) end`);
    assertEquals(tests.lines, [
      "info (m) a 1 b",
      "warning (m) w",
      "detail (m) t",
      "debug (m) d",
      "info (m) p 1",
    ]);
    tests.lines.length = 0;
    tests.call(`function f() for i = 1, 1000 do info("x") end end`);
    assertEquals(tests.lines.length, 64);
  });

  it("answers errors that are no texts", () => {
    assertEquals(errorOf("error({})"), "the error is not a text");
    assertEquals(errorOf("error()"), "the error is not a text");
    assertMatch(
      errorOf("error(setmetatable({}, { __tostring = function() while true do end end }))"),
      /not a text/,
    );
  });
});
