import { assertEquals } from "@std/assert";
import ts from "typescript";
import type { OptionTable } from "../../src/config/mod.ts";
import { modLuaOptions } from "../../src/config/security_options.ts";
import {
  geo2dsphereWithinOptions,
  namespaceOptions,
  setOptions,
} from "../../src/config/namespace_options.ts";
import { fabricOptions, heartbeatOptions, serviceListenerOptions } from "../../src/config/network_options.ts";
import { serviceOptions } from "../../src/config/service_options.ts";
import { deviceStorageOptions, memoryStorageOptions } from "../../src/config/storage_options.ts";
import { isTestFile, readTree } from "./mod.ts";
import { parseTree } from "./syntax.ts";

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

const TABLES: Record<string, OptionTable> = {
  service: serviceOptions,
  "network.service": serviceListenerOptions,
  "network.heartbeat": heartbeatOptions,
  "network.fabric": fabricOptions,
  namespace: namespaceOptions,
  "namespace.set": setOptions,
  "namespace.geo2dsphere-within": geo2dsphereWithinOptions,
  "storage-engine device": deviceStorageOptions,
  "storage-engine memory": memoryStorageOptions,
  "mod-lua": modLuaOptions,
};

/** Accepted options whose field's name means something else elsewhere, or that only show in a text. */
const COINCIDENCES = new Set(["group", "user", "userPath"]);

/** Names that the server's code takes from an object, outside the tables themselves. */
function namesRead(): Set<string> {
  const names = new Set<string>();
  const { files } = parseTree(readTree(root));
  for (const [path, file] of files) {
    const isServer = (path.startsWith("src/") || path.startsWith("cmd/")) && !path.startsWith("src/sim/");
    if (!isServer || isTestFile(path) || path.startsWith("src/client/") || path.endsWith("_options.ts")) {
      continue;
    }
    const visit = (node: ts.Node): void => {
      if (ts.isPropertyAccessExpression(node)) names.add(node.name.text);
      if (ts.isBindingElement(node)) {
        const name = node.propertyName ?? node.name;
        if (ts.isIdentifier(name)) names.add(name.text);
      }
      if (ts.isElementAccessExpression(node) && ts.isStringLiteral(node.argumentExpression)) {
        names.add(node.argumentExpression.text);
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return names;
}

Deno.test("options say truly whether they work: active ones are read somewhere, accepted ones nowhere", () => {
  const read = namesRead();
  const wrong: string[] = [];
  for (const [context, { rows }] of Object.entries(TABLES)) {
    for (const { name, field, status } of rows) {
      if (status === "active" && !read.has(field)) {
        wrong.push(`${context} ${name} is active, and nobody reads it`);
      }
      if (status === "accepted" && read.has(field) && !COINCIDENCES.has(field)) {
        wrong.push(`${context} ${name} is accepted without effect, and somebody reads it`);
      }
    }
  }
  assertEquals(wrong, []);
});
