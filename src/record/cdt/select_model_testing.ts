/**
 * Get and remove operations on plain objects, written for tests in the most obvious way: ranks are found by sorting
 * everything, sequences are built element by element.
 *
 * @module
 */

import { ResultCode, toHex } from "../../base/mod.ts";
import { answerOf, compare, encode, ListModel, MapModel, type Outcome, type Value } from "./model_testing.ts";

/** How an operation chooses, and from what parameters. */
export type Selector =
  | { by: "index" | "rank"; first: number; count?: number; single?: boolean }
  | { by: "value"; value: Value; single?: boolean }
  | { by: "interval" | "key interval"; begin: Value; end?: Value }
  | { by: "value list" | "key list"; values: Value[] }
  | { by: "relative rank" | "relative index"; value: Value; first: number; count?: number }
  | { by: "key"; key: Value; single: true };

/** Elements chosen, in the orders in which answers list them. */
interface Chosen {
  /** Pieces of neighbouring indexes or ranks; counted from the end each piece ascends. */
  kind: "indexes" | "ranks" | "scattered";
  start: number;
  indexes: number[];
  values: number[];
  ranks: number[];
  /** Sorted list: results of one requested value after the other. */
  groups?: number[][];
  emptyRange: "formula" | "start" | "always";
  /** Chosen by rank: when nothing is, all others of a map are listed by rank. */
  byRank?: boolean;
}

type Container = ListModel | MapModel;

function valuesOf(container: Container): Value[] {
  return container instanceof ListModel ? container.items : container.entries.map(([, value]) => value);
}

function cut(total: number, first: number, count = Infinity): [number, number] {
  const from = first < 0 ? first + total : first;
  const to = Math.min(total, from + count);
  const start = Math.min(total, Math.max(0, from));
  return [start, Math.max(0, to - start)];
}

function relative(total: number, base: number, first: number, count = Infinity): [number, number] {
  const start = base + first;
  return start < 0 ? cut(total, 0, Math.max(0, count + start)) : cut(total, start, count);
}

const run = (start: number, count: number) => Array.from({ length: count }, (_, index) => start + index);

/** The selection, or the code of a refusal. */
function choose(container: Container, selector: Selector): Chosen | number {
  const values = valuesOf(container);
  const total = values.length;
  const isList = container instanceof ListModel;
  const isSorted = isList && container.ordered;
  const order = run(0, total).sort((left, right) => compare(values[left], values[right]) || left - right);
  const less = (value: Value) => values.filter((other) => compare(other, value) < 0).length;
  const keys = isList ? [] : container.entries.map(([key]) => key);
  const keysLess = (key: Value) => keys.filter((other) => compare(other, key) < 0).length;
  const always = isList ? "always" : "start";

  function indexRun([start, count]: [number, number], emptyRange: Chosen["emptyRange"]): Chosen {
    const indexes = run(start, count);
    const ranks = indexes.map((index) => isList && !isSorted ? less(values[index]) : order.indexOf(index));
    return { kind: "indexes", start, indexes, values: indexes, ranks, emptyRange };
  }
  function rankRun([start, count]: [number, number]): Chosen {
    if (isSorted) return indexRun([start, count], "always");
    const byRank = run(start, count).map((rank) => order[rank]);
    const ranks = run(start, count);
    if (!isList) {
      return {
        kind: "ranks",
        start,
        indexes: byRank,
        values: byRank,
        ranks,
        emptyRange: "start",
        byRank: true,
      };
    }
    const indexes = [...byRank].sort((left, right) => left - right);
    const descending = start <= total - start - count;
    const listed = descending ? [...byRank].reverse() : byRank;
    return { kind: "ranks", start, indexes, values: listed, ranks, emptyRange: "always" };
  }
  function valueRun(begin: Value, isChosen: (value: Value) => boolean, empty: Chosen["emptyRange"]): Chosen {
    const indexes = run(0, total).filter((index) => isChosen(values[index]));
    const start = less(begin);
    if (isSorted) return indexRun([start, indexes.length], empty);
    const ranks = run(start, indexes.length);
    return {
      kind: "ranks",
      start,
      indexes,
      values: indexes,
      ranks,
      emptyRange: isList ? "formula" : "start",
    };
  }
  switch (selector.by) {
    case "index":
    case "rank": {
      const { first, single } = selector;
      if (single && (first >= total || first < -total)) return ResultCode.OP_NOT_APPLICABLE;
      const range = cut(total, first, single ? 1 : selector.count);
      return selector.by === "index" ? indexRun(range, always) : rankRun(range);
    }
    case "relative rank":
      return rankRun(relative(total, less(selector.value), selector.first, selector.count));
    case "relative index":
      return indexRun(relative(total, keysLess(selector.value), selector.first, selector.count), "start");
    case "value": {
      const chosen = valueRun(selector.value, (value) => compare(value, selector.value) === 0, "always");
      return selector.single ? first(chosen, isSorted ? 0 : chosen.start) : chosen;
    }
    case "interval": {
      const { begin, end } = selector;
      const isChosen = (value: Value) =>
        compare(value, begin) >= 0 && (end === undefined || compare(value, end) < 0);
      return valueRun(begin, isChosen, "formula");
    }
    case "key interval": {
      const start = keysLess(selector.begin);
      const end = selector.end === undefined ? total : keysLess(selector.end);
      const isFlagged = ((container as MapModel).flags & 1) !== 0;
      return indexRun([start, Math.max(0, end - start)], isFlagged ? "start" : "formula");
    }
    case "key": {
      const index = keys.findIndex((key) => compare(key, selector.key) === 0);
      return index < 0 ? { ...indexRun([0, 0], "start"), start: -1 } : indexRun([index, 1], "start");
    }
    case "key list": {
      const found = selector.values.map((key) => keys.findIndex((other) => compare(other, key) === 0));
      const indexes = found.filter((index, at) => index >= 0 && found.indexOf(index) === at);
      const sorted = [...indexes].sort((left, right) => left - right);
      return { kind: "scattered", start: 0, indexes, values: sorted, ranks: [], emptyRange: "formula" };
    }
    case "value list": {
      const groups = selector.values.map((value) =>
        run(0, total).filter((index) => compare(values[index], value) === 0)
      );
      const listed = groups.flat();
      if (isSorted) {
        return {
          kind: "scattered",
          start: 0,
          indexes: listed,
          values: listed,
          ranks: listed,
          groups,
          emptyRange: "formula",
        };
      }
      const ranks = [...new Set(listed)].map((index) => order.indexOf(index));
      const indexes = [...new Set(listed)].sort((left, right) => left - right);
      return { kind: "scattered", start: 0, indexes, values: indexes, ranks, emptyRange: "formula" };
    }
  }
}

function first(chosen: Chosen, missing: number): Chosen {
  const one = (items: number[]) => items.slice(0, 1);
  return {
    ...chosen,
    start: chosen.indexes.length === 0 ? missing : chosen.start,
    indexes: one(chosen.indexes),
    values: one(chosen.values),
    ranks: one(chosen.ranks),
  };
}

const integers = (numbers: number[]) => new ListModel(numbers.map((number) => BigInt(number)));

/** Neighbouring ascending numbers as pieces. */
function reversePieces(numbers: number[], total: number): number[] {
  return numbers.map((number) => total - 1 - number).sort((left, right) => left - right);
}

/** Runs an operation on the model. */
export function selectModel(
  container: Container,
  selector: Selector,
  options: { type: number; inverted: boolean; removes: boolean },
): Outcome {
  const { inverted, removes, type } = options;
  const refuse = (code: number): Outcome => ({
    code: code as ResultCode,
    answer: "",
    after: toHex(encode(container)),
  });
  const isList = container instanceof ListModel;
  const single = "single" in selector && selector.single === true;
  const known = [0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, ...(isList ? [] : [6, 8, 16, 17])];
  if (!known.includes(type) || (single && inverted)) return refuse(ResultCode.OP_NOT_APPLICABLE);
  if (inverted && type >= 9 && type <= 12) return refuse(ResultCode.OP_NOT_APPLICABLE);
  if (selector.by === "key list" && (type === 3 || type === 4)) return refuse(ResultCode.OP_NOT_APPLICABLE);
  const chosen = choose(container, selector);
  if (typeof chosen === "number") return refuse(chosen);
  const answer = answerOfChosen(container, chosen, { type, inverted, single });
  if (answer === undefined) return refuse(ResultCode.OP_NOT_APPLICABLE);
  const selected = new Set(chosen.indexes);
  const stays = (_: unknown, index: number) => !removes || selected.has(index) === inverted;
  const after = isList
    ? new ListModel(container.items.filter(stays), container.ordered)
    : new MapModel(container.entries.filter(stays), container.flags);
  return { code: ResultCode.OK, answer, after: toHex(encode(after)) };
}

/** The answer as text; undefined when there is none of this type. */
function answerOfChosen(
  container: Container,
  chosen: Chosen,
  options: { type: number; inverted: boolean; single: boolean },
): string | undefined {
  const { inverted, single, type } = options;
  const values = valuesOf(container);
  const total = values.length;
  const isSorted = container instanceof ListModel && container.ordered;
  const selected = new Set(chosen.indexes);
  const count = inverted ? total - selected.size : selected.size;
  const others = run(0, total).filter((index) => !selected.has(index));
  const numbers = (sequence: number[]) =>
    single ? answerOf(BigInt(sequence[0] ?? -1)) : answerOf(integers(sequence));
  switch (type) {
    case 0:
      return "";
    case 5:
      return answerOf(BigInt(count));
    case 13:
      return answerOf(count > 0);
    case 1:
      return numbers(inverted ? otherValues(container, chosen, others) : chosen.indexes);
    case 2:
      return numbers(reverseOf(chosen, {
        total,
        others: otherValues(container, chosen, others),
        inverted,
        ofRanks: false,
      }));
    case 3:
      return numbers(inverted ? otherRanks(container, chosen, others) : chosen.ranks);
    case 4: {
      const ranks = inverted ? otherRanks(container, chosen, others) : chosen.ranks;
      if (inverted) return numbers(reverseOtherRanks(chosen, { ranks, total, isSorted }));
      return numbers(
        reverseOf({ ...chosen, indexes: ranks }, { total, others, inverted, ofRanks: true, isSorted }),
      );
    }
    case 9:
    case 10:
    case 11:
    case 12:
      return rangeAnswer(chosen, { type, total, isSorted });
    default:
      return elementsAnswer(
        container,
        inverted ? otherValues(container, chosen, others) : chosen.values,
        options,
      );
  }
}

function reverseOf(
  chosen: Chosen,
  options: { total: number; others: number[]; inverted: boolean; ofRanks: boolean; isSorted?: boolean },
): number[] {
  const { total } = options;
  const each = (sequence: number[]) => sequence.map((number) => total - 1 - number);
  if (chosen.groups !== undefined && !options.inverted) {
    return chosen.groups.flatMap((group) => reversePieces(group, total));
  }
  const isRun = options.ofRanks
    ? chosen.kind === "ranks" || (options.isSorted === true && chosen.kind === "indexes")
    : chosen.kind === "indexes";
  if (!options.inverted) return isRun ? reversePieces(chosen.indexes, total) : each(chosen.indexes);
  if (!isRun) return each(options.others);
  const before = options.others.filter((index) => index < chosen.start);
  const after = options.others.filter((index) => index >= chosen.start);
  return [...reversePieces(before, total), ...reversePieces(after, total)];
}

function otherRanks(container: Container, chosen: Chosen, others: number[]): number[] {
  const values = valuesOf(container);
  const isSorted = container instanceof ListModel && container.ordered;
  if (chosen.kind === "ranks") return run(0, values.length).filter((rank) => !chosen.ranks.includes(rank));
  if (isSorted) return others;
  const order = run(0, values.length).sort((left, right) =>
    compare(values[left], values[right]) || left - right
  );
  const ranks = others.map((index) =>
    container instanceof MapModel
      ? order.indexOf(index)
      : values.filter((value) => compare(value, values[index]) < 0).length
  );
  return chosen.kind === "scattered" ? ranks.sort((left, right) => left - right) : ranks;
}

function reverseOtherRanks(
  chosen: Chosen,
  options: { ranks: number[]; total: number; isSorted: boolean },
): number[] {
  const { isSorted, ranks, total } = options;
  if (chosen.kind !== "ranks" && !(isSorted && chosen.kind === "indexes")) {
    return ranks.map((rank) => total - 1 - rank);
  }
  const before = ranks.filter((rank) => rank < chosen.start);
  const after = ranks.filter((rank) => rank >= chosen.start);
  return [...reversePieces(before, total), ...reversePieces(after, total)];
}

function otherValues(container: Container, chosen: Chosen, others: number[]): number[] {
  if (chosen.byRank !== true) return others;
  const values = valuesOf(container);
  return [...others].sort((left, right) => compare(values[left], values[right]) || left - right);
}

function rangeAnswer(
  chosen: Chosen,
  options: { type: number; total: number; isSorted: boolean },
): string | undefined {
  const { isSorted, total, type } = options;
  const ofIndexes = type <= 10;
  const isEmpty = chosen.indexes.length === 0;
  const isAllowed = isSorted && chosen.kind !== "scattered"
    ? true
    : chosen.kind === (ofIndexes ? "indexes" : "ranks");
  if (!isAllowed && !(isEmpty && chosen.emptyRange === "always" && chosen.kind !== "scattered")) {
    return undefined;
  }
  const isReverse = type === 10 || type === 12;
  const start = chosen.start;
  const fromEnd = total - start - chosen.indexes.length;
  const usesStart = !isReverse || (isEmpty && chosen.emptyRange !== "formula");
  return answerOf(integers([usesStart ? start : fromEnd, chosen.indexes.length]));
}

function elementsAnswer(
  container: Container,
  indexes: number[],
  options: { type: number; single: boolean },
): string {
  const { single, type } = options;
  const values = valuesOf(container);
  const keyOf = (index: number) => (container as MapModel).entries[index][0];
  if (type === 6 || type === 7) {
    const elements = indexes.map((index) => type === 6 ? keyOf(index) : values[index]);
    return single ? answerOf(elements.length === 0 ? null : elements[0]) : answerOf(new ListModel(elements));
  }
  const listed = type === 17 ? [...indexes].sort((left, right) => left - right) : indexes;
  const map = new MapModel([], type === 8 ? 8 : type === 17 ? 1 : 0);
  map.entries = listed.map((index) => [keyOf(index), values[index]]);
  return answerOf(map);
}
