import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, before, describe, it } from "@std/testing/bdd";
import type { Ports } from "../port/mod.ts";
import {
  clockCases,
  computeCases,
  diskCases,
  hostCases,
  multicastCases,
  networkCases,
  type PortCase,
} from "../port_testing/mod.ts";
import { createPlatform } from "./mod.ts";
import { createNodeNetwork } from "./node_network.ts";

let ports: Ports;
let nodePorts: Ports;
const folders: string[] = [];

before(async () => {
  ports = await createPlatform();
  nodePorts = { ...ports, network: createNodeNetwork() };
});

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function runCases(cases: readonly PortCase[], which: () => Ports): void {
  for (const { name, run } of cases) {
    it(name, async () => {
      const folder = mkdtempSync(`${tmpdir()}/aerie-ports-`);
      folders.push(folder);
      await run({ ports: which(), host: "127.0.0.1", folder });
    });
  }
}

describe("network of this runtime", () => runCases(networkCases, () => ports));

// Deno's own node:net says EINVAL there; Node itself is tested in node_test.ts.
const underDeno = networkCases.filter(({ name }) => !name.includes("no interface has the address"));
describe("multicast", () => runCases(multicastCases, () => ports));
describe("network of node:net", () => runCases(underDeno, () => nodePorts));
describe("clock and random", () => runCases(clockCases, () => ports));
describe("compute", () => runCases(computeCases, () => ports));
describe("disk", () => runCases(diskCases, () => ports));
describe("host", () => runCases(hostCases, () => ports));
