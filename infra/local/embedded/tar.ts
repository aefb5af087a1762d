export interface TarFile {
  path: string;
  content: Buffer;
  /** Permission bits, default 0o644. */
  mode?: number;
}

const blockSize = 512;

/** A POSIX ustar archive of regular files, owned by root and dated 1970, so that equal files give equal bytes. */
export function tar(files: readonly TarFile[]): Buffer {
  const blocks = files.flatMap(({ path, content, mode = 0o644 }) => {
    const padding = Buffer.alloc((blockSize - (content.length % blockSize)) % blockSize);
    return [header(path, content.length, mode), content, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockSize)]);
}

/** IEEE Std 1003.1, pax, "ustar Interchange Format". */
function header(path: string, size: number, mode: number): Buffer {
  if (Buffer.byteLength(path) > 100) throw new RangeError(`path too long for a ustar header: ${path}`);
  const block = Buffer.alloc(blockSize);
  block.write(path, 0);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  // The checksum counts its own field as spaces.
  block.fill(' ', 148, 156);
  block.write('0', 156);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 7)} `, 148);
  return block;
}

/** Zero-padded and ended by NUL, `width` bytes in all. */
function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}
