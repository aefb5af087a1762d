import { FactoryError } from '../errors.ts';
import type { RangeReader, RangeWriter } from '../oci/layout/ranges.ts';
import { TextSyntaxError } from '../text/text-syntax-error.ts';

/** The place of a bundle, as `--to`, `--from` and `bundle` name it. */
export type BundleAddress =
  /** Standard output: written once, never resumed. */
  | { readonly kind: 'stream' }
  | { readonly kind: 's3'; readonly bucket: string; readonly key: string }
  /** A path that ends in `.tar` is one tar, perhaps in parts; any other is a folder. */
  | { readonly kind: 'tar' | 'folder'; readonly path: string };

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const maxKeyBytes = 1_024;

/**
 * Parses `PATH`, `PATH.tar`, `s3://BUCKET/KEY` or `-`.
 *
 * @throws {TextSyntaxError} The caller adds the place of the text.
 */
export function parseBundleAddress(text: string): BundleAddress {
  if (text === '-') return { kind: 'stream' };
  if (text.trim() === '') throw new TextSyntaxError('it is empty');
  if (/[\0-\x1f\x7f]/.test(text)) throw new TextSyntaxError('it has a control character');
  const [, scheme = 'file', rest = text] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/.exec(text) ?? [];
  if (scheme === 's3') return parseObject(rest);
  if (rest !== text) throw new TextSyntaxError(`"${scheme}:" is neither a path nor s3://BUCKET/KEY`);
  return { kind: text.endsWith('.tar') ? 'tar' : 'folder', path: text };
}

function parseObject(text: string): BundleAddress {
  const slash = text.indexOf('/');
  const [bucket, key] = slash === -1 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)];
  if (!bucketName.test(bucket)) throw new TextSyntaxError(`"${bucket}" is not the name of a bucket`);
  if (key === '' || key.endsWith('/')) throw new TextSyntaxError('it has no key (s3://BUCKET/KEY)');
  if (Buffer.byteLength(key) > maxKeyBytes) throw new TextSyntaxError(`its key is longer than ${maxKeyBytes} bytes`);
  return { kind: 's3', bucket, key };
}

/** A small file beside a bundle, by what follows the bundle's name: `NAME.sha256`. */
export type Companion = 'bundle.json' | 'part.json' | 'sbom.cdx.json' | 'sha256' | 'sig';

/** The small files beside a bundle. */
export interface Companions {
  read(companion: Companion): Promise<Uint8Array | undefined>;
  /** Replaces the file in one step. */
  write(companion: Companion, bytes: Uint8Array): Promise<void>;
  /** Succeeds when there is no such file. */
  remove(companion: Companion): Promise<void>;
}

/** Returns the error for two bundles whose small files would have the same names: those of `stem`. */
export function namesake(place: string, other: string, stem: string): FactoryError {
  const message = `${place} would replace the files beside the bundle ${other}: both have ${stem}.sha256`;
  return new FactoryError('InvalidInput', message, {
    hint: `Give the new bundle another name, or move ${other} with the files ${stem}.* away.`,
  });
}

/** One file of a tar that may be cut into parts. */
export interface Slice {
  /** The name of the file, without its folder. */
  readonly name: string;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** The place that a tar is written to. */
export interface TarCarrier {
  /** Named in messages. */
  readonly name: string;
  /** Absent where there is none: a stream. Then nothing is resumed. */
  readonly companions?: Companions;
  /** Returns the files of a tar of `size` bytes. */
  slices(size: number): readonly Slice[];
  /**
   * Opens a tar of `size` bytes for writing, at `position`, which an earlier writer's `flush` returned. Where the bytes
   * before it are lost, the writer begins at 0.
   */
  create(size: number, position: number, signal?: AbortSignal): Promise<RangeWriter>;
  /** Removes the bundle of before that has the same name, and its signature; absent where nothing is ever replaced. */
  removeOld?(): Promise<void>;
  /** Opens one file of the tar, to be written alone; absent where there are no parts. */
  createPart?(slice: Slice): Promise<RangeWriter>;
}

/** The place that a bundle in one tar is read from. */
export interface TarSource {
  readonly companions: Pick<Companions, 'read'>;
  readonly reader: RangeReader;
}
