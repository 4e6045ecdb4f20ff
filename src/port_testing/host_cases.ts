/**
 * What every host and every log must do.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type PortCase, rejection } from "./case.ts";

/** All cases of a host. */
export const hostCases: readonly PortCase[] = [
  {
    name: "interfaces() lists loopback with a hardware address of zeros",
    run({ ports }) {
      const loopback = ports.host.interfaces().find((entry) => entry.loopback && entry.family === "IPv4");
      assertEquals(loopback?.address, "127.0.0.1");
      for (const { mac } of ports.host.interfaces()) assertMatch(mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
      return Promise.resolve();
    },
  },
  {
    name: "environment() gives nothing for a name that is not set",
    run({ ports }) {
      assertEquals(ports.host.environment("AERIE_NO_SUCH_NAME"), undefined);
      return Promise.resolve();
    },
  },
  {
    name: "resolve() gives numeric addresses, and names what it can't resolve",
    async run({ ports }) {
      assertEquals(await ports.host.resolve("127.0.0.1"), ["127.0.0.1"]);
      const addresses = await ports.host.resolve("localhost");
      assert(addresses.includes("127.0.0.1") || addresses.includes("::1"), addresses.join());
      const error = await rejection(ports.host.resolve("no-such-host.invalid"));
      assertStringIncludes(error.message, "no-such-host.invalid");
    },
  },
  {
    name: "memory() and cpu() give plausible numbers",
    run({ ports }) {
      const memory = ports.host.memory();
      assert(memory.residentBytes > 0 && memory.residentBytes <= memory.systemTotalBytes);
      assert(memory.systemFreeBytes > 0 && memory.systemFreeBytes <= memory.systemTotalBytes);
      assert(memory.heapUsedBytes > 0 && memory.heapUsedBytes <= memory.heapTotalBytes);
      const { userUs, systemUs } = ports.host.cpu();
      assert(userUs >= 0 && systemUs >= 0);
      const machine = ports.host.machineCpu();
      assert(machine.userUs >= 0 && machine.systemUs >= 0 && machine.idleUs >= 0);
      assert(ports.host.cpuCount() >= 1);
      assert(ports.host.pid() > 0);
      assert(ports.host.hostname().length > 0);
      return Promise.resolve();
    },
  },
];
