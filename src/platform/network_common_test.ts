import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  connectError,
  listenError,
  plainAddress,
  READ_BUFFER_KEPT_SIZE_MAX_BYTES,
  READ_BUFFER_SHRINK_AFTER,
  READ_BUFFER_SIZE_MAX_BYTES,
  READ_BUFFER_SIZE_MIN_BYTES,
  ReadBuffer,
} from "./network_common.ts";

describe("read buffer", () => {
  it("ReadBuffer grows when reads fill it, and holds no large buffer when the socket is empty", () => {
    const buffer = new ReadBuffer();
    assertEquals(buffer.bytes.length, READ_BUFFER_SIZE_MIN_BYTES);
    for (let count = 0; count < 10; count++) buffer.took(buffer.bytes.length);
    assertEquals(buffer.bytes.length, READ_BUFFER_SIZE_MAX_BYTES);
    buffer.took(buffer.bytes.length - 1);
    assertEquals(buffer.bytes.length, READ_BUFFER_KEPT_SIZE_MAX_BYTES);
  });

  it("ReadBuffer shrinks when small reads follow each other, not when a large one comes between", () => {
    const buffer = new ReadBuffer();
    buffer.took(buffer.bytes.length);
    const grown = buffer.bytes.length;
    for (let count = 0; count < READ_BUFFER_SHRINK_AFTER - 1; count++) buffer.took(10);
    buffer.took(grown - 1);
    for (let count = 0; count < READ_BUFFER_SHRINK_AFTER - 1; count++) buffer.took(10);
    assertEquals(buffer.bytes.length, grown);
    buffer.took(10);
    assertEquals(buffer.bytes.length, READ_BUFFER_SIZE_MIN_BYTES);
  });

  it("ReadBuffer shares large buffers between connections", () => {
    const first = new ReadBuffer();
    for (let count = 0; count < 10; count++) first.took(first.bytes.length);
    const large = first.bytes;
    first.took(1);
    const second = new ReadBuffer();
    for (let count = 0; count < 10; count++) second.took(second.bytes.length);
    assertEquals(second.bytes === large, true);
    second.release();
  });
});

describe("texts of network errors", () => {
  it("listenError() says what to do when the system gave a code", () => {
    const error = listenError("::1", 80, Object.assign(new Error("x"), { code: "EACCES" }));
    assertEquals(error.code, "EACCES");
    assertMatch(error.message, /^Cannot listen on \[::1\]:80: permission denied\. Ports below 1024/);
  });

  it("connectError() gives the cause's text when the code is unknown", () => {
    assertEquals(connectError("h", 1, new Error("odd")).message, "Cannot connect to h:1: odd");
  });

  it("plainAddress() unwraps IPv4 addresses that a dual-stack socket reports", () => {
    assertEquals(plainAddress("::ffff:10.0.0.1", 5), { host: "10.0.0.1", port: 5 });
    assertEquals(plainAddress("fe80::1", 5), { host: "fe80::1", port: 5 });
  });
});
