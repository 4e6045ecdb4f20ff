/**
 * Lists and maps inside expressions: membership, keys, values. They are msgpack and stay so.
 * Source: the expression reference, sections 8.4 and 8.6.
 *
 * @module
 */

import { isMsgpackList, isMsgpackMap, msgpackSkip } from "../../wire/mod.ts";
import { compareValues } from "../cdt/mod.ts";
import { makeHead, readHead } from "../cdt/head.ts";
import { encodeValue } from "./encode.ts";
import { type ExpNode, giveBool, type MaybeNode, type Run } from "./node.ts";
import { EXP, EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import type { ExpScope } from "./scope.ts";
import { ExpValue } from "./value.ts";

/** Flag of a map's header element: its keys are in order. */
const ORDERED = 0x01;

const head = makeHead();

/** Whether a list or map is, or has anywhere inside, a map that is not ordered: such values have no order. */
export function hasUnorderedMap(value: ExpValue): boolean {
  const { bytes } = value;
  const end = value.at + value.size;
  for (let at = value.at; at < end;) {
    const lead = bytes[at];
    if (isMsgpackMap(lead)) {
      readHead(bytes, at, head);
      if ((head.flags & ORDERED) === 0) return true;
      at = head.contentAt;
    } else if (isMsgpackList(lead)) {
      at += lead <= 0x9f ? 1 : lead === 0xdc ? 3 : 5;
    } else {
      const next = msgpackSkip(bytes, at, { end });
      if (next < 0) return false;
      at = next;
    }
  }
  return false;
}

/** Makes "in list": whether a list has an element that equals a value. */
export function inListNode([value, list]: readonly ExpNode[]): MaybeNode {
  if (list.type !== EXP_TYPE.LIST) return undefined;
  const wanted = new ExpValue();
  const place = new ExpValue();
  const run: Run = (scope, out) => {
    const kind = value.run(scope, wanted);
    if (kind < 0 || list.run(scope, place) !== EXP_TYPE.LIST) return UNKNOWN;
    if (!scope.spend(wanted.size + place.size)) return UNKNOWN;
    const at = encodeValue(scope.scratch, kind, wanted);
    return at < 0 ? UNKNOWN : giveBool(out, hasElement(place, scope.scratch.bytes, at));
  };
  return { type: EXP_TYPE.BOOL, run };
}

function hasElement(list: ExpValue, wanted: Uint8Array, wantedAt: number): boolean {
  const { bytes } = list;
  const limits = { end: list.at + list.size };
  readHead(bytes, list.at, head);
  let at = head.contentAt;
  for (let left = head.count; left > 0 && at >= 0; left--) {
    if (compareValues(bytes, at, wanted, wantedAt) === 0) return true;
    at = msgpackSkip(bytes, at, limits);
  }
  return false;
}

/** Makes "map keys" or "map values": a list of one half of a map. Anything but a map is unknown. */
export function mapHalfNode(op: number, [map]: readonly ExpNode[]): MaybeNode {
  const place = new ExpValue();
  const skipsFirst = op === EXP.MAP_VALUES;
  const run: Run = (scope, out) => {
    if (map.run(scope, place) !== EXP_TYPE.MAP) return UNKNOWN;
    if (!scope.spend(2 * place.size)) return UNKNOWN;
    collectHalf(scope, place, { skipsFirst, out });
    return EXP_TYPE.LIST;
  };
  return { type: EXP_TYPE.LIST, run };
}

/** Copies every other element of a map into a new list. */
function collectHalf(scope: ExpScope, map: ExpValue, half: { skipsFirst: boolean; out: ExpValue }): void {
  const { bytes } = map;
  const { scratch } = scope;
  const limits = { end: map.at + map.size };
  readHead(bytes, map.at, head);
  const { count } = head;
  let at = head.contentAt;
  const start = scratch.length;
  appendListHead(scope, count);
  for (let left = count; left > 0; left--) {
    const first = at;
    const middle = msgpackSkip(bytes, first, limits);
    at = msgpackSkip(bytes, middle, limits);
    if (half.skipsFirst) scratch.append(bytes, middle, at);
    else scratch.append(bytes, first, middle);
  }
  half.out.setRange(scratch.bytes, start, scratch.length - start);
}

function appendListHead(scope: ExpScope, count: number): void {
  const { scratch } = scope;
  if (count < 16) scratch.appendU8(0x90 | count);
  else if (count < 0x1_0000) {
    scratch.appendU8(0xdc);
    scratch.appendU16(count);
  } else {
    scratch.appendU8(0xdd);
    scratch.appendU32(count);
  }
}
