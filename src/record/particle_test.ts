import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fromHex, ResultCode, utf8 } from "../base/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { checkParticle } from "./particle.ts";

/** Checks a value that lies between other bytes. */
function check(type: number, value: Uint8Array): number {
  const bytes = new Uint8Array(value.length + 6).fill(0x91);
  bytes.set(value, 3);
  return checkParticle(type, bytes, 3, value.length);
}

function geo(text: string, header = "000000"): Uint8Array {
  return new Uint8Array([...fromHex(header), ...utf8(text)]);
}

const POINT = '{"type":"Point","coordinates":[1,2]}';

describe("checkParticle()", () => {
  it("accepts good values and refuses others with the code of their type", () => {
    const cases: [number, string, number][] = [
      [PARTICLE.INTEGER, "00", 0],
      [PARTICLE.INTEGER, "0000", 0],
      [PARTICLE.INTEGER, "00000000", 0],
      [PARTICLE.INTEGER, "0000000000000000", 0],
      [PARTICLE.INTEGER, "", ResultCode.PARAMETER],
      [PARTICLE.INTEGER, "000000", ResultCode.PARAMETER],
      [PARTICLE.INTEGER, "00".repeat(16), ResultCode.PARAMETER],
      [PARTICLE.FLOAT, "7ff8000000000000", 0],
      [PARTICLE.FLOAT, "00000000", ResultCode.PARAMETER],
      [PARTICLE.BOOL, "00", 0],
      [PARTICLE.BOOL, "01", 0],
      [PARTICLE.BOOL, "02", ResultCode.PARAMETER],
      [PARTICLE.BOOL, "", ResultCode.PARAMETER],
      [PARTICLE.STRING, "", 0],
      [PARTICLE.STRING, "ff00", 0],
      [PARTICLE.BLOB, "", 0],
      [PARTICLE.ERLANG_BLOB, "00", 0],
      [PARTICLE.HLL, `000400${"00".repeat(20)}`, 0],
      [PARTICLE.HLL, `000404${"00".repeat(28)}`, 0],
      [PARTICLE.HLL, `000400${"00".repeat(19)}`, ResultCode.PARAMETER],
      [PARTICLE.HLL, `000400${"00".repeat(21)}`, ResultCode.PARAMETER],
      [PARTICLE.HLL, `010400${"00".repeat(20)}`, ResultCode.PARAMETER],
      [PARTICLE.HLL, `000403${"00".repeat(26)}`, ResultCode.PARAMETER],
      [PARTICLE.HLL, "00".repeat(10), ResultCode.PARAMETER],
      [PARTICLE.LIST, "9101", 0],
      [PARTICLE.LIST, "92c7000101", 0],
      [PARTICLE.LIST, "", ResultCode.UNKNOWN],
      [PARTICLE.LIST, "91", ResultCode.UNKNOWN],
      [PARTICLE.LIST, "910101", ResultCode.UNKNOWN],
      [PARTICLE.LIST, "810101", ResultCode.UNKNOWN],
      [PARTICLE.LIST, "01", ResultCode.UNKNOWN],
      [PARTICLE.MAP, "810101", 0],
      [PARTICLE.MAP, "8101", ResultCode.UNKNOWN],
      [PARTICLE.MAP, "9101", ResultCode.UNKNOWN],
      [PARTICLE.NULL, "", ResultCode.PARAMETER],
      [5, "00", ResultCode.PARAMETER],
      [255, "00", ResultCode.PARAMETER],
    ];
    for (const [type, hex, code] of cases) assertEquals(check(type, fromHex(hex)), code, `${type}: ${hex}`);
  });

  it("accepts the GeoJSON shapes of the database and nothing else, whatever the text does", () => {
    const good = [
      geo(POINT),
      geo(POINT, "000001" + "00".repeat(8)),
      geo('{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}'),
      geo('{"type":"AeroCircle","coordinates":[[1,2],3]}'),
      geo(`{"type":"Feature","geometry":${POINT}}`),
    ];
    const bad = [
      geo(""),
      fromHex("0000"),
      geo("{"),
      geo("null"),
      geo("[]"),
      geo('{"type":"Circle","coordinates":[1,2]}'),
      geo('{"type":"Point"}'),
      geo('{"type":"Point","coordinates":[]}'),
      geo('{"type":"Feature","geometry":null}'),
      geo(POINT, "00ffff"),
      geo("[".repeat(200_000)),
      geo('{"type":{"toString":1},"coordinates":[1]}'),
    ];
    for (const value of good) assertEquals(check(PARTICLE.GEOJSON, value), ResultCode.OK);
    for (const value of bad) assertEquals(check(PARTICLE.GEOJSON, value), ResultCode.GEO_INVALID_GEOJSON);
  });
});
