import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { UDF_CALL_TIME_MAX_MS, UDF_INSTRUCTION_COUNT_MAX, utf8 } from "../base/mod.ts";
import { createPlatform } from "../platform/mod.ts";
import { TestModules } from "./testing.ts";

const ports = await createPlatform();
const { compute } = ports;
const tests = new TestModules(ports);
// A machine that is busy must not stop scripts that are to end.
const patient = new TestModules({ compute, clock: { ...ports.clock, monotonicMs: () => 0 } });
const STOPPED = {
  error: `the call was stopped: it ran for longer than ${UDF_INSTRUCTION_COUNT_MAX} instructions`,
};

/** Scripts that would run for ever, or for very long. */
const ENDLESS: Record<string, string> = {
  "a loop": "while true do end",
  "pcall around a loop": "while true do pcall(function() while true do end end) end",
  "pcall in pcall": "local function p() while true do pcall(p) end end p()",
  "xpcall whose handler loops": "while true do xpcall(error, function() while true do end end) end",
  "xpcall of what is stopped": "xpcall(function() while true do end end, function() while true do end end)",
  "coroutines that each do little": "while true do coroutine.wrap(function() for i = 1, 90 do end end)() end",
  "a coroutine that loops": "local c = coroutine.create(function() while true do end end) " +
    "while true do coroutine.resume(c) end",
  "coroutines that yield for ever":
    "local c = coroutine.wrap(function() while true do coroutine.yield() end end) " +
    "while true do c() end",
  "pcall in a coroutine":
    "local c = coroutine.wrap(function() while true do pcall(function() while true do end end) " +
    "end end) while true do pcall(c) end",
  "a pattern with many ways to match": "return (('a'):rep(60)):find(('a-'):rep(30) .. 'b')",
  "a pattern in pcall": "while true do pcall(string.find, ('a'):rep(60), ('a*'):rep(30) .. 'b') end",
  "gsub with a callback that loops": "return ('abc'):gsub('.', function() while true do end end)",
  "gmatch of nothing": "while true do for _ in ('abc'):gmatch('') do end end",
  "a plain search in a long text":
    "local s = ('a'):rep(1e6) while true do s:find(('a'):rep(5e5) .. 'b', 1, true) end",
  "table.move of nothing": "table.move({}, 1, 1 << 60, 2)",
  "table.concat with a C function as index":
    "table.concat(setmetatable({}, { __index = type }), '', 1, 1 << 60)",
  "table.insert behind a length that is made up":
    "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 0)",
  "table.remove with such a length":
    "table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)",
  "table.unpack of many": "while true do table.unpack({}, 1, 1e5) end",
  "sort with a comparison that loops": "table.sort({ 3, 2, 1 }, function() while true do end end)",
  "sort of much": "local t = {} for i = 1, 2e5 do t[i] = -i end while true do table.sort(t) end",
  "__index that calls itself through tables":
    "local t = {} setmetatable(t, { __index = function(_, k) return t[k] end }) " +
    "while true do pcall(function() return t.x end) end",
  "__close that loops":
    "local x <close> = setmetatable({}, { __close = function() while true do end end }) " +
    "while true do end",
  "an iterator that does not end": "for _ in function() return 1 end do end",
  "goto": "::again:: goto again",
  "texts that grow by a letter": "local s = '' while true do s = s .. 'x' end",
  "comparison of long texts": "local a, b = ('x'):rep(4e6) .. 'a', ('x'):rep(4e6) .. 'b' while a < b do end",
  "lists that grow":
    "local l = list() while true do list.append(l, 1) if list.size(l) > 1000 then l = list() end end",
  "log lines without end": "while true do info('x') end",
  "require of a module that loops": "while true do pcall(require, 'loop') end",
};

describe("A script", () => {
  for (const [title, body] of Object.entries(ENDLESS)) {
    it(`is stopped when it has ${title}`, () => {
      tests.modules.set("loop.lua", utf8("while true do end"));
      const end = tests.call(`function f(rec) ${body} end`, { a: 1 }) as { error?: string };
      assertMatch(
        end?.error ?? "no error",
        /^the call was stopped: it ran for longer than|^not enough memory$/,
      );
      assertEquals(tests.value("rec.a", { a: 5 }), 5, "the next call runs");
    });
  }

  it("runs again in the same state after it was stopped", () => {
    tests.call("function f() while true do end end function g() return 7 end");
    assertEquals(tests.again({}, Uint8Array.of(0x90), "g"), 7);
    assertEquals(tests.again({}), STOPPED);
    assertEquals(tests.again({}, Uint8Array.of(0x90), "g"), 7);
  });

  it("is stopped when it has taken longer than its time", () => {
    let nowMs = 0;
    const slow = new TestModules({ compute, clock: { ...ports.clock, monotonicMs: () => nowMs += 2 } });
    assertEquals(slow.call("function f() while true do end end"), {
      error: `the call was stopped: it ran for longer than ${UDF_CALL_TIME_MAX_MS} ms`,
    });
  });

  it("looks at the time in small steps from the moment at which it has long texts", () => {
    let nowMs = 0;
    const slow = new TestModules({ compute, clock: { ...ports.clock, monotonicMs: () => nowMs += 20 } });
    const body = "local n = 0 for i = 1, 100 do if a < b then n = n + 1 end end return n";
    assertEquals(slow.call(`function f() local a, b = 'a', 'b' ${body} end`), 100);
    assertEquals(
      slow.call(`function f() local a, b = ('x'):rep(3e6) .. 'a', ('x'):rep(3e6) .. 'b' ${body} end`),
      {
        error: `the call was stopped: it ran for longer than ${UDF_CALL_TIME_MAX_MS} ms`,
      },
    );
  });

  it("runs when the process stands still while its module is prepared", () => {
    let nowMs = 0;
    const paused = new TestModules({ compute, clock: { ...ports.clock, monotonicMs: () => nowMs += 300 } });
    assertEquals(paused.call("function f() return 1 end"), 1);
  });

  it("may run for a while", () => {
    assertEquals(
      tests.value("(function() local n = 0 for i = 1, 500000 do n = n + 1 end return n end)()"),
      500_000,
    );
  });
});

/** Scripts that would take all memory, or all of the machine's stack. */
const GREEDY: Record<string, [body: string, error: RegExp]> = {
  "string.rep": ["return ('x'):rep(1e9)", /not enough memory|resulting string too large/],
  "string.rep of nothing": ["return #(''):rep(1 << 60)", /^0$/],
  "texts that double": ["local s = 'x' while true do s = s .. s end", /not enough memory/],
  "a table": ["local t = {} for i = 1, 1e9 do t[i] = {} end", /not enough memory/],
  "table.concat": [
    "local t = {} for i = 1, 1e5 do t[i] = ('x'):rep(1000) end return table.concat(t)",
    /not enough memory|stopped/,
  ],
  "string.format": [
    "local t = {} for i = 1, 1e6 do t[i] = ('%99d'):format(i) end",
    /not enough memory|stopped/,
  ],
  "bytes": ["return bytes(1e9)", /a size is between 0 and/],
  "a list's index": ["local l = list() l[1 << 40] = 1", /out of range/],
  "recursion": [
    "local function r() return 1 + r() end return r()",
    /stack overflow|not enough memory|stopped/,
  ],
  "recursion through pcall": [
    "local function r() return pcall(r) end return (r())",
    /^true$|^false$|stack overflow/,
  ],
  "recursion through tostring": [
    "local m = {} m.__tostring = function(t) return tostring(t) .. 'x' end return tostring(setmetatable({}, m))",
    /C stack overflow/,
  ],
  "recursion through gsub": [
    "local function r() return ('x'):gsub('x', r) end return r()",
    /stack overflow|stopped|not enough memory/,
  ],
  "recursion through coroutines": [
    "local function r() return coroutine.wrap(r)() end return r()",
    /C stack overflow|stopped|not enough memory/,
  ],
  "recursion of a pattern": [
    "return ('('):rep(1e5):find(('(('):rep(500))",
    /too many captures|too complex|malformed/,
  ],
  "a list in itself": [
    "local l = list() list.append(l, l) return l",
    /nested too deeply, or contain themselves/,
  ],
  "a map in itself": ["local m = map() m.a = m return m", /nested too deeply, or contain themselves/],
  "nested code": ["return 1", /^1$/],
};

describe("A script's memory", () => {
  for (const [title, [body, expected]] of Object.entries(GREEDY)) {
    it(`is limited when it has ${title}`, () => {
      const end = patient.call(`function f(rec) ${body} end`, { a: 1 });
      const text = typeof end === "object" && end !== null ? (end as { error: string }).error : String(end);
      assertMatch(text, expected);
      assertEquals(patient.value("rec.a", { a: 5 }), 5, "the next call runs");
    });
  }

  it("does not let code nest without end", () => {
    const deep = "(".repeat(100_000) + "1" + ")".repeat(100_000);
    const end = patient.modules.check("m.lua", utf8(`return ${deep}`));
    assertMatch(end?.message ?? "", /C stack overflow|too many/);
  });

  it("is given back when a script is left", () => {
    for (let round = 0; round < 20; round++) {
      patient.call(
        "local t = {} for i = 1, 20000 do t[i] = ('x'):rep(1000) .. i end function f() return #t end",
      );
      assertEquals(patient.again({}), 20_000);
    }
  });
});
