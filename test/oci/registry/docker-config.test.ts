import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anonymous, inOrder } from '../../../functions/oci/registry/auth/credentials.ts';
import { dockerConfigCredentials } from '../../../functions/oci/registry/auth/docker-config.ts';
import { everything } from '../connect.ts';

const hub = 'registry-1.docker.io';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const ada = { username: 'ada', password: 'horse' };

async function logins(config: unknown, registry: string, repository = 'library/alpine') {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  return dockerConfigCredentials(text, 'config.json').logins(registry, repository);
}

/** Returns the credentials of the first login that has any. */
async function credentials(config: unknown, registry: string) {
  for (const login of await logins(config, registry)) {
    const found = await login.credentials();
    if (found) return found;
  }
  return undefined;
}

describe('"auths" of a Docker config', () => {
  it.each([
    ['auth', { auth: base64('ada:horse') }, ada],
    ['auth with colons in the password', { auth: base64('ada:h:o:') }, { username: 'ada', password: 'h:o:' }],
    ['auth padded with NULs', { auth: base64('ada:horse\0\0') }, ada],
    ['username and password', ada, ada],
    ['an identity token', { auth: base64('<token>:x'), identitytoken: 'refresh' }, { identityToken: 'refresh' }],
    ['a registry token', { registrytoken: 'bearer' }, { registryToken: 'bearer' }],
    ['nothing', {}, undefined],
    ['empty strings', { auth: '', username: '', password: '', identitytoken: '' }, undefined],
  ])('accepts an entry with %s', async (_, entry, expected) => {
    expect(await credentials({ auths: { 'r.io:5000': entry } }, 'r.io:5000')).toEqual(expected);
  });

  it.each([
    ['r.io', 'r.io'],
    ['https://r.io', 'r.io'],
    ['https://r.io/v1/', 'r.io'],
    ['http://r.io:5000/v2/', 'r.io:5000'],
    ['R.IO', 'r.io'],
    ['https://index.docker.io/v1/', hub],
    ['https://index.docker.io/v1/', 'docker.io'],
    ['https://index.docker.io/v1', hub],
    ['index.docker.io', hub],
    ['docker.io', hub],
    ['https://registry-1.docker.io', hub],
  ])('finds the key %s for %s', async (key, registry) => {
    expect(await credentials({ auths: { [key]: ada } }, registry)).toEqual(ada);
  });

  it.each([
    ['r.io', 'r.io:5000'],
    ['r.io', 'evil-r.io'],
    ['r.io', 'r.io.evil.com'],
    ['docker.io', 'r.io'],
    ['r.io', hub],
  ])('ignores the key %s for %s', async (key, registry) => {
    expect(await credentials({ auths: { [key]: ada } }, registry)).toBeUndefined();
  });

  it('accepts "auths" that are absent, empty or null', async () => {
    for (const config of [{}, { auths: {} }, { auths: null, credHelpers: null, credsStore: '' }]) {
      expect(await credentials(config, 'r.io')).toBeUndefined();
      expect(await credentials(config, 'constructor')).toBeUndefined();
    }
  });

  it('reports "auths" without a user and password, without their content', async () => {
    const error = await credentials({ auths: { 'r.io': { auth: base64('s3cret') } } }, 'r.io').catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'InvalidConfiguration', message: expect.stringContaining('r.io') });
    expect(everything(error)).not.toMatch(/s3cret|czNjcmV0/);
  });
});

/** Returns the error of a config that is refused. */
function refusalOf(config: unknown): unknown {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  try {
    dockerConfigCredentials(text, 'my config.json');
  } catch (error) {
    return error;
  }
  return undefined;
}

it.each([
  ['a user and password', { username: 'ada', password: 's3cret' }, /none of auths.*a login without the name/],
  ['an old .dockercfg', { 'r.io': { auth: 's3cret' } }, /none of auths.*\.dockercfg/],
  ['an old .dockercfg of a host of one word', { registry: { username: 's3cret' } }, /none of auths.*\.dockercfg/],
  ['a Kubernetes secret', { '.dockerconfigjson': 's3cret' }, /none of auths.*a Kubernetes secret/],
  ['a Kubernetes manifest', { apiVersion: 'v1', kind: 'Secret', data: {} }, /none of auths.*a Kubernetes manifest/],
  ['something else', { registries: { 'r.io': 's3cret' } }, /none of auths/],
  ['a misspelt "auths"', { auth: { 'r.io': { auth: 's3cret' } } }, /"auth", which is not one of auths/],
  ['a misspelt "credsStore"', { auths: {}, credStore: 's3cret' }, /"credStore", which is not one of auths/],
  ['a misspelt "credHelpers"', { credentialHelpers: { 'r.io': 's3cret' } }, /"credentialHelpers", which is not one of/],
  ['base64 of the document', Buffer.from('{"auths": {}}').toString('base64'), /base64 of the document/],
  ['an unexpanded variable', '${DOCKER_CONFIG_JSON}', /an unexpanded \$\{…\}/],
  ['user:password', 'ada:s3cret', /not JSON/],
  ['YAML', 'auths:\n  r.io:\n    auth: s3cret', /not JSON/],
])('a document of another shape is named, not taken for no credentials: %s', (_, config, message) => {
  const error = refusalOf(config);
  expect(error).toMatchObject({
    name: 'InvalidConfiguration',
    message: expect.stringMatching(message),
    hint: expect.stringContaining('"auths"'),
  });
  expect(everything(error)).not.toContain('s3cret');
});

it.each([
  {},
  { detachKeys: 'ctrl-e', currentContext: 'default' },
  { auths: null, credHelpers: null },
  { proxies: { default: { httpProxy: 'http://proxy.example' } } },
  { auths: {}, 'a setting of another version': true },
])('a config.json without credentials is one: %j', (config) => {
  expect(() => dockerConfigCredentials(JSON.stringify(config), 'my config.json')).not.toThrow();
});

it.each([
  ['text that is not encoded', { auth: 'ada:s3cret' }, 'is not base64 of user:password'],
  ['base64 of a line that echo ended', { auth: base64('ada:s3cret\n') }, 'holds a line break'],
  ['a placeholder', { auth: '${AUTH}' }, 'is an unexpanded ${…}'],
  ['a user without a password', { username: 'ada' }, 'a user without a password'],
  ['a placeholder for a password', { username: 'ada', password: '${PASSWORD}' }, 'an unexpanded placeholder'],
])('an entry is refused where it is %s, when its registry is asked for', async (_, entry, what) => {
  const error = await credentials({ auths: { 'r.io': entry } }, 'r.io').catch((e: unknown) => e);
  expect(error).toMatchObject({
    name: 'InvalidConfiguration',
    message: expect.stringMatching(new RegExp(`r\\.io.*${RegExp.escape(what)}`)),
  });
  expect(everything(error)).not.toContain('s3cret');
  expect(await credentials({ auths: { 'r.io': entry } }, 'other.io')).toBeUndefined();
});

it.each([
  ['not JSON', '{"auths": {"r.io": {"auth": "s3cret'],
  ['not an object', '["s3cret"]'],
  ['null', 'null'],
  ['auths a list', { auths: ['s3cret'] }],
  ['an entry a text', { auths: { 'r.io': 's3cret' } }],
  ['helpers a text', { credHelpers: 's3cret' }],
  ['a helper that is a path', { credHelpers: { 'r.io': '../s3cret' } }],
  ['a store that is a command', { credsStore: 's3cret; rm' }],
  ['a store that is a number', { credsStore: 7 }],
])('a broken Docker config is refused without quoting it: %s', (_, config) => {
  const error = refusalOf(config);
  expect(error).toMatchObject({ name: 'InvalidConfiguration', message: expect.stringContaining('my config.json') });
  expect(everything(error)).not.toContain('s3cret');
});

describe('a credential helper', () => {
  const path = process.env.PATH;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'credential-helpers-'));
    process.env.PATH = [folder, path].join(delimiter);
    await helper(
      'good',
      `read server; printf '{"ServerURL":"%s","Username":"ada","Secret":"for %s"}' "$server" "$server"`,
    );
    await helper('nosy', `read server; printf '{"Username":"ada","Secret":"%s"}' "$(env | tr '\\n"' '  ')"`);
    await helper('token', `cat > /dev/null; printf '{"Username":"<token>","Secret":"refresh"}'`);
    await helper('none', 'cat > /dev/null; echo "credentials not found in native keychain"; exit 1');
    await helper('empty', `cat > /dev/null; printf '{"Username":"","Secret":""}'`);
    await helper('fails', 'cat > /dev/null; echo "s3cret leaked"; exit 3');
    await helper('vault', 'echo "level=error msg=\\"token has expired: run vault login\\"" >&2; echo s3cret; exit 1');
    await helper('traced', `echo '+ printf {"Username":"ada","Secret":"s3cret"} PASSWORD=s3cret' >&2; exit 2`);
    await helper('daemon', `sleep 20 >&2 & printf '{"Username":"ada","Secret":"of a daemon"}'; exec >&-`);
    await helper('chatty', 'cat > /dev/null; echo "s3cret: not JSON"');
    await helper('deaf', `exec < /dev/null; printf '{"Username":"ada","Secret":"unheard"}'`);
    await helper('endless', 'cat > /dev/null; while :; do echo s3cret; done');
    await helper('killed', 'sleep 20 & kill -9 $$');
    await helper(
      'hub',
      'read server; [ "$server" = docker.io ] && printf \'{"Username":"ada","Secret":"hub"}\' || { echo "credentials not found"; exit 1; }',
    );
    await writeFile(join(folder, 'docker-credential-inert'), 'not executable');
  });
  afterAll(async () => {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  });

  async function helper(name: string, script: string): Promise<void> {
    const file = join(folder, `docker-credential-${name}`);
    await writeFile(file, `#!/bin/sh\n[ "$1" = get ] || exit 9\n${script}\n`);
    await chmod(file, 0o755);
  }

  const ask = (name: string, registry = 'r.io') => credentials({ credHelpers: { [registry]: name } }, registry);

  it('receives the server and returns user and password', async () => {
    expect(await ask('good')).toEqual({ username: 'ada', password: 'for r.io' });
  });

  it('returns an identity token for the user <token>', async () => {
    expect(await ask('token')).toEqual({ identityToken: 'refresh' });
  });

  it('runs in the environment that it is given', async () => {
    const text = JSON.stringify({ credHelpers: { 'r.io': 'nosy' } });
    const environment = { PATH: process.env['PATH'], AWS_PROFILE: 'prod' };
    const [login] = await dockerConfigCredentials(text, 'config.json', environment).logins('r.io', 'a');
    const shown = JSON.stringify(await login?.credentials());
    expect(shown).toContain('AWS_PROFILE=prod');
    expect(shown).not.toContain('HOME=');
  });

  it('need not read its input', async () => {
    expect(await ask('deaf')).toEqual({ username: 'ada', password: 'unheard' });
  });

  it('can leave a process behind that keeps its standard error open', async () => {
    expect(await ask('daemon')).toEqual({ username: 'ada', password: 'of a daemon' });
  });

  it('can have no credentials without a failure', async () => {
    expect(await ask('none')).toBeUndefined();
    expect(await ask('empty')).toBeUndefined();
  });

  it('calls a helper with each name of Docker Hub', async () => {
    expect(await credentials({ credsStore: 'hub' }, hub)).toEqual({ username: 'ada', password: 'hub' });
  });

  it.each([
    ['fails', 'exited with 3'],
    ['vault', 'exited with 1 .*token has expired: run vault login'],
    ['traced', 'exited with 2'],
    ['chatty', 'output is not JSON'],
    ['endless', 'killed by SIGTERM'],
    ['killed', 'killed by SIGKILL'],
    ['absent', 'not on the PATH'],
    ['inert', 'EACCES'],
  ])('reports a helper that %s by name, with its standard error and without its output', async (name, why) => {
    const error = await ask(name).catch((e: unknown) => e);
    expect(error).toMatchObject({
      name: 'CredentialHelperFailed',
      message: expect.stringMatching(new RegExp(`docker-credential-${name}.*${why}`)),
    });
    expect(everything(error)).not.toContain('s3cret');
  });

  it('asks the helper of a registry before the store, and the store before "auths"', async () => {
    const auths = { 'r.io': { username: 'from', password: 'auths' } };
    const config = { auths, credsStore: 'token', credHelpers: { 'r.io': 'good' } };
    expect(await credentials(config, 'r.io')).toEqual({ username: 'ada', password: 'for r.io' });
    expect(await credentials({ ...config, credHelpers: {} }, 'r.io')).toEqual({ identityToken: 'refresh' });
    expect(await credentials({ auths, credsStore: 'none' }, 'r.io')).toEqual(auths['r.io']);
    expect(await credentials({ auths, credHelpers: { 'r.io': 'none' } }, 'r.io')).toEqual(auths['r.io']);
  });
});

it('combines providers in their order', async () => {
  const provider = (...names: string[]) => ({
    logins: async () => names.map((name) => ({ name, credentials: async () => undefined })),
  });
  const chain = inOrder(provider('a', 'b'), anonymous, provider('c'));
  expect((await chain.logins('r.io', 'x')).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
});

describe('the keys of "auths"', () => {
  const order = async (keys: string[], registry: string, repository: string) => {
    const found = await logins({ auths: Object.fromEntries(keys.map((key) => [key, ada])) }, registry, repository);
    return found.map(({ name }) => name.replace(/^"(.*)" in config.json$/, '$1'));
  };

  it('tries keys from the longest matching path to the registry itself', async () => {
    const keys = ['r.io', 'r.io/team-b', 'r.io/mirror', 'r.io/mirror/harness', 'r.io/mirror/harness/ci-addon', 'q.io'];
    expect(await order(keys, 'r.io', 'mirror/harness/ci-addon')).toEqual([
      'r.io/mirror/harness/ci-addon',
      'r.io/mirror/harness',
      'r.io/mirror',
      'r.io',
    ]);
  });

  it.each([
    ['r.io/team', 'team-b/app'],
    ['r.io/team/app', 'team'],
    ['r.io/team/app', 'team/application'],
    ['r.io/app', 'team/app'],
    ['r.io:5000/team', 'team/app'],
  ])('matches whole components of a path: %s does not match %s', async (key, repository) => {
    expect(await order([key], 'r.io', repository)).toEqual([]);
  });

  it('accepts keys with a slash at the end, and with an API version', async () => {
    const keys = ['r.io/v1/', 'r.io/team/', 'https://r.io/v2/'];
    expect(await order(keys, 'r.io', 'team/app')).toEqual(['r.io/team/', 'r.io/v1/', 'https://r.io/v2/']);
  });

  it('uses URL keys for the whole host, after all others', async () => {
    const keys = ['https://r.io/team-b', 'https://r.io/team', 'r.io'];
    expect(await order(keys, 'r.io', 'team/app')).toEqual(['https://r.io/team', 'r.io', 'https://r.io/team-b']);
  });

  it('name Docker Hub in many ways, with paths too', async () => {
    const keys = ['docker.io', 'https://index.docker.io/v1/', 'docker.io/acme', 'index.docker.io/other'];
    for (const registry of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) {
      expect(await order(keys, registry, 'acme/app')).toEqual([
        'docker.io/acme',
        'https://index.docker.io/v1/',
        'docker.io',
      ]);
    }
  });

  it('prefers keys with a path to a helper, and a helper to the key of the registry', async () => {
    const config = {
      auths: { 'r.io': ada, 'r.io/team': ada },
      credHelpers: { 'r.io': 'named' },
      credsStore: 'store',
    };
    expect((await logins(config, 'r.io', 'team/app')).map(({ name }) => name)).toEqual([
      '"r.io/team" in config.json',
      'docker-credential-named of config.json',
      'docker-credential-store of config.json',
      '"r.io" in config.json',
    ]);
  });
});
