/**
 * How many bytes some code copies: the copying methods of typed arrays are replaced while it runs. Runs of up to 32
 * bytes, which are copied by loops, are not seen.
 *
 * @module
 */

type Method = "set" | "slice" | "copyWithin";

const prototype = Object.getPrototypeOf(Uint8Array.prototype) as Record<Method, unknown>;

/** Bytes that `run` copies in one go each. */
export function countCopiedBytes(run: () => void): number {
  let copied = 0;
  const undo = (["set", "slice", "copyWithin"] as const).map((name) =>
    replaceMethod(name, (self, args, result) => {
      if (name === "set") copied += (args[0] as Uint8Array).byteLength ?? 0;
      else if (name === "slice") copied += (result as Uint8Array).byteLength;
      else copied += Math.max(0, (args[2] as number ?? self.length) - (args[1] as number));
    })
  );
  try {
    run();
  } finally {
    for (const restore of undo) restore();
  }
  return copied;
}

/** Lets `note` see the calls of a method; the function that is returned ends that. */
function replaceMethod(
  name: Method,
  note: (self: Uint8Array, args: unknown[], result: unknown) => void,
): () => void {
  const original = prototype[name] as (...args: unknown[]) => unknown;
  prototype[name] = function (this: Uint8Array, ...args: unknown[]): unknown {
    const result = original.apply(this, args);
    note(this, args, result);
    return result;
  };
  return () => {
    prototype[name] = original;
  };
}
