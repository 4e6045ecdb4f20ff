/**
 * The table of map operations. Source: data type reference, sections 3.1 to 3.6.
 *
 * @module
 */

import type { ParamKind } from "./call.ts";
import {
  byIndexRange,
  byKeyInterval,
  byKeyList,
  byRankRange,
  byRelativeIndex,
  byRelativeRank,
  byValue,
  byValueInterval,
  byValueList,
} from "./choose.ts";
import { clear, size } from "./list_ops.ts";
import { increment, MAP_WRITE, setType, storeItems, storeOne, type StoreOptions } from "./map_store.ts";
import { type CdtOperation, modify, PARAMS, read } from "./operation.ts";
import { findByIndex, findByRank, findByValue, many, one, oneByKey } from "./select.ts";

const ADD: StoreOptions = { write: MAP_WRITE.NO_OVERWRITE, attributesIndex: 2, writeIndex: -1 };
const PUT: StoreOptions = { write: 0, attributesIndex: 2, writeIndex: 3 };
const REPLACE: StoreOptions = { write: MAP_WRITE.NO_CREATE, attributesIndex: -1, writeIndex: -1 };
const ADD_ITEMS: StoreOptions = { ...ADD, attributesIndex: 1 };
const PUT_ITEMS: StoreOptions = { ...PUT, attributesIndex: 1, writeIndex: 2 };
const DELTA: readonly ParamKind[] = ["value", "?value", "?integer"];

/** Map operations by code. */
export const MAP_OPERATIONS: Readonly<Record<number, CdtOperation>> = {
  64: modify("SET_TYPE", ["integer"], setType),
  65: modify("ADD", ["value", "value", "?integer"], storeOne(ADD)),
  66: modify("ADD_ITEMS", ["map", "?integer"], storeItems(ADD_ITEMS)),
  67: modify("PUT", ["value", "value", "?integer", "?integer"], storeOne(PUT)),
  68: modify("PUT_ITEMS", ["map", "?integer", "?integer"], storeItems(PUT_ITEMS)),
  69: modify("REPLACE", ["value", "value"], storeOne(REPLACE)),
  70: modify("REPLACE_ITEMS", ["map"], storeItems(REPLACE)),
  73: modify("INCREMENT", DELTA, increment(false)),
  74: modify("DECREMENT", DELTA, increment(true)),
  75: modify("CLEAR", [], clear),
  76: modify("REMOVE_BY_KEY", PARAMS.VALUE, oneByKey(true)),
  77: modify("REMOVE_BY_INDEX", PARAMS.ONE, one(findByIndex, true)),
  78: modify("REMOVE_BY_VALUE", PARAMS.VALUE, one(findByValue, true)),
  79: modify("REMOVE_BY_RANK", PARAMS.ONE, one(findByRank, true)),
  81: modify("REMOVE_BY_KEY_LIST", PARAMS.LIST, many(byKeyList, true)),
  82: modify("REMOVE_ALL_BY_VALUE", PARAMS.VALUE, many(byValue, true)),
  83: modify("REMOVE_BY_VALUE_LIST", PARAMS.LIST, many(byValueList, true)),
  84: modify("REMOVE_BY_KEY_INTERVAL", PARAMS.INTERVAL, many(byKeyInterval, true)),
  85: modify("REMOVE_BY_INDEX_RANGE", PARAMS.RANGE, many(byIndexRange, true)),
  86: modify("REMOVE_BY_VALUE_INTERVAL", PARAMS.INTERVAL, many(byValueInterval, true)),
  87: modify("REMOVE_BY_RANK_RANGE", PARAMS.RANGE, many(byRankRange, true)),
  88: modify("REMOVE_BY_KEY_REL_INDEX_RANGE", PARAMS.RELATIVE, many(byRelativeIndex, true)),
  89: modify("REMOVE_BY_VALUE_REL_RANK_RANGE", PARAMS.RELATIVE, many(byRelativeRank, true)),
  96: read("SIZE", [], size),
  97: read("GET_BY_KEY", PARAMS.VALUE, oneByKey(false)),
  98: read("GET_BY_INDEX", PARAMS.ONE, one(findByIndex, false)),
  99: read("GET_BY_VALUE", PARAMS.VALUE, one(findByValue, false)),
  100: read("GET_BY_RANK", PARAMS.ONE, one(findByRank, false)),
  102: read("GET_ALL_BY_VALUE", PARAMS.VALUE, many(byValue, false)),
  103: read("GET_BY_KEY_INTERVAL", PARAMS.INTERVAL, many(byKeyInterval, false)),
  104: read("GET_BY_INDEX_RANGE", PARAMS.RANGE, many(byIndexRange, false)),
  105: read("GET_BY_VALUE_INTERVAL", PARAMS.INTERVAL, many(byValueInterval, false)),
  106: read("GET_BY_RANK_RANGE", PARAMS.RANGE, many(byRankRange, false)),
  107: read("GET_BY_KEY_LIST", PARAMS.LIST, many(byKeyList, false)),
  108: read("GET_BY_VALUE_LIST", PARAMS.LIST, many(byValueList, false)),
  109: read("GET_BY_KEY_REL_INDEX_RANGE", PARAMS.RELATIVE, many(byRelativeIndex, false)),
  110: read("GET_BY_VALUE_REL_RANK_RANGE", PARAMS.RELATIVE, many(byRelativeRank, false)),
};
