/**
 * Errors of files, for people.
 *
 * @module
 */
import { errorCode } from "./network_common.ts";

/** What the codes of file errors mean, for people. */
const meanings: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "permission denied",
  EPERM: "the system does not permit it",
  EEXIST: "there is something of that name already",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
  EIO: "the device reports an error",
  EPIPE: "nobody reads it any more",
  EMFILE: "too many open files. Raise the limit (ulimit -n)",
  EFBIG: "the file is larger than allowed",
};

/** The error that a failed file operation rejects with: names path and cause, and keeps the code. */
export function diskError(what: string, path: string, cause: unknown): Error {
  const code = errorCode(cause) === "ENOTFOUND" ? "ENOENT" : errorCode(cause);
  const meaning = Object.hasOwn(meanings, code) ? meanings[code] : undefined;
  const reason = meaning ?? (cause instanceof Error ? cause.message : String(cause));
  return Object.assign(new Error(`Cannot ${what} "${path}": ${reason} (${code})`, { cause }), { code });
}

/** Does something with a file; a failure names path and cause. */
export async function attempt<T>(what: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw diskError(what, path, error);
  }
}

/** The folder that holds a path. */
export function folderOf(path: string): string {
  const at = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return at < 0 ? "." : at === 0 ? path.slice(0, 1) : path.slice(0, at);
}

/** Whether opening or syncing a folder failed because this system does not let a folder be opened. */
export function isFolderRefusal(error: unknown): boolean {
  return ["EISDIR", "EPERM", "EACCES", "EINVAL", "EBADF"].includes(errorCode(error));
}

/** The error of a file that is larger than the caller reads. */
export function tooLarge(sizeBytes: number, sizeMaxBytes: number): Error {
  return Object.assign(new Error(`it has ${sizeBytes} bytes, more than the ${sizeMaxBytes} that are read`), {
    code: "EUNKNOWN",
  });
}
