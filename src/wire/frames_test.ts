import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ByteBuffer, fromHex, PROTO_BODY_SIZE_MAX, toHex, utf8, utf8Decode } from "../base/mod.ts";
import { FIELD, PARTICLE, PROTO_TYPE_INFO } from "./constants.ts";
import { appendInfoAnswer, infoParameter, parseInfo } from "./info.ts";
import { protoBodySize, protoFault, protoFrame, writeProtoHeader } from "./proto.ts";
import { ReplyWriter } from "./reply.ts";

describe("protoFault()", () => {
  it("accepts what can be followed and names what is wrong with the rest", () => {
    const cases: [string, ReturnType<typeof protoFault>][] = [
      ["0201000000000000", undefined],
      ["0202000000000000", undefined],
      ["0203000008000000", undefined],
      ["0204000000000001", undefined],
      ["0002000000000000", undefined],
      ["0003000000000000", "version"],
      ["0103000000000000", "version"],
      ["0200000000000000", "type"],
      ["0205000000000000", "type"],
      ["0206000000000000", "type"],
      ["0203000008000001", "size"],
      ["0203ffffffffffff", "size"],
      ["160301020001fc03", "tls"],
      ["1603010200000000", "version"],
      ["474554202f204854", "version"],
    ];
    for (const [hex, fault] of cases) assertEquals(protoFault(fromHex("ff" + hex), 1), fault, hex);
  });

  it("agrees with the header that is written", () => {
    const bytes = new Uint8Array(10);
    writeProtoHeader(bytes, 2, { type: 4, bodySizeBytes: PROTO_BODY_SIZE_MAX });
    assertEquals([protoFault(bytes, 2), protoBodySize(bytes, 2)], [undefined, PROTO_BODY_SIZE_MAX]);
    assertEquals(toHex(protoFrame(PROTO_TYPE_INFO, utf8("a\n"))), "0201000000000002" + "610a");
  });
});

describe("parseInfo()", () => {
  const commands = (text: string) =>
    [...parseInfo(utf8(text))].map(({ line, name, parameters }) => [utf8Decode(line), name, parameters]);

  it("cuts lines into name and parameters at the first separator", () => {
    assertEquals(commands("node\nget-config:context=namespace;id=test\nsets/test/demo\nlatencies;x\n\n"), [
      ["node", "node", ""],
      ["get-config:context=namespace;id=test", "get-config", "context=namespace;id=test"],
      ["sets/test/demo", "sets", "test/demo"],
      ["latencies;x", "latencies", "x"],
      ["", "", ""],
    ]);
  });

  it("ignores what follows the last line feed", () => {
    assertEquals(commands("node\nbuild"), [["node", "node", ""]]);
    assertEquals(commands("node"), []);
    assertEquals(commands(""), []);
  });

  it("cuts endless names, and keeps the line's bytes even when they are not text", () => {
    assertEquals(parseInfo(utf8("x".repeat(100_000) + "\n")).next().value!.name.length, 32);
    const bytes = fromHex("ff00c30a");
    const command = parseInfo(bytes).next().value!;
    assertEquals(toHex(command.line), "ff00c3");
    const out = new ByteBuffer();
    appendInfoAnswer(out, command.line, "ERROR");
    assertEquals(toHex(out.view()), "ff00c3" + "09" + toHex(utf8("ERROR")) + "0a");
  });
});

describe("infoParameter()", () => {
  it("gives the first value of a name, empty ones too", () => {
    const parameters = "namespace=test;set=;lut=1=2;set=other;flag";
    assertEquals(infoParameter(parameters, "namespace"), "test");
    assertEquals(infoParameter(parameters, "set"), "");
    assertEquals(infoParameter(parameters, "lut"), "1=2");
    assertEquals(infoParameter(parameters, "flag"), undefined);
    assertEquals(infoParameter(parameters, "space"), undefined);
  });
});

describe("ReplyWriter", () => {
  it("writes frames, messages, fields and operations behind what is there", () => {
    const out = new ByteBuffer(8);
    out.appendU8(0xaa);
    const reply = new ReplyWriter(out);
    reply.beginProto();
    reply.beginMessage();
    reply.field(FIELD.SET, utf8("xsety"), 1, 3);
    const at = reply.op(1, PARTICLE.BLOB, utf8("xbiny"), 1, 3, 2);
    out.bytes[at] = 7;
    out.bytes[at + 1] = 8;
    reply.endMessage(2, 3, 4, 5);
    reply.message({ resultCode: 9, info3: 1 });
    reply.endProto();
    assertEquals(
      toHex(out.view()),
      "aa" + "0203000000000041" +
        "16" + "00000000" + "02" + "00000003" + "00000004" + "00000005" + "0001" + "0001" +
        "00000004" + "01" + "736574" +
        "00000009" + "01" + "04" + "00" + "03" + "62696e" + "0708" +
        "16" + "00000100" + "09" + "00000000" + "00000000" + "00000000" + "0000" + "0000",
    );
  });

  it("takes back fields and operations, messages, and frames", () => {
    const out = new ByteBuffer(8);
    const reply = new ReplyWriter(out);
    reply.beginProto();
    reply.message({ resultCode: 0 });
    reply.beginMessage();
    reply.op(1, PARTICLE.BLOB, utf8("bin"), 0, 3, 1000);
    reply.rewindMessage();
    reply.endMessage(4, 0, 0, 0);
    assertEquals([reply.opCount, reply.protoBodySize()], [0, 44]);
    reply.beginMessage();
    reply.op(1, PARTICLE.BLOB, utf8("bin"), 0, 3, 10);
    reply.dropMessage();
    assertEquals(reply.protoBodySize(), 44);
    reply.dropProto();
    assertEquals(out.length, 0);
    reply.frame({ resultCode: 22 });
    assertEquals(toHex(out.view()), "0203000000000016" + "160000000016" + "00".repeat(16));
  });
});
