import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { open } from "../mod.ts";
import { Double, GeoJson, type Value } from "../src/client/mod.ts";
import { complete, runShell } from "./shell.ts";
import { LineReader, ShellSyntaxError, valueText } from "./shell_values.ts";

interface Outcome {
  code: number;
  printed: string;
  complaints: string;
}

async function run(port: string, args: string[], lines?: string[]): Promise<Outcome> {
  const printed: string[] = [];
  const complaints: string[] = [];
  const code = await runShell(["-p", port, ...args], {
    print: (text) => void printed.push(text),
    complain: (text) => void complaints.push(text),
    ...(lines === undefined ? {} : { lines }),
  });
  return { code, printed: printed.join("\n"), complaints: complaints.join("\n") };
}

async function withNode(use: (port: string) => Promise<void>): Promise<void> {
  const workDirectory = await Deno.makeTempDir();
  const node = await open({
    listen: true,
    settings: {
      service: { workDirectory },
      network: {
        service: { port: 0 },
        info: { port: 0 },
        fabric: { port: 0 },
        heartbeat: { port: 0 },
        http: { port: 0 },
      },
      namespaces: [{ name: "test", nsupPeriod: 120, storage: { dataSize: 16 * 2 ** 20 } }],
    },
  });
  try {
    await use(String(node.listeners.find((listener) => listener.kind === "service")!.port));
  } finally {
    await node.close();
    await Deno.remove(workDirectory, { recursive: true });
  }
}

Deno.test("runShell() writes, reads and operates on a record", async () => {
  await withNode(async (port) => {
    const { code, printed, complaints } = await run(port, ["-n", "test.demo"], [
      'put ann name="Ann Lee" age=42 tags=["a","b"] scores={x: 1}',
      "get ann name age",
      'operate ann incr(age, 1) get(age) list.append(tags, "c") map.get(scores, x)',
      "exists ann",
      "delete ann",
      "get ann",
    ]);
    assertEquals([code, complaints], [0, ""]);
    assertStringIncludes(printed, "written, generation 1");
    assert(/^ +1 +-1 +Ann Lee +42$/m.test(printed), printed);
    assert(/^age +43$/m.test(printed), printed);
    assert(/^tags +3$/m.test(printed), printed);
    assert(/^scores +1$/m.test(printed), printed);
    assertStringIncludes(printed, "deleted\nthere is no such record");
  });
});

Deno.test("runShell() prints rows as JSON that can be put back", async () => {
  await withNode(async (port) => {
    const { printed } = await run(port, ["-n", "test.demo", "--json"], [
      'put 7 {i: 9007199254740993, f: 1.5, b: 0x00ff, m: {"$map": [[1, "a"]]}, g: {"$geo": {"type":"Point","coordinates":[1.5,2]}}}',
      "scan",
    ]);
    assertEquals(
      printed,
      '{"(key)":7,"(gen)":1,"(ttl)":-1,"i":9007199254740993,"f":1.5,"b":{"$blob":"00ff"},"m":{"$map":[[1,"a"]]},' +
        '"g":{"$geo":{"type":"Point","coordinates":[1.5,2]}}}',
    );
  });
});

Deno.test("runShell() stops at the first line that fails unless it is told to go on", async () => {
  await withNode(async (port) => {
    const lines = ["put a n=1", "put a n=2 --create", "-- a comment", "frob", "get a"];
    const stopped = await run(port, ["-n", "test"], lines);
    assertEquals(stopped.code, 1);
    assertStringIncludes(stopped.complaints, "RECORD_EXISTS");
    assertStringIncludes(stopped.complaints, "line 2 failed");
    assertEquals(stopped.printed, "written, generation 1");
    const kept = await run(port, ["-n", "test", "--keep-going"], lines.slice(1));
    assertStringIncludes(kept.complaints, 'there is no command "frob"');
    assert(/ 1 +-1 +1$/m.test(kept.printed), kept.printed);
  });
});

Deno.test("runShell() explains the last error and result codes", async () => {
  await withNode(async (port) => {
    const { printed } = await run(port, ["-n", "nope", "--keep-going"], [
      "get a",
      "explain",
      "explain KEY_BUSY",
    ]);
    assertStringIncludes(printed, '"show namespaces" lists them');
    assertStringIncludes(printed, "14 KEY_BUSY: too many requests for this record");
  });
});

Deno.test("runShell() tells what is wrong with flags and addresses", async () => {
  assertEquals((await run("3000", ["--frob"])).code, 2);
  const { code, complaints } = await run("1", ["-t", "0.2"]);
  assertEquals(code, 1);
  assertStringIncludes(complaints, "Is a node running there?");
});

Deno.test("complete() offers commands, then operations", () => {
  assertEquals(complete("de"), [["delete"], "de"]);
  assertEquals(complete("operate ann list.so")[0], ["list.sort("]);
  assertEquals(complete("get a"), [[], "a"]);
});

Deno.test("LineReader.value() reads what valueText() writes", () => {
  const leaf: fc.Arbitrary<Value> = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) =>
      Number.isSafeInteger(Number(n)) ? Number(n) : n
    ),
    fc.double().map((n) => new Double(n)),
    fc.string(),
    fc.uint8Array({ maxLength: 8 }),
    fc.constant(new GeoJson({ type: "Point", coordinates: [1, 2] })),
  );
  const { value } = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("value"), { maxLength: 4 }),
      fc.array(fc.tuple(fc.oneof(fc.string(), fc.integer()), tie("value")), { maxLength: 4 })
        .map((entries): Value => new Map<Value, Value>(entries)),
    ),
  }));
  fc.assert(fc.property(value, (one) => {
    const text = valueText(one);
    assertEquals(valueText(new LineReader(text).value()), text);
  }));
});

Deno.test("LineReader.value() refuses what is no value, with the place", () => {
  for (const text of ["[1", '"a', '{"a" 1}', "99999999999999999999", '{"$frob": 1}', "[".repeat(100)]) {
    assertThrows(() => new LineReader(text).value(), ShellSyntaxError, "at column");
  }
});
