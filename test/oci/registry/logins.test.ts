import { describe, expect, it } from '@jest/globals';
import type { CredentialProvider, Credentials, Login } from '../../../functions/oci/registry/auth/credentials.ts';
import { getManifest, putManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import { cancelUpload, startUpload } from '../../../functions/oci/registry/upload-session.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { parseManifest } from '../../../functions/oci/spec/manifest.ts';
import type { Registry as EmbeddedRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { connect, errorOf, everything } from '../connect.ts';
import { ada, bearer, image, name, start, useGuardedRegistries } from './guarded-registry.ts';

useGuardedRegistries();

const eve: Credentials = { username: 'eve', password: 'gone-s3cret' };
const bob: Credentials = { username: 'bob', password: 'b0b' };
const users = { ada: 'horse', bob: 'b0b' };
const digest = digestOf(Buffer.from('a blob'));
const manifest = parseManifest(image.bytes, image.mediaType);

interface Attempt {
  source: Repository;
  notes: string[];
}

/** A client with logins of these names, tried in this order. */
function logIn(
  registry: EmbeddedRegistry,
  logins: Record<string, Login['credentials'] | Credentials | undefined>,
): Attempt {
  const notes: string[] = [];
  const credentials: CredentialProvider = {
    logins: async () =>
      Object.entries(logins).map(([login, held]) => ({
        name: login,
        credentials: typeof held === 'function' ? held : async () => held,
      })),
  };
  const client = connect(registry.host, { credentials, onNote: (note) => notes.push(note) });
  return { source: new Repository(client, name), notes };
}

const locked = async () => {
  throw new Error('the keychain is locked');
};

describe('several logins for a registry', () => {
  it('tries logins until one is accepted, and keeps it', async () => {
    const registry = await start({ kind: 'basic', users });
    const { source, notes } = logIn(registry, { old: eve, empty: undefined, new: ada });
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(registry.requests.map(({ status }) => status)).toEqual([401, 401, 200]);
    registry.requests.length = 0;
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(registry.requests.map(({ status }) => status)).toEqual([200]);
    expect(notes).toEqual([expect.stringMatching(/old failed, continuing without it .*HTTP 401/)]);
    expect(notes.join()).not.toContain('s3cret');
  });

  it('tries the next login after a 403', async () => {
    const registry = await start({ kind: 'basic', users, allows: (user) => user === 'bob' });
    const { source, notes } = logIn(registry, { narrow: ada, wide: bob });
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(notes).toEqual([expect.stringMatching(/narrow failed, continuing without it .*HTTP 403/)]);
  });

  it('tries the next login when the token service refuses the first, or issues it a useless token', async () => {
    const registry = await bearer({ users, allows: (user) => user === 'bob' });
    const { source } = logIn(registry, { wrong: eve, narrow: ada, right: bob });
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(registry.tokens.requests.at(-1)).toMatchObject({ user: 'bob', status: 200 });
  });

  it.each([
    { kind: 'basic', users },
    { kind: 'bearer', users },
  ] as const)('tries the next login when the first cannot be read: $kind', async (auth) => {
    const registry = await start(auth);
    const { source, notes } = logIn(registry, { helper: locked, file: ada });
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(notes).toEqual([expect.stringContaining('helper failed, continuing without it (the keychain is locked)')]);
  });

  it('can read with one login and write with another', async () => {
    const registry = await start({
      kind: 'basic',
      users,
      allows: (user, { action }) => user === 'bob' || action === 'pull',
    });
    const { source } = logIn(registry, { reader: ada, writer: bob });
    await putManifest(source, '2', manifest);
    registry.requests.length = 0;
    await resolveTag(source, '2');
    await putManifest(source, '3', manifest);
    expect(registry.requests.map(({ status }) => status)).toEqual([200, 201]);
  });

  it('tries never accepted logins last at other repositories', async () => {
    const registry = await start({ kind: 'basic', users });
    const { source } = logIn(registry, { old: eve, new: ada });
    await resolveTag(source, '1');
    registry.requests.length = 0;
    await resolveTag(new Repository(source.registry, 'harness/other'), '1');
    expect(registry.requests.map(({ status }) => status)).toEqual([404]);
  });

  it('tries an anonymous pull last', async () => {
    const registry = await bearer({ users, anonymousPull: true });
    const { source, notes } = logIn(registry, { old: eve });
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(notes).toEqual([expect.stringContaining('old failed, continuing without it')]);
    expect(await errorOf(putManifest(source, '2', manifest))).toMatchObject({ name: 'RegistryUnauthorized' });
    expect(registry.tokens.requests.filter(({ scopes }) => scopes.join().includes('push'))).toEqual([
      expect.objectContaining({ user: 'eve', status: 401 }),
    ]);
  });

  it('reports the refusal of the first login when all are refused, and starts again with it', async () => {
    const registry = await start({ kind: 'basic', users, allows: (user) => user === 'bob' });
    let first = ada;
    const { source } = logIn(registry, { first: async () => first, second: eve });
    const error = await errorOf(getManifest(source, '1'));
    expect(error).toMatchObject({ name: 'RegistryForbidden', status: 403 });
    expect(everything(error)).not.toContain('s3cret');
    first = bob;
    expect((await getManifest(source, '1')).digest).toBe(image.digest);
  });

  it('reports the failure of a login that was accepted before', async () => {
    const registry = await start({
      kind: 'basic',
      users,
      allows: (user, { action }) => user === 'bob' && action === 'pull',
    });
    const { source } = logIn(registry, { old: eve, reader: bob });
    await resolveTag(source, '1');
    expect(await errorOf(putManifest(source, '2', manifest))).toMatchObject({ name: 'RegistryForbidden', status: 403 });
  });

  describe('a request with more rights than a push', () => {
    const cancel = async (there: Repository) => {
      const session = await startUpload(there, digest, undefined);
      if (session !== 'mounted') await cancelUpload(there, session.location);
    };
    const mount = async (there: Repository) => void (await startUpload(there, digest, 'harness/hidden'));
    const pushers = () =>
      bearer({ users, allows: (user, { name: at, action }) => user === 'ada' && at === name && action !== 'delete' });

    it.each([
      ['a deletion', 'another login', cancel, bob],
      ['a deletion', 'an empty entry', cancel, undefined],
      ['a mount', 'another login', mount, bob],
      ['a mount', 'an empty entry', mount, undefined],
    ])('leaves pushes their login when %s is refused, with %s', async (_, __, work, second) => {
      const registry = await pushers();
      const { source } = logIn(registry, { first: ada, second });
      await putManifest(source, '2', manifest);
      let isOver = false;
      const working = work(source).finally(() => (isOver = true));
      while (!isOver) await putManifest(source, '2', manifest);
      await working;
      expect(registry.tokens.requests.filter(({ scopes }) => scopes.length === 1)).toEqual([
        expect.objectContaining({ user: 'ada', scopes: [`repository:${name}:pull,push`], status: 200 }),
      ]);
    });

    it('ends at the last login with credentials, before an empty entry', async () => {
      const registry = await pushers();
      const { source, notes } = logIn(registry, { helper: ada, entry: undefined });
      await cancel(source);
      expect(new Set(registry.tokens.requests.map(({ user }) => user))).toEqual(new Set(['ada']));
      expect(notes).toEqual([]);
    });
  });

  it('shares one refusal among concurrent requests', async () => {
    const registry = await start({ kind: 'basic', users });
    const { source, notes } = logIn(registry, { old: eve, new: ada });
    await Promise.all(Array.from({ length: 24 }, async () => resolveTag(source, '1')));
    expect(notes).toHaveLength(1);
    registry.requests.length = 0;
    await resolveTag(source, '1');
    expect(registry.requests.map(({ status }) => status)).toEqual([200]);
  });
});
