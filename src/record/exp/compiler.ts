/**
 * From msgpack to nodes: literals by `literals.ts`, operations by the table of `operations.ts`. Types and counts are checked while
 * compiling; whatever does not fit refuses the whole expression.
 * Source: the expression reference, sections 8.2 to 8.4.
 *
 * @module
 */

import {
  EXP_DEPTH_MAX,
  EXP_NODE_COUNT_MAX,
  REGEX_AUTOMATA_SIZE_MAX_BYTES,
  REGEX_COUNT_MAX,
  REGEX_EXPANDED_SIZE_MAX,
  ResultCode,
} from "../../base/mod.ts";
import type { Variable } from "./flow.ts";
import { floatLiteral, integerLiteral, NIL_NODE, rangeLiteral, textLiteral } from "./literals.ts";
import type { ExpNode, MaybeNode, NodeSource } from "./node.ts";
import { EXP, EXP_TYPE } from "./opcodes.ts";
import { OPERATIONS } from "./operations.ts";
import type { ByteRegex } from "./regex.ts";
import { TOKEN, TokenReader } from "./reader.ts";

/** Memory of one node with its closure and places for values, by estimate. */
const NODE_SIZE_BYTES = 256;
/** Memory of one instruction of a regular expression, by estimate. */
const INSTRUCTION_SIZE_BYTES = 160;

/** Compiles one expression. */
export class Compiler implements NodeSource {
  /** Where the compiler stands. */
  readonly reader: TokenReader;
  /** Variables that are visible here, the innermost last. */
  readonly variables: Variable[] = [];
  /** Why the expression was refused. */
  refusal: ResultCode = ResultCode.PARAMETER;
  /** The expression looks at what is known of a record besides its bins. */
  usesFacts = false;
  /** The expression looks at bins or the digest, which only a write changes. */
  usesRecord = false;
  /** The expression looks at something else of the record: its key, its times, its size, its set. */
  usesMore = false;
  /** The expression deals in GeoJSON: geometry must be loaded before it is evaluated. */
  usesGeometry = false;
  readonly #regexes: ByteRegex[] = [];
  #regexSize = 0;
  #depth = 0;
  #nodeCount = 0;

  /** @param bytes kept by reference */
  constructor(bytes: Uint8Array) {
    this.reader = new TokenReader(bytes);
  }

  /** Everything is read. */
  get isAtEnd(): boolean {
    return this.reader.at === this.reader.end;
  }

  /** See {@linkcode NodeSource}. */
  refuse(resultCode: ResultCode): undefined {
    this.refusal = resultCode;
    return undefined;
  }

  /** Memory that the compiled expression takes, by estimate. */
  get memoryBytes(): number {
    const automata = this.#regexes.length === 0 ? 0 : REGEX_AUTOMATA_SIZE_MAX_BYTES;
    return this.reader.end + this.#nodeCount * NODE_SIZE_BYTES + this.#regexSize * INSTRUCTION_SIZE_BYTES +
      automata;
  }

  /** Shares the memory for regular expressions among those that there are. */
  limitMemory(): void {
    for (const regex of this.#regexes) {
      regex.limitMemory(Math.floor(REGEX_AUTOMATA_SIZE_MAX_BYTES / this.#regexes.length));
    }
  }

  /** See {@linkcode NodeSource}. */
  addRegex(regex: ByteRegex): boolean {
    this.#regexes.push(regex);
    this.#regexSize += regex.expandedSize;
    return this.#regexes.length <= REGEX_COUNT_MAX && this.#regexSize <= REGEX_EXPANDED_SIZE_MAX;
  }

  /** See {@linkcode NodeSource}. */
  expression(): MaybeNode {
    if (++this.#nodeCount > EXP_NODE_COUNT_MAX || this.#depth >= EXP_DEPTH_MAX) return undefined;
    this.#depth++;
    const node = this.#value();
    if (node?.type === EXP_TYPE.GEOJSON) this.usesGeometry = true;
    this.#depth--;
    return node;
  }

  /** See {@linkcode NodeSource}. */
  expressions(count: number): ExpNode[] | undefined {
    const nodes: ExpNode[] = [];
    for (let index = 0; index < count; index++) {
      const node = this.expression();
      if (node === undefined) return undefined;
      nodes.push(node);
    }
    return nodes;
  }

  /** Reads a whole number that is no expression: a type, a flag; NaN when there is none, or none of 32 bits. */
  parameter(): number {
    const { reader } = this;
    if (!reader.integer() || (reader.high !== 0 && reader.high !== -1)) return NaN;
    return reader.high * 0x1_0000_0000 + (reader.low >>> 0);
  }

  /** Reads a text that has no type byte: a name, a pattern. */
  text(): Uint8Array | undefined {
    const { reader } = this;
    if (reader.next() !== TOKEN.TEXT) return undefined;
    return reader.bytes.subarray(reader.textAt, reader.textAt + reader.textSize);
  }

  #value(): MaybeNode {
    const { reader } = this;
    const start = reader.at;
    switch (reader.next()) {
      case TOKEN.NIL:
        return NIL_NODE;
      case TOKEN.BOOL:
        return integerLiteral(EXP_TYPE.BOOL, 0, reader.low);
      case TOKEN.INT:
        return integerLiteral(EXP_TYPE.INT, reader.high, reader.low);
      case TOKEN.FLOAT:
        return floatLiteral(reader.float);
      case TOKEN.TEXT:
        return textLiteral(reader);
      case TOKEN.MAP:
        return rangeLiteral(EXP_TYPE.MAP, reader.bytes, start, reader.at);
      case TOKEN.LIST:
        return this.#operation(reader.low);
      default:
        return undefined;
    }
  }

  /** An operation: its number, then its arguments. */
  #operation(itemCount: number): MaybeNode {
    if (itemCount === 0) return undefined;
    const op = this.parameter();
    const operation = OPERATIONS[op];
    if (operation === undefined) return undefined;
    const argCount = itemCount - 1;
    if (argCount < operation.argCountMin || argCount > operation.argCountMax) return undefined;
    if (operation.usesFacts === true) this.usesFacts = true;
    if (op === EXP.BIN || op === EXP.BIN_TYPE || op === EXP.DIGEST_MODULO) this.usesRecord = true;
    else if (operation.usesFacts === true || op === EXP.KEY) this.usesMore = true;
    if (operation.parse !== undefined) return operation.parse(this, op, argCount);
    const args = this.expressions(argCount);
    return args === undefined ? undefined : operation.make(op, args);
  }
}
