import { getSystemErrorMap } from 'node:util';

/** Formats the system's reason for a failed file operation: `permission denied (EACCES)`. */
export function reasonOf(error: unknown): string {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  const [, words] = getSystemErrorMap().get(errno ?? 0) ?? [];
  if (words !== undefined && code !== undefined) return `${words} (${code})`;
  return code ?? message;
}

/** Suggests a fix for a folder that cannot be used, by the system's reason. */
export function cureOf(error: unknown, folder: string): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return `Free space on the disk of ${folder}, or raise its quota`;
    case 'ENOTDIR':
    case 'EEXIST':
      return `Move the file away that is in the place of ${folder} or of a folder above it`;
    case 'EMFILE':
    case 'ENFILE':
      return 'Raise the limit on open files (ulimit -n)';
    default: {
      const user = process.getuid?.();
      return `Make ${folder} readable and writable for ${user === undefined ? 'this user' : `user id ${user}`}`;
    }
  }
}
