/** Headers of POSIX ustar (pax(1), "ustar Interchange Format"), as GNU tar, bsdtar, Go and Python read them. */

export const blockBytes = 512;

/** The entries of archives that matter here. */
type EntryType = 'file' | 'folder' | 'pax' | 'gnu-name' | 'other';

export interface TarHeader {
  readonly name: string;
  readonly size: number;
  readonly type: EntryType;
  /** The type as it stands in the header. */
  readonly flag: string;
}

/** The largest size that twelve octal digits hold with their terminator, and one. */
const octalLimit = 8 ** 11;
const longestName = 100;

/** Returns the bytes of the padding after an entry. */
export function paddingOf(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}

/** Returns all blocks before an entry's content: its header, and a pax header where its name is too long for ustar. */
export function encodeHeader(name: string, size: number): Buffer {
  if (name.length <= longestName) return ustar(name, size, '0');
  const record = Buffer.from(paxRecord('path', name));
  const pax = ustar(`PaxHeaders/${name.slice(0, longestName - 11)}`, record.length, 'x');
  const padding = Buffer.alloc(paddingOf(record.length));
  return Buffer.concat([pax, record, padding, ustar(name.slice(0, longestName), size, '0')]);
}

/** Returns the bytes that `encodeHeader` returns for a name. */
export function headerBytes(name: string): number {
  if (name.length <= longestName) return blockBytes;
  const record = Buffer.byteLength(paxRecord('path', name));
  return blockBytes + record + paddingOf(record) + blockBytes;
}

function ustar(name: string, size: number, flag: string): Buffer {
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0, longestName, 'latin1');
  header.write('0000644\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  if (size < octalLimit) header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  else {
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  header.write('00000000000\0', 136, 'latin1');
  header.write(flag, 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.write('0000000\0', 329, 'latin1');
  header.write('0000000\0', 337, 'latin1');
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** Returns a record of a pax header. Its length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return `${length}${rest}`;
}

/** Sums the bytes of a header, with its checksum as spaces. */
function checksumOf(header: Uint8Array): number {
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
}

/** Reads one header. Returns `undefined` for a block of zeros, which ends an archive. Throws `RangeError`. */
export function decodeHeader(header: Buffer): TarHeader | undefined {
  if (header.every((byte) => byte === 0)) return undefined;
  const sum = Number.parseInt(textAt(header, 148, 8), 8);
  if (sum !== checksumOf(header)) throw new RangeError('it is not a tar header, or is damaged');
  const flag = textAt(header, 156, 1) || '0';
  // GNU's magic has no prefix field: its bytes hold times.
  const prefix = textAt(header, 257, 8) === 'ustar' ? textAt(header, 345, 155) : '';
  const name = (prefix && `${prefix}/`) + textAt(header, 0, longestName);
  const types: Readonly<Record<string, EntryType>> = {
    '0': 'file',
    '7': 'file',
    '5': 'folder',
    x: 'pax',
    L: 'gnu-name',
  };
  return { name, size: numberAt(header, 124, 12), type: types[flag] ?? 'other', flag };
}

function textAt(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

function numberAt(header: Buffer, start: number, length: number): number {
  const field = header.subarray(start, start + length);
  if (((field[0] ?? 0) & 0x80) === 0) {
    const digits = textAt(header, start, length).trim();
    if (!/^[0-7]*$/.test(digits)) throw new RangeError('it has a number that is not octal');
    return Number.parseInt(digits || '0', 8);
  }
  const value = BigInt(`0x${field.toString('hex')}`) & ((1n << BigInt(8 * length - 1)) - 1n);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError('it has an impossible size');
  return Number(value);
}

/** Returns the path and the size that the records of a pax header set. Throws `RangeError`. */
export function decodePax(content: Buffer): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at);
    const length = Number(content.toString('latin1', at, space));
    if (space === -1 || !Number.isSafeInteger(length) || length <= space - at || at + length > content.length)
      throw new RangeError('it has a damaged pax header');
    const [, key, value = ''] = /^([^=]*)=(.*)\n$/s.exec(content.toString('utf8', space + 1, at + length)) ?? [];
    if (key === 'path') found.path = value;
    if (key === 'size') found.size = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    at += length;
  }
  if (found.size !== undefined && !Number.isSafeInteger(found.size)) throw new RangeError('it has an impossible size');
  return found;
}
