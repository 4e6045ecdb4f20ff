/**
 * Operations that put values in, sort, or change flags, on plain objects, written for tests in the most obvious way.
 *
 * @module
 */

import { ResultCode, toHex } from "../../base/mod.ts";
import {
  answerOf,
  compare,
  encode,
  Float,
  ListModel,
  MapModel,
  type Outcome,
  type Value,
} from "./model_testing.ts";

type Container = ListModel | MapModel;
/** A container, or nothing where there is no bin. */
export type Maybe<T extends Container> = T | undefined;

function outcome(after: Maybe<Container>, answer: Value = null): Outcome {
  return {
    code: ResultCode.OK,
    answer: answerOf(answer),
    after: after === undefined ? "" : toHex(encode(after)),
  };
}

function refusal(code: ResultCode, before: Maybe<Container>): Outcome {
  return { code, answer: "", after: before === undefined ? "" : toHex(encode(before)) };
}

const sorted = (items: Value[]) =>
  items.map((item, index): [Value, number] => [item, index])
    .sort((left, right) => compare(left[0], right[0]) || left[1] - right[1]).map(([item]) => item);

const includes = (items: Value[], value: Value) => items.some((item) => compare(item, value) === 0);

/** APPEND_ITEMS, and APPEND with one item. */
export function appendModel(
  before: Maybe<ListModel>,
  items: Value[],
  options: { create: number; write: number; single: boolean },
): Outcome {
  const { create, single, write } = options;
  const list = before ?? new ListModel([], (create & 0xef) === 1);
  const added = chooseItems(list, items, { write, single });
  if (typeof added === "number") {
    return (write & 4) !== 0
      ? outcome(before, BigInt(list.items.length))
      : refusal(added as ResultCode, before);
  }
  const all = [...list.items, ...added];
  return outcome(new ListModel(list.ordered ? sorted(all) : all, list.ordered), BigInt(all.length));
}

function chooseItems(
  list: ListModel,
  items: Value[],
  { write, single }: { write: number; single: boolean },
): Value[] | number {
  if ((write & 1) === 0) return items;
  const isThere = items.some((item) => includes(list.items, item));
  const isRepeated = items.some((item, index) => includes(items.slice(0, index), item));
  const mayDrop = !single && (write & 0x0c) === 0x0c;
  if (isThere && !mayDrop) return ResultCode.ELEMENT_EXISTS;
  if (isRepeated && !mayDrop) return ResultCode.OP_NOT_APPLICABLE;
  return items.filter((item, index) => !includes(list.items, item) && !includes(items.slice(0, index), item));
}

/** INSERT_ITEMS, and INSERT with one item. */
export function insertModel(
  before: Maybe<ListModel>,
  items: Value[],
  options: { index: number; write: number; single: boolean },
): Outcome {
  const { index, single, write } = options;
  const list = before ?? new ListModel([]);
  const total = list.items.length;
  if (list.ordered || index < -total) return refusal(ResultCode.OP_NOT_APPLICABLE, before);
  if (index > total && (write & 2) !== 0) {
    return (write & 4) !== 0 ? outcome(before, BigInt(total)) : refusal(ResultCode.OP_NOT_APPLICABLE, before);
  }
  const added = chooseItems(list, items, { write, single });
  if (typeof added === "number") {
    return (write & 4) !== 0 ? outcome(before, BigInt(total)) : refusal(added as ResultCode, before);
  }
  if (added.length === 0) return outcome(list, BigInt(total));
  const all = [...list.items];
  while (all.length < index) all.push(null);
  all.splice(index < 0 ? total + index : index, 0, ...added);
  return outcome(new ListModel(all), BigInt(all.length));
}

/** SET */
export function setModel(
  before: Maybe<ListModel>,
  value: Value,
  { index, write }: { index: number; write: number },
): Outcome {
  const list = before ?? new ListModel([]);
  const total = list.items.length;
  if (list.ordered || index < -total) return refusal(ResultCode.OP_NOT_APPLICABLE, before);
  const noFail = (write & 4) !== 0;
  if (index > total && (write & 2) !== 0) {
    return noFail ? outcome(before) : refusal(ResultCode.OP_NOT_APPLICABLE, before);
  }
  const place = index < 0 ? total + index : index;
  if ((write & 1) !== 0 && includes(list.items.filter((_, other) => other !== place), value)) {
    return noFail ? outcome(before) : refusal(ResultCode.ELEMENT_EXISTS, before);
  }
  const all = [...list.items];
  while (all.length < place) all.push(null);
  all[place] = value;
  return outcome(new ListModel(all));
}

/** The sum as the element's type; undefined when one is no number. */
export function add(element: Value | undefined, delta: Value, negated = false): Value | undefined {
  const sign = negated ? -1 : 1;
  if (!(typeof delta === "bigint" || delta instanceof Float)) return undefined;
  const type = element === undefined ? delta : element;
  if (type instanceof Float) {
    const start = element === undefined ? 0 : (element as Float).value;
    return new Float(start + sign * (delta instanceof Float ? delta.value : Number(delta)));
  }
  if (typeof type !== "bigint") return undefined;
  const whole = delta instanceof Float ? BigInt(Math.trunc(delta.value)) : delta;
  return BigInt.asIntN(64, (element === undefined ? 0n : element as bigint) + BigInt(sign) * whole);
}

/** List INCREMENT without write flags. */
export function incrementModel(
  before: Maybe<ListModel>,
  delta: Value,
  { create, index }: { create: number; index: number },
): Outcome {
  const list = before ?? new ListModel([], (create & 0xef) === 1);
  const total = list.items.length;
  const place = index < 0 ? total + index : index;
  if (!(typeof delta === "bigint" || delta instanceof Float)) return refusal(ResultCode.PARAMETER, before);
  if (place < 0) return refusal(ResultCode.OP_NOT_APPLICABLE, before);
  const sum = add(list.items[place], delta);
  if (sum === undefined) return refusal(ResultCode.PARAMETER, before);
  const all = [...list.items];
  if (list.ordered) {
    if (place < total) all.splice(place, 1);
    all.push(sum);
    return outcome(new ListModel(sorted(all), true), sum);
  }
  while (all.length < place) all.push(null);
  all[place] = sum;
  return outcome(new ListModel(all), sum);
}

/** SORT */
export function sortModel(list: ListModel, flags: number): Outcome {
  let items = sorted(list.items);
  if ((flags & 2) !== 0) items = items.filter((item, index) => !includes(items.slice(0, index), item));
  if ((flags & 1) !== 0 && !list.ordered) items.reverse();
  return outcome(new ListModel(items, list.ordered));
}

/** SET_TYPE of a list. */
export function listTypeModel(before: Maybe<ListModel>, flags: number): Outcome {
  if ((flags & 0xee) !== 0) return refusal(ResultCode.OP_NOT_APPLICABLE, before);
  const items = before?.items ?? [];
  const ordered = (flags & 1) !== 0;
  return outcome(new ListModel(ordered ? sorted(items) : items, ordered));
}

/** Map operations that store entries: PUT_ITEMS with the operation's own flags added, and PUT with one entry. */
export function putModel(
  before: Maybe<MapModel>,
  entries: [Value, Value][],
  options: { attributes: number; write: number; single: boolean },
): Outcome {
  const { attributes, single, write } = options;
  const map = before ?? new MapModel([], (attributes & 0xec) === 0 ? attributes & 3 : 0);
  const noFail = (write & 4) !== 0;
  const indexOf = (key: Value) => map.entries.findIndex(([other]) => compare(other, key) === 0);
  const codeOf = ([key]: [Value, Value]) =>
    indexOf(key) >= 0
      ? (write & 1) !== 0 ? ResultCode.ELEMENT_EXISTS : ResultCode.OK
      : (write & 2) !== 0
      ? ResultCode.ELEMENT_NOT_FOUND
      : ResultCode.OK;
  const count = BigInt(map.entries.length);
  if (before === undefined && (write & 2) !== 0) {
    return noFail ? outcome(map, 0n) : refusal(ResultCode.ELEMENT_NOT_FOUND, before);
  }
  const inOrder = new MapModel(entries).entries;
  const conflict = inOrder.map(codeOf).find((code) => code !== ResultCode.OK);
  if (conflict !== undefined && !(noFail && !single && (write & 8) !== 0)) {
    return noFail ? outcome(map, count) : refusal(conflict, before);
  }
  const stored = inOrder.filter((entry) => codeOf(entry) === ResultCode.OK);
  const kept = map.entries.filter(([key]) => !stored.some(([other]) => compare(other, key) === 0));
  const all = [...kept, ...stored];
  return outcome(new MapModel(all, map.flags), BigInt(all.length));
}

/** Map INCREMENT and DECREMENT. */
export function mapIncrementModel(
  before: Maybe<MapModel>,
  key: Value,
  options: { delta: Value; attributes: number; negated: boolean },
): Outcome {
  const { attributes, delta, negated } = options;
  const map = before ?? new MapModel([], (attributes & 0xec) === 0 ? attributes & 3 : 0);
  const old = map.entries.find(([other]) => compare(other, key) === 0);
  const sum = add(old?.[1], delta, negated);
  if (sum === undefined) return refusal(ResultCode.PARAMETER, before);
  const kept = map.entries.filter((entry) => entry !== old);
  return outcome(new MapModel([...kept, [key, sum]], map.flags), sum);
}

/** SET_TYPE of a map. */
export function mapTypeModel(before: Maybe<MapModel>, flags: number): Outcome {
  if ((flags & ~0x13) !== 0) return refusal(ResultCode.OP_NOT_APPLICABLE, before);
  return outcome(new MapModel(before?.entries ?? [], flags & 3));
}
