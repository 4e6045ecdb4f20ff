/** Type declarations of the part of `@std/cli/parse-args` that the verbs use. */

/** What `parseArgs` is told about the flags it should know. */
export interface ParseOptions {
  /** Flags without a value. */
  boolean?: string | readonly string[];
  /** Flags whose value stays text. */
  string?: string | readonly string[];
  /** Flags that may be given several times. */
  collect?: string | readonly string[];
  /** Flags that `--no-X` negates. */
  negatable?: string | readonly string[];
  /** Short names. */
  alias?: Record<string, string | readonly string[]>;
  /** Values of flags that are not given. */
  default?: Record<string, unknown>;
  /** Everything after the first positional argument goes to `_`. */
  stopEarly?: boolean;
  /** Everything after `--` goes to the key `--`. */
  "--"?: boolean;
  /** Called for arguments that no option names; false keeps them out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Flags by name; `_` holds what is not a flag. */
export interface Args {
  _: (string | number)[];
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
}

/** Parses a command line. */
export function parseArgs(args: readonly string[], options?: ParseOptions): Args;
