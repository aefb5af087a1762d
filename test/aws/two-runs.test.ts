import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { S3ObjectStore } from '../../functions/aws/s3-object-store.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { noteFirstSeen, readFirstSeen } from '../../functions/state/first-seen.ts';
import { changeInventory, readInventory } from '../../functions/state/inventory.ts';
import { noteLooks, readLooks } from '../../functions/state/looks.ts';
import type { ObjectStore } from '../../functions/state/object-store.ts';
import { noteRefusedFields, readRefusedFields } from '../../functions/state/refused-fields.ts';
import { FileStore } from '../../infra/local/file-store.ts';
import { type MotoServer, region } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';
import { available } from '../real-parts.ts';

/** A place that several runs use as their state. */
interface Place {
  open: () => ObjectStore;
  close: () => Promise<void>;
}

async function openFolder(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'two-runs-'));
  return { open: () => new FileStore(folder), close: () => rm(folder, { recursive: true }) };
}

async function openBucket(): Promise<Place> {
  const moto: MotoServer = await shareMotoServer();
  const client = new S3Client({ ...moto.config, forcePathStyle: true });
  await client.send(
    new CreateBucketCommand({ Bucket: 'state', CreateBucketConfiguration: { LocationConstraint: region } }),
  );
  return {
    open: () => new S3ObjectStore('state', oneWriteAtATime(client)),
    async close() {
      client.destroy();
      await moto.close();
    },
  };
}

let lastWrite: Promise<unknown> = Promise.resolve();

/** A client whose writes reach the server one after the other: S3 compares and writes in one step, moto in two. */
function oneWriteAtATime(client: S3Client): S3Client {
  return new Proxy(client, {
    get(target, property) {
      if (property !== 'send') return Reflect.get(target, property) as unknown;
      return (command: PutObjectCommand) => {
        if (!(command instanceof PutObjectCommand)) return target.send(command);
        const write = lastWrite.then(() => target.send(command));
        lastWrite = write.catch(() => undefined);
        return write;
      };
    },
  });
}

const places: [string, () => Promise<Place>][] = [
  ['folder', openFolder],
  ...(available('moto_server') ? ([['bucket', openBucket]] as [string, () => Promise<Place>][]) : []),
];

describe.each(places)('runs at once on one %s', (_, start) => {
  let place: Place;
  beforeAll(async () => {
    place = await start();
  }, 60_000);
  afterAll(() => place?.close());

  const now = new Date('2026-01-01T00:00:00.000Z');
  const digest = `sha256:${'a'.repeat(64)}` as Digest;
  const names = ['a', 'b', 'c', 'd'].flatMap((run) => [1, 2, 3, 4, 5].map((n) => `reg.example/${run}:${n}`));
  /** Four runs that each record five names, one after the other. */
  const record = (note: (store: ObjectStore, name: string) => Promise<unknown>) =>
    Promise.all(
      Object.values(Object.groupBy(names, (name) => name.slice(0, -1))).map(async (ofRun) => {
        const store = place.open();
        for (const name of ofRun ?? []) await note(store, name);
      }),
    );

  it('lose no copy of the inventory', async () => {
    await record((store, name) => changeInventory(store, (inventory) => (inventory[name] = digest)));
    expect(Object.keys(await readInventory(place.open())).toSorted()).toEqual(names);
  });

  it('lose no time at which an image was first seen', async () => {
    const sighting = (name: string) => ({ images: [`${name}@${digest}`], offers: [] });
    await record((store, name) => noteFirstSeen(store, sighting(name), now));
    const { images } = await readFirstSeen(place.open());
    expect(images).toEqual(Object.fromEntries(names.map((name) => [`${name}@${digest}`, now.toISOString()])));
  });

  it('lose no refused field', async () => {
    await record((store, field) => noteRefusedFields(store, [{ module: 'ci', infrastructureType: 'K8', field }], now));
    expect(Object.keys(await readRefusedFields(place.open())).toSorted()).toEqual(names.map((name) => `ci K8 ${name}`));
  });

  it('lose no check of an image', async () => {
    await record((store, reference) => noteLooks(store, [{ reference, digest, whole: true }], now));
    const looks = await readLooks(place.open());
    expect(names.filter((name) => looks.isDue(name, digest, 7, now))).toEqual([]);
  });
});
