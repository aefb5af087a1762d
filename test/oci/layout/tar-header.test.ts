import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  decodeHeader,
  decodePax,
  encodeHeader,
  headerBytes,
  paddingOf,
} from '../../../functions/oci/layout/tar-header.ts';
import { entryAt, planTar } from '../../../functions/oci/layout/tar-plan.ts';

const gibibyte = 1024 ** 3;

describe('a header', () => {
  it('has the fields of ustar, without an owner or a time', () => {
    const header = encodeHeader('index.json', 1_234);
    expect(header).toHaveLength(512);
    expect(header.toString('latin1', 100, 148)).toBe('0000644\x000000000\x000000000\x0000000002322\x0000000000000\x00');
    expect(header.toString('latin1', 257, 265)).toBe('ustar\x0000');
    expect(decodeHeader(header)).toEqual({ name: 'index.json', size: 1_234, type: 'file', flag: '0' });
  });

  it.each([0, 1, 8 * gibibyte - 1, 8 * gibibyte, 8 * gibibyte + 1, 100 * 1024 * gibibyte, Number.MAX_SAFE_INTEGER])(
    'holds a size of %i bytes',
    (size) => {
      const header = encodeHeader('x', size);
      expect(decodeHeader(header)?.size).toBe(size);
      // Base-256 begins with its flag, octal with a digit.
      expect((header[124] ?? 0) >= 0x80).toBe(size >= 8 * gibibyte);
    },
  );

  it('has a pax header before it for a name that ustar cannot hold', () => {
    const name = `blobs/sha512/${'a'.repeat(128)}`;
    const header = encodeHeader(name, 7);
    expect(header).toHaveLength(3 * 512);
    const pax = decodeHeader(header.subarray(0, 512));
    expect(pax).toMatchObject({ type: 'pax', size: 151 });
    expect(decodePax(header.subarray(512, 512 + 151))).toEqual({ path: name });
    expect(decodeHeader(header.subarray(1_024))).toMatchObject({ type: 'file', size: 7, name: name.slice(0, 100) });
  });

  it.each([1, 99, 100, 101, 512, 600, 1_500])(
    'has the bytes that its plan counts, for a name of %i characters',
    (length) => {
      expect(headerBytes('n'.repeat(length))).toBe(encodeHeader('n'.repeat(length), 7).length);
    },
  );

  it('cannot be read as the same when any of its bytes differs', () => {
    const header = encodeHeader('index.json', 1_234);
    fc.assert(
      // What ends the checksum says nothing.
      fc.property(
        fc.nat(511).filter((at) => at < 154 || at > 155),
        fc.integer({ min: 1, max: 255 }),
        (at, change) => {
          const damaged = Buffer.from(header);
          damaged.writeUInt8((damaged[at] ?? 0) ^ change, at);
          try {
            expect(decodeHeader(damaged)).not.toEqual(decodeHeader(header));
          } catch (error) {
            if (!(error instanceof RangeError)) throw error;
          }
        },
      ),
    );
  });

  it.each([
    ['a length beyond its end', '99 path=x\n'],
    ['a length that is no number', 'x path=x\n'],
    ['no length', 'path'],
    ['an impossible size', '30 size=99999999999999999999\n'],
  ])('refuses a pax record with %s', (_, record) => {
    expect(() => decodePax(Buffer.from(record))).toThrow(RangeError);
  });
});

describe('a planned tar', () => {
  it('places entries on blocks, and ends with two blocks of zeros', () => {
    const { entries, size } = planTar([
      { name: 'a', size: 1 },
      { name: 'b', size: 512 },
      { name: 'c', size: 0 },
    ]);
    expect(entries.map(({ start, content, end }) => [start, content, end])).toEqual([
      [0, 512, 1_024],
      [1_024, 1_536, 2_048],
      [2_048, 2_560, 2_560],
    ]);
    expect(size).toBe(2_560 + 1_024);
  });

  it('plans a layer of more than 8 GiB without reading it', () => {
    const { entries, size } = planTar([
      { name: 'a', size: 9 * gibibyte + 5 },
      { name: 'b', size: 1 },
    ]);
    expect(entries[1]?.start).toBe(512 + 9 * gibibyte + 5 + paddingOf(9 * gibibyte + 5));
    expect(size).toBe((entries[1]?.start ?? 0) + 1_024 + 1_024);
  });

  it('finds the entry of any byte', () => {
    const tar = planTar(Array.from({ length: 50 }, (_, index) => ({ name: `${index}`, size: (index * 331) % 1_500 })));
    for (let at = 0; at < tar.size; at += 101) {
      const linear = tar.entries.findIndex(({ start, end }) => start <= at && at < end);
      expect(entryAt(tar, at)).toBe(linear === -1 ? tar.entries.length : linear);
    }
  });
});
