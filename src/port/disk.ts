/**
 * Port: disk.
 *
 * @module
 */

/** An open file. Offsets and sizes are in bytes. */
export interface DiskFile {
  /** Reads up to `target.length` bytes; resolves to the number of bytes read, 0 at the end of the file. */
  read(offset: number, target: Uint8Array): Promise<number>;
  /** Writes all of `source`, which is lent until the promise settles. */
  write(offset: number, source: Uint8Array): Promise<void>;
  /** Makes what was written survive a power cut. */
  sync(): Promise<void>;
  /** Size of the file. */
  size(): Promise<number>;
  /** Grows or cuts the file. */
  truncate(sizeBytes: number): Promise<void>;
  /**
   * Fills the begin of a new file with zeros that have their room on the file system: writing there works later, too, when
   * the file system is full.
   */
  reserve?(sizeBytes: number): Promise<void>;
  /** Closes the file. */
  close(): Promise<void>;
  /** Whether the file still has a name: one that was removed works until it is closed, and is gone then. */
  isThere?(): Promise<boolean>;
  /** Reads from the second copy of a file that has two; as `read`. */
  readShadow?(offset: number, target: Uint8Array): Promise<number>;
}

/** How to open a file. */
export interface DiskOpenOptions {
  /** Allow writing. */
  write?: boolean;
  /** Create the file (and no folder) when it is missing. */
  create?: boolean;
  /**
   * Nobody else may have the file open in this way, in another process or in this one: rejects with `code` "EBUSY". Ends
   * with `close`, and with the process, whatever ends it.
   */
  exclusive?: boolean;
}

/** Files. Errors are `Error`s whose message names the path and the cause; a missing file has `code` "ENOENT". */
export interface Disk {
  /** Opens a file. */
  open(path: string, options?: DiskOpenOptions): Promise<DiskFile>;
  /** Reads a whole file; rejects when it is larger than `sizeMaxBytes`. */
  readFile(path: string, sizeMaxBytes: number): Promise<Uint8Array>;
  /** Replaces a file as one step: after a power cut it has the old or the new content, never a mixture. */
  replaceFile(path: string, content: Uint8Array): Promise<void>;
  /** Names of the entries of a folder, sorted. */
  list(path: string): Promise<string[]>;
  /** Creates a folder and its parents; does nothing when it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Removes a file; does nothing when it is missing. */
  remove(path: string): Promise<void>;
}
