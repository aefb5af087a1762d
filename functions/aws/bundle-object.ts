import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { type Companion, type Companions, namesake, type TarCarrier, type TarSource } from '../bundle/carrier.ts';
import { planBundleTar } from '../bundle/bundle-files.ts';
import { parseDocument } from '../bundle/document.ts';
import type { BundlePlan } from '../bundle/plan-bundle.ts';
import { readSums } from '../bundle/file-sums.ts';
import { type TarWriting, writeCompanions, writeTar, type WrittenBundle } from '../bundle/write-tar.ts';
import { FactoryError } from '../errors.ts';
import { BucketObject } from './bucket-object.ts';
import { ObjectReader } from './object-reader.ts';
import { ObjectWriter } from './object-writer.ts';

/** The maximum size of an object beside a bundle, in bytes: that of `bundle.json`. */
const companionLimit = 32 * 1024 * 1024;

/** Writes a bundle as one object, with small objects beside it. The caller needs the permissions of docs/deployment.md. */
export function objectCarrier(object: BucketObject): TarCarrier & { readonly companions: Companions } {
  return {
    name: object.name,
    companions: companionsOf(object),
    slices: (size) => [{ name: object.key.slice(object.key.lastIndexOf('/') + 1), start: 0, end: size }],
    create: (size, position, signal) => ObjectWriter.open(object, size, position, signal),
  };
}

/**
 * Writes a bundle as one object. One that was complete before stays as it is: the process may have ended between the
 * completion of the object and its own end. The objects beside it are written again, perhaps with a new signature.
 */
export async function writeObject(plan: BundlePlan, object: BucketObject, options: TarWriting): Promise<WrittenBundle> {
  const carrier = objectCarrier(object);
  // Each part is recorded: no interruption loses more than one.
  const writing = { ...options, checkpointBytes: 1 };
  const bytes = await carrier.companions.read('bundle.json');
  const stem = object.key.replace(/\.tar$/, '');
  const other = object.beside(object.key === stem ? `${stem}.tar` : stem);
  if (bytes && (await other.exists(options.signal))) throw namesake(object.name, other.name, object.beside(stem).name);
  const document = bytes && parseDocument(bytes, `the copy of bundle.json beside ${object.name}`);
  if (document?.id !== plan.document.id || !(await object.exists(options.signal)))
    return writeTar(plan, carrier, writing);
  const { size } = planBundleTar(document);
  const reader = await ObjectReader.open(object, {}, options.signal);
  const files = carrier.slices(size);
  const sums = await readSums(carrier.companions);
  const ofTar = new Map([...(sums ?? [])].filter(([name]) => files.some((file) => file.name === name)));
  if (reader.size !== size || ofTar.size < files.length) return writeTar(plan, carrier, writing);
  await writeCompanions({ carrier, files, document }, (await options.accompany?.(document)) ?? new Map(), ofTar);
  await carrier.companions.remove('part.json');
  return { document, size, resumedAt: size };
}

/** Opens a bundle that is one object. Throws `StoreFailed`. */
export async function objectSource(object: BucketObject, signal?: AbortSignal): Promise<TarSource> {
  return { companions: companionsOf(object), reader: await ObjectReader.open(object, {}, signal) };
}

function companionsOf(bundle: BucketObject): Companions {
  const stem = bundle.key.replace(/\.tar$/, '');
  const beside = (companion: Companion) => bundle.beside(`${stem}.${companion}`);
  const attempt = async <T>(verb: string, object: BucketObject, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw await object.failure(verb, error);
    }
  };
  return {
    read: (companion) => {
      const object = beside(companion);
      return attempt('read', object, () => readSmall(object));
    },
    write: (companion, bytes) => {
      const object = beside(companion);
      const command = new PutObjectCommand({ ...object.place, Body: bytes });
      return attempt('write', object, async () => void (await object.client.send(command)));
    },
    remove: (companion) => {
      const object = beside(companion);
      const command = new DeleteObjectCommand(object.place);
      return attempt('delete', object, async () => void (await object.client.send(command)));
    },
  };
}

/** Reads an object into memory, if it is as small as it must be: it is untrusted. */
async function readSmall(object: BucketObject): Promise<Uint8Array | undefined> {
  const found = await object.get();
  if (!found) return undefined;
  const { Body, ContentLength = 0 } = found;
  if (ContentLength <= companionLimit) return Body?.transformToByteArray();
  await Body?.transformToWebStream().cancel();
  throw new FactoryError('BundleInvalid', `${object.name} is larger than ${companionLimit} bytes`, {
    hint: 'Carry the bundle again: it was damaged or altered on the way. Nothing was written.',
  });
}
