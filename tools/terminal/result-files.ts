import { closeSync, constants, fstatSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { UsageError } from './exit.ts';
import { fileError } from './input-file.ts';
import { writeAll } from './standard-streams.ts';

/** A file that a command writes at its end. */
interface ResultFile {
  readonly path: string;
  readonly fd: number;
  /** True if the file was created. */
  readonly isNew: boolean;
  written: boolean;
}

/**
 * The files that a command writes its results to. They are opened before the work begins, so that
 * an unwritable path fails at once. Their contents are kept until the first write; a file that was
 * created and never written is removed.
 */
export class ResultFiles implements Disposable {
  readonly #files = new Map<string, ResultFile>();

  /** Opens the file of a flag. Throws an Error with its path and the reason. */
  open(path: string, flag: string): void {
    if (path === '') throw new UsageError(`${flag} takes the name of a file`);
    const file = openFile(path);
    const other = [...this.#files.values()].find(({ fd }) => isSameFile(fd, file.fd));
    if (other !== undefined) {
      closeSync(file.fd);
      throw new UsageError(`${flag} ${path} is the file of another result: it needs its own`);
    }
    this.#files.set(path, file);
  }

  /** Replaces the contents of an opened file. */
  write(path: string, text: string): void {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`${path} was not opened`);
    try {
      if (fstatSync(file.fd).isFile()) ftruncateSync(file.fd);
      writeAll(file.fd, Buffer.from(text));
    } catch (error) {
      throw fileError(`write ${path}`, error);
    }
    file.written = true;
  }

  [Symbol.dispose](): void {
    for (const { path, fd, isNew, written } of this.#files.values()) {
      closeSync(fd);
      if (isNew && !written) rmSync(path, { force: true });
    }
    this.#files.clear();
  }
}

function openFile(path: string): ResultFile {
  // Without O_NONBLOCK open(2) blocks on a pipe without a reader.
  const flags = constants.O_WRONLY | constants.O_NONBLOCK;
  try {
    const fd = openSync(path, flags | constants.O_CREAT | constants.O_EXCL, 0o666);
    return { path, fd, isNew: true, written: false };
  } catch (error) {
    const there = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    if (!there) throw fileError(`write ${path}`, error);
  }
  try {
    return { path, fd: openSync(path, flags), isNew: false, written: false };
  } catch (error) {
    throw fileError(`write ${path}`, error);
  }
}

function isSameFile(one: number, two: number): boolean {
  const [first, second] = [fstatSync(one), fstatSync(two)];
  return first.isFile() && first.dev === second.dev && first.ino === second.ino;
}
