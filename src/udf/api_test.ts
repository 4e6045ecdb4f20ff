import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fromHex, utf8 } from "../base/mod.ts";
import { createPlatform } from "../platform/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { type TestBin, TestModules } from "./testing.ts";

const { clock, compute } = await createPlatform();
const tests = new TestModules({
  compute,
  clock: { ...clock, monotonicMs: () => 1000, wallMs: () => 86_400_000 },
});

function check(
  title: string,
  cases: readonly (readonly [expression: string, value: unknown])[],
  bins = BINS,
): void {
  it(title, () => {
    for (const [expression, value] of cases) assertEquals(tests.value(expression, bins), value, expression);
  });
}

const list = (hex: string): TestBin => ({ type: PARTICLE.LIST, bytes: fromHex(hex) });
const map = (hex: string): TestBin => ({ type: PARTICLE.MAP, bytes: fromHex(hex) });
const BINS: Record<string, TestBin> = {
  i: 5,
  neg: -7,
  s: "text",
  b: true,
  f: { type: PARTICLE.FLOAT, bytes: fromHex("") },
  l: list("9301a2036192cb3ff8000000000000c0"),
  m: map("82a2036101a3046869c0"),
  blob: { type: PARTICLE.BLOB, bytes: fromHex("0102ff") },
};
delete BINS.f;

describe("Values", () => {
  check("go to Lua and back", [
    ["rec.i", 5],
    ["rec.neg", -7],
    ["rec.s", "text"],
    ["rec.b", true],
    ["rec.l", "20:9301a2036192cb3ff8000000000000c0"],
    ["rec.blob", "4:0102ff"],
    ["rec.absent", null],
    ["1.5", { float: 1.5 }],
    ["math.maxinteger", 2 ** 63],
    [
      "list{1, -1, 127, 128, 256, 65536, 4294967296, -33, -129, -32769, -2147483649}",
      "20:" +
      "9b01ff7fcc80cd0100ce00010000cf0000000100000000d0dfd1ff7fd2ffff7fffd3ffffffff7fffffff",
    ],
    ["list{('x'):rep(40)}", `20:91d92903${"78".repeat(40)}`],
    ["type(rec.l) .. type(rec)", "userdatauserdata"],
  ]);

  it("keep marks of order in bins and lose them in results", () => {
    const ordered = { m: map("82c70001c0a2036101") };
    assertEquals(tests.value("rec.m", ordered), "19:81a2036101");
    tests.call("function f(rec) local m = rec.m m.b = 2 rec.m = m aerospike:update(rec) end", ordered);
    assertMatch(
      Array.from(tests.changes.bins.get("m")!.bytes.slice(0, 5), (byte) => byte.toString(16)).join(" "),
      /83 c7 0 1 c0/,
    );
  });

  it("come as arguments", () => {
    tests.call("function f(rec, a, b, c) return list{a, b, c} end", {}, fromHex("93010203"));
    assertEquals(tests.again({}, fromHex("93a20378c391ff")), "20:93a20378c391ff");
    assertEquals(tests.again({}, fromHex("90")), "20:90");
  });

  it("that can't be kept are refused", () => {
    for (const value of ["{}", "print", "list{{}}", "map{a = print}", "stream"]) {
      const end = tests.value(`(function() stream = coroutine.create(print) return ${value} end)()`, {});
      assertMatch((end as { error: string }).error, /the result can't hold/, value);
    }
    assertMatch(
      (tests.call("function f(rec) rec.a = {} end", {}) as { error: string }).error,
      /use list\(\) or map/,
    );
  });
});

describe("list", () => {
  check("has elements", [
    ["#list{1,2}", 2],
    ["list.size(list())", 0],
    ["list{1,2}[2]", 2],
    ["list{1,2}[3]", null],
    ["rec.l[2]", "a"],
    ["tostring(list{1,'a'})", 'List(1, "a")'],
  ]);
  const after = (change: string) => `(function() local l = list{1,2,3} ${change} return l end)()`;
  check("changes", [
    [after("list.append(l, 4)"), "20:9401020304"],
    [after("list.prepend(l, 0)"), "20:9400010203"],
    [after("list.insert(l, 2, 9)"), "20:9401090203"],
    [after("list.remove(l, 1)"), "20:920203"],
    [after("list.trim(l, 2)"), "20:9101"],
    [after("list.concat(l, l)"), "20:96010203010203"],
    [after("l[5] = 5"), "20:95010203c005"],
    [after("list.remove(l, 9)"), "20:93010203"],
  ]);
  check("makes new ones", [
    ["list.take(list{1,2,3}, 2)", "20:920102"],
    ["list.take(list{1}, 9)", "20:9101"],
    ["list.drop(list{1,2,3}, 2)", "20:9103"],
    ["list.drop(list{1}, 9)", "20:90"],
    ["list.merge(list{1}, list{2})", "20:920102"],
    ["list.clone(list{1})", "20:9101"],
    ["(function() local n = 0 for v in list.iterator(list{1,2,3}) do n = n + v end return n end)()", 6],
  ]);
});

describe("map", () => {
  check("has entries", [
    ["map{a=1}.a", 1],
    ["map{a=1}['b']", null],
    ["map.size(rec.m)", 2],
    ["rec.m.a", 1],
    ["(function() local b = bytes(2) b[1] = 0x68 b[2] = 0x69 return map{[b] = 3}[b] end)()", 3],
    [
      "(function() local m = map() m[1] = 'int' m[1.5] = 'float' m[true] = 'b' return m[1] .. m[1.5] .. m[true] end)()",
      "intfloatb",
    ],
    ["tostring(map{a=1})", 'Map("a"->1)'],
  ]);
  check("is gone through", [
    ["(function() local n = 0 for k, v in map.pairs(map{a=1,b=2}) do n = n + v + #k end return n end)()", 5],
    ["(function() local n = '' for k in map.keys(map{a=1}) do n = n .. k end return n end)()", "a"],
    ["(function() local n = 0 for v in map.values(map{a=1,b=2}) do n = n + v end return n end)()", 3],
  ]);
  check("changes and makes new ones", [
    ["(function() local m = map{a=1} m.a = nil return map.size(m) end)()", 0],
    ["(function() local m = map{a=1} map.remove(m, 'a') return #m end)()", 0],
    ["map.clone(map{a=1})", "19:81a2036101"],
    ["map.merge(map{a=1}, map{a=2})", "19:81a2036102"],
    ["map.merge(map{a=1}, map{a=2}, function(x, y) return x + y end)", "19:81a2036103"],
    ["map.diff(map{a=1,b=1}, map{b=2})", "19:81a2036101"],
  ]);
});

describe("bytes", () => {
  const after = (change: string) => `(function() local b = bytes(4) ${change} return b end)()`;
  check("changes", [
    [after("b[1] = 255"), "4:ff000000"],
    [after("bytes.set_int16(b, 1, -2)"), "4:fffe0000"],
    [after("bytes.set_int16_le(b, 2, 258)"), "4:00020100"],
    [after("bytes.set_int32(b, 1, 0x01020304)"), "4:01020304"],
    [after("bytes.set_int64(b, 1, 1)"), "4:00000000"],
    [after("bytes.set_string(b, 2, 'abc')"), "4:00616263"],
    [after("bytes.set_string(b, 3, 'abc', 2)"), "4:00006162"],
    [after("bytes.set_size(b, 2)"), "4:0000"],
    [after("bytes.append_byte(b, 7)"), "4:0000000007"],
    [after("bytes.append_int64(b, -1)"), "4:00000000ffffffffffffffff"],
    [after("bytes.append_var_int(b, 300)"), "4:00000000ac02"],
    [after("bytes.append_bytes(b, b, 1)"), "4:0000000000"],
    [after("bytes.set_type(b, 18)"), "18:00000000"],
  ]);
  check("is read", [
    ["bytes.size(rec.blob)", 3],
    ["#rec.blob", 3],
    ["rec.blob[3]", 255],
    ["rec.blob[4]", null],
    ["bytes.get_byte(rec.blob, 3)", 255],
    ["bytes.get_int16(rec.blob, 1)", 258],
    ["bytes.get_int16_le(rec.blob, 2)", -254],
    ["bytes.get_int32(rec.blob, 1)", null],
    ["bytes.get_bytes(rec.blob, 2, 2)", "4:02ff"],
    ["bytes.get_string(rec.blob, 1, 1)", "\x01"],
    ["bytes.get_type(rec.blob)", 4],
    ["tostring(rec.blob)", "Bytes(01 02 FF )"],
  ]);
});

describe("record", () => {
  check("tells of itself", [
    ["record.gen(rec)", 3],
    ["record.ttl(rec)", 100],
    ["record.setname(rec)", "demo"],
    ["record.key(rec)", "key"],
    ["record.last_update_time(rec)", 123_456],
    ["record.size(rec)", 64],
    ["record.device_size(rec) + record.memory_size(rec)", 0],
    ["record.numbins(rec)", Object.keys(BINS).length],
    ["table.concat(record.bin_names(rec), ' ')", Object.keys(BINS).join(" ")],
    ["#record.digest(rec)", 20],
  ]);

  it("changes with aerospike:create, update and remove alone", () => {
    const changed = (body: string, bins?: Record<string, TestBin>) => {
      const end = tests.call(`function f(rec) ${body} end`, bins);
      const { present, changed, clears, ttl, dropsKey } = tests.changes;
      return { end, present, changed, clears, ttl, dropsKey, bins: [...tests.changes.bins.keys()] };
    };
    const nothing = {
      present: true,
      changed: false,
      clears: false,
      ttl: undefined,
      dropsKey: false,
      bins: [],
    };
    assertEquals(changed("rec.a = 1", { a: 2 }), { ...nothing, end: null });
    assertEquals(changed("rec.a = 1 return aerospike:update(rec)", { a: 2 }), {
      ...nothing,
      changed: true,
      bins: ["a"],
      end: 0,
    });
    assertEquals(changed("return aerospike:create(rec)", { a: 2 }), { ...nothing, end: 1 });
    assertEquals(changed("return aerospike:update(rec)"), { ...nothing, present: false, end: -2 });
    assertEquals(changed("return aerospike:remove(rec)"), { ...nothing, present: false, end: 1 });
    assertEquals(changed("rec.n = 1 return aerospike:exists(rec), aerospike:create(rec)"), {
      ...nothing,
      changed: true,
      bins: ["n"],
      end: false,
    });
    assertEquals(changed("aerospike:remove(rec) return rec.a", { a: 2 }), {
      ...nothing,
      present: false,
      changed: true,
      clears: true,
      end: null,
    });
    assertEquals(
      changed("record.set_ttl(rec, -1) record.drop_key(rec) rec.a = nil aerospike:update(rec)", { a: 1 }),
      {
        ...nothing,
        changed: true,
        ttl: -1,
        dropsKey: true,
        bins: ["a"],
        end: null,
      },
    );
  });
});

describe("GeoJSON", () => {
  check("keeps its text", [
    [`tostring(GeoJSON('{"type":"Point"}'))`, '{"type":"Point"}'],
    [`GeoJSON('x')`, "23:00000078"],
    [`list{GeoJSON('x')}`, "20:91a21778"],
  ]);
});

describe("The standard library", () => {
  check("finds and replaces", [
    ["('hello'):find('l')", 3],
    ["select(2, ('hello'):find('l+'))", 4],
    ["('hello'):match('h(.)l')", "e"],
    ["('key=value'):match('(%w+)=(%w+)')", "key"],
    ["('a.b'):find('.', 1, true)", 2],
    ["('  x '):match('^%s*(.-)%s*$')", "x"],
    ["('abc'):gsub('%w', '%0%0')", "aabbcc"],
    ["('abc'):gsub('', '-')", "-a-b-c-"],
    ["('hello world'):gsub('o', { o = '0' }, 1)", "hell0 world"],
    ["('abc'):gsub('b', function() return false end)", "abc"],
    ["('THE (quick) fox'):find('%((%a+)%)')", 5],
    ["('f(a(b)c)d'):match('%b()')", "(a(b)c)"],
    ["('THE (quick) fox'):gsub('%f[%a]%a+', 'x')", "x (x) x"],
    ["('xyzxyz'):match('(.)(.)(.)%1%2%3')", "x"],
    ["('abc'):match('()b()')", 2],
    [
      "(function() local t = {} for w in ('a,b,c'):gmatch('[^,]+') do t[#t + 1] = w end return table.concat(t) end)()",
      "abc",
    ],
    ["('x'):rep(3, ',')", "x,x,x"],
    ["#('ab'):rep(1000)", 2000],
    ["('%d-%s'):format(3, 'x')", "3-x"],
  ]);
  check("sorts, joins and moves tables", [
    ["table.concat({ 3, 1, 2 }, ',')", "3,1,2"],
    ["(function() local t = { 3, 1, 2 } table.sort(t) return table.concat(t) end)()", "123"],
    [
      "(function() local t = { 1, 2 } table.insert(t, 3) table.insert(t, 1, 0) return table.concat(t) end)()",
      "0123",
    ],
    ["(function() local t = { 1, 2, 3 } table.remove(t, 1) return table.remove(t) .. #t end)()", "31"],
    ["table.concat(table.move({ 1, 2, 3 }, 1, 3, 2))", "1123"],
    ["select('#', table.unpack({ 1, nil, 3 }, 1, 3))", 3],
  ]);
  check("tells the time that it is given", [
    ["os.time()", 86_400],
    ["os.date('!%Y-%m-%d %H:%M:%S')", "1970-01-02 00:00:00"],
    ["os.date('*t', 951782400).month .. '/' .. os.date('*t', 951782400).yday", "2/60"],
    ["os.time{ year = 2000, month = 2, day = 29, hour = 0 }", 951_782_400],
    ["os.clock()", { float: 1 }],
  ]);
  check("catches errors", [
    ["(pcall(error, 'x'))", false],
    ["select(2, pcall(error, 'x', 0))", "x"],
    ["select(2, xpcall(error, function(e) return e .. '!' end, 'x', 0))", "x!"],
    [
      "(function() local c = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return c(1) + c(5) end)()",
      12,
    ],
  ]);
});

describe("UdfModules", () => {
  it("answers with the stock server's text when there is no such function", () => {
    tests.call("function g() end");
    assertEquals(tests.again({}), { error: "function not found" });
  });

  it("tells where a text is wrong", () => {
    assertEquals(tests.modules.check("m.lua", utf8("x = 1\ny = = 2")), {
      line: 2,
      message: "unexpected symbol near '='",
    });
    assertEquals(tests.modules.check("m.lua", utf8("while true do end")), undefined, "nothing runs");
  });

  it("keeps globals until a module changes", () => {
    tests.call("n = 0 function f() n = n + 1 return n end");
    assertEquals([tests.again({}), tests.again({})], [2, 3]);
    tests.modules.set("unrelated.lua", utf8(""));
    assertEquals(tests.again({}), 1);
  });
});
