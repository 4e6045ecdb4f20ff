import { assertEquals, assertStringIncludes } from "@std/assert";
import { isPure, pureCore } from "./pure_core.ts";

/** Texts of the findings for a file of the core. */
function findings(source: string, path = "src/wire/a.ts"): string[] {
  return pureCore.run(new Map([[path, source]])).map(({ text }) => text);
}

Deno.test("pureCore refuses what depends on more than its arguments", () => {
  for (
    const [source, expected] of [
      ["export const a = Deno.pid;", `global "Deno"`],
      ["export const a = Date.now();", `global "Date"`],
      ["export const a = new Date();", `global "Date"`],
      ["export const a = performance.now();", `global "performance"`],
      ["export const a = Math.random();", "Math.random"],
      ["export const { random } = Math;", "only as Math.member"],
      ["export const a = Math['random']();", "only as Math.member"],
      ["export const a = crypto.randomUUID();", `global "crypto"`],
      ["export const a = globalThis;", `global "globalThis"`],
      ["setTimeout(() => {}, 1);", `global "setTimeout"`],
      ["export const a = { setTimeout };", `global "setTimeout"`],
      ["queueMicrotask(() => {});", `global "queueMicrotask"`],
      ["console.log(1);", `global "console"`],
      ["export const a = fetch('x');", `global "fetch"`],
      ["export class A extends Worker {}", `global "Worker"`],
      ["export const a = new WeakRef({});", `global "WeakRef"`],
      ["export const a = eval('1');", `global "eval"`],
      ["export const a = [...'ab'].map(Date);", `global "Date"`],
      ["export const a = import.meta.url;", "import.meta"],
      ["export const a = 'a'.localeCompare('b');", "localeCompare"],
      ["declare const Deno: { pid: number };\nexport const a = Deno.pid;", "declare names"],
      ["declare global { const clock: number; }\nexport const a = clock;", "declare names"],
      ["export function f(conn: Deno.Conn) { return conn; }", "type Deno"],
      ["import { readFileSync } from 'node:fs';\nexport { readFileSync };", `import "node:fs"`],
      ["import { Hono } from 'hono';\nexport { Hono };", `import "hono"`],
      ["export const a = await import('node:fs');", `import "node:fs"`],
      ["export const a = (name: string) => import(name);", "takes a literal"],
    ] as const
  ) {
    const found = findings(source);
    assertStringIncludes(found.join("; ") || "nothing found", expected, source);
  }
});

Deno.test("pureCore accepts the language, local names and packages of pure computation", () => {
  for (
    const source of [
      "export const a = Math.max(1, Number('2')), b = new Uint8Array(3), c = new TextEncoder();",
      "import { createRIPEMD160 } from 'hash-wasm';\nexport const a = createRIPEMD160;",
      "export function f(fetch: () => void, Date: number) { fetch(); return Date; }",
      "const performance = { now: () => 1 };\nexport const a = performance.now();",
      "export const a = () => import('./b.ts');",
      "import { setTimeout } from './timers.ts';\nsetTimeout();",
      "export const a = { Date: 1, console: 2 };\nexport const b = a.Date + a.console;",
      "export class A { crypto = 1; fetch(): number { return this.crypto; } }",
      "export function f({ Date: date }: { Date: number }) { return date; }",
      "export enum E { Deno, Node }\nexport const a = E.Deno;",
      "export function f<T extends Uint8Array>(a: Partial<T>): Promise<T> { return Promise.resolve(a as T); }",
      "process: for (const a of [1]) { if (a) continue process; }\nexport {};",
      "export function f(value: unknown): value is string { return typeof value === 'string'; }",
      "export interface Clock { Date: number }\nexport type Name = Clock['Date'];",
      "try { f(); } catch (error) { f(error); }\nexport function f(..._rest: unknown[]) { return arguments.length; }",
    ]
  ) {
    assertEquals(findings(source), [], source);
  }
});

Deno.test("isPure() leaves out the edges, tests and the simulator's runner", () => {
  for (const path of ["mod.ts", "src/node/node.ts", "src/client/mod.ts", "src/sim/network.ts"]) {
    assertEquals(isPure(path), true, path);
  }
  for (
    const path of [
      "src/platform/a.ts",
      "src/http/a.ts",
      "cmd/main.ts",
      "tools/check.ts",
      "bench/main.ts",
      "src/wire/a_test.ts",
      "src/sim/runner.ts",
    ]
  ) {
    assertEquals(isPure(path), false, path);
  }
});
