import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CreateBucketCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { S3ObjectStore } from '../../functions/aws/s3-object-store.ts';
import { available } from '../real-parts.ts';
import { type MotoServer, region, startMotoServer } from './moto-server.ts';

(available('moto_server') ? describe : describe.skip)('the object store on S3', () => {
  let moto: MotoServer;
  let client: S3Client;
  let store: S3ObjectStore;

  beforeAll(async () => {
    moto = await startMotoServer({ s3PageSize: 3 });
    client = new S3Client({ ...moto.config, forcePathStyle: true });
    await client.send(
      new CreateBucketCommand({ Bucket: 'state', CreateBucketConfiguration: { LocationConstraint: region } }),
    );
    store = new S3ObjectStore('state', client);
  }, 60_000);
  afterAll(async () => {
    client?.destroy();
    await moto?.close();
  });

  it('gives back the bytes that were put', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    await store.put('runs/1/plan.json', bytes);
    expect(await store.get('runs/1/plan.json')).toEqual(bytes);
  });

  it('stores the type of a page, which browsers show and do not keep, and none for documents', async () => {
    await store.put('runs/1/report.html', Buffer.from('<!DOCTYPE html>'), { contentType: 'text/html; charset=utf-8' });
    await store.put('runs/1/report.json', Buffer.from('{}'));
    const page = await client.send(new HeadObjectCommand({ Bucket: 'state', Key: 'runs/1/report.html' }));
    expect(page).toMatchObject({
      ContentType: 'text/html; charset=utf-8',
      ContentDisposition: 'inline',
      CacheControl: 'no-store',
    });
    const document = await client.send(new HeadObjectCommand({ Bucket: 'state', Key: 'runs/1/report.json' }));
    expect(document.ContentDisposition).toBeUndefined();
    expect(document.ContentType).not.toMatch(/html/);
  });

  it('replaces an object that is there', async () => {
    await store.put('latest', new TextEncoder().encode('old and longer'));
    await store.put('latest', new TextEncoder().encode('new'));
    expect(new TextDecoder().decode(await store.get('latest'))).toBe('new');
  });

  it('keeps an empty object apart from none', async () => {
    await store.put('empty', new Uint8Array());
    expect(await store.get('empty')).toEqual(new Uint8Array());
    expect(await store.get('none')).toBeUndefined();
  });

  it('lists every page of keys below a prefix, sorted', async () => {
    const names = ['b', 'a.json', 'a-1', 'Z', 'c/d', 'a_1', '10', '9'];
    for (const name of names) await store.put(`list/${name}`, new Uint8Array());
    await store.put('listed-not', new Uint8Array());
    expect(await store.list('list/')).toEqual(names.map((name) => `list/${name}`).toSorted());
    expect(await store.list('nothing/')).toEqual([]);
  });

  it('makes, replaces and leaves an object by an update', async () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    const text = (body: Uint8Array | undefined) => body && new TextDecoder().decode(body);
    expect(await store.update('locks/a', (body) => bytes(`${text(body) ?? 'new'}1`))).toBe(true);
    expect(await store.update('locks/a', (body) => bytes(`${text(body)}2`))).toBe(true);
    expect(await store.update('locks/a', () => undefined)).toBe(true);
    expect(text(await store.get('locks/a'))).toBe('new12');
  });

  it.each([
    ['has made', 'made'],
    ['has replaced', 'replaced'],
  ])('updates nothing that another writer %s in between', async (_, key) => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    if (key === 'replaced') await store.put(key, bytes('old'));
    const other = new S3Client({ ...moto.config, forcePathStyle: true });
    const put = new PutObjectCommand({ Bucket: 'state', Key: key, Body: 'theirs' });
    const racing = new S3ObjectStore(
      'state',
      interceptPut(client, () => other.send(put)),
    );
    expect(await racing.update(key, () => bytes('ours'))).toBe(false);
    expect(new TextDecoder().decode(await store.get(key))).toBe('theirs');
    other.destroy();
  });

  it('refuses a key that would leave the store', async () => {
    await expect(store.get('../other')).rejects.toThrow(TypeError);
    await expect(store.put('/root', new Uint8Array())).rejects.toThrow(TypeError);
  });

  it('names bucket, key and cure when the bucket is missing', async () => {
    const lost = new S3ObjectStore('lost', client);
    const failure = {
      name: 'StoreFailed',
      message: expect.stringMatching(/s3:\/\/lost\/k: NoSuchBucket/),
      hint: expect.stringContaining('bucket lost'),
    };
    await expect(lost.get('k')).rejects.toMatchObject(failure);
    await expect(lost.put('k', new Uint8Array())).rejects.toMatchObject(failure);
    await expect(lost.list('k')).rejects.toMatchObject(failure);
  });
});

/** The client, with something that happens before its every PutObject. */
function interceptPut(client: S3Client, happens: () => Promise<unknown>): S3Client {
  return new Proxy(client, {
    get(target, property) {
      if (property !== 'send') return Reflect.get(target, property) as unknown;
      return async (command: PutObjectCommand) => {
        if (command instanceof PutObjectCommand) await happens();
        return target.send(command);
      };
    },
  });
}
