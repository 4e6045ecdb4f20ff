/**
 * Nodes of literals. Ranges point into the expression's own bytes.
 * Source: the expression reference, section 8.2.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { checkParticle } from "../particle.ts";
import type { ExpNode, MaybeNode, Run } from "./node.ts";
import { EXP_TYPE } from "./opcodes.ts";
import type { TokenReader } from "./reader.ts";

/** Types of literal texts, by their type byte. */
const TYPE_OF_TAG: Readonly<Record<number, number>> = {
  [PARTICLE.STRING]: EXP_TYPE.STRING,
  [PARTICLE.BLOB]: EXP_TYPE.BLOB,
  [PARTICLE.HLL]: EXP_TYPE.HLL,
  [PARTICLE.GEOJSON]: EXP_TYPE.GEOJSON,
};

/** Nil. */
export const NIL_NODE: ExpNode = { type: EXP_TYPE.NIL, run: () => EXP_TYPE.NIL };

/** Makes an integer or a bool. */
export function integerLiteral(type: number, high: number, low: number): ExpNode {
  const run: Run = (_scope, out) => {
    out.high = high;
    out.low = low;
    return type;
  };
  return { type, run };
}

/** Makes a float. */
export function floatLiteral(value: number): ExpNode {
  const run: Run = (_scope, out) => {
    out.float = value;
    return EXP_TYPE.FLOAT;
  };
  return { type: EXP_TYPE.FLOAT, run };
}

/** Makes what the text that was read last stands for: its first byte tells. */
export function textLiteral({ bytes, textAt, textSize }: TokenReader): MaybeNode {
  const type = textSize === 0 ? undefined : TYPE_OF_TAG[bytes[textAt]];
  if (type === undefined) return undefined;
  if (type === EXP_TYPE.GEOJSON && !isGeoJson(bytes.subarray(textAt + 1, textAt + textSize))) {
    return undefined;
  }
  return rangeLiteral(type, bytes, textAt + 1, textAt + textSize);
}

/** Makes a literal list from the next value. */
export function listLiteral(reader: TokenReader): MaybeNode {
  if (!reader.atList()) return undefined;
  const at = reader.skip();
  return at < 0 ? undefined : rangeLiteral(EXP_TYPE.LIST, reader.bytes, at, reader.at);
}

/** Makes a value of bytes. */
export function rangeLiteral(type: number, bytes: Uint8Array, at: number, end: number): ExpNode {
  const size = end - at;
  const run: Run = (_scope, out) => {
    out.setRange(bytes, at, size);
    return type;
  };
  return { type, run, literal: { at, size } };
}

/** Bytes of a GeoJSON particle before its text, when it has no cells. */
const GEOJSON_HEAD_SIZE = 3;

function isGeoJson(text: Uint8Array): boolean {
  const particle = new Uint8Array(GEOJSON_HEAD_SIZE + text.length);
  particle.set(text, GEOJSON_HEAD_SIZE);
  return checkParticle(PARTICLE.GEOJSON, particle, 0, particle.length) === ResultCode.OK;
}
