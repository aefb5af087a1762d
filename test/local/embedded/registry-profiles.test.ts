import { describe, expect, it } from '@jest/globals';
import type { AuthOptions } from '../../../infra/local/embedded/registry/auth.ts';
import { authKind, profile, profileNames } from '../../../infra/local/embedded/registry/profiles.ts';
import { startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { Client, manifestOf, manifestType, sha256, withDigest } from './registry-client.ts';

const name = 'project/repo';
const config = Buffer.from('{}');
const layer = Buffer.from('0123456789abcdef');

describe('the profile', () => {
  it.each(profileNames)('%s takes an image in the one way all registries take', async (profileName) => {
    const registry = await startRegistry({ quirks: profile(profileName), repositories: [name] });
    try {
      const client = new Client(registry.host);
      for (const blob of [config, layer]) {
        const patched = await client.send('PATCH', await client.begin(name), { body: blob });
        const put = await client.send('PUT', withDigest(patched.headers.location ?? '', sha256(blob)));
        expect(put.status).toBe(201);
      }
      expect((await client.putManifest(name, 'v1', manifestOf(config, [layer]))).status).toBe(201);
      const headers = { accept: manifestType };
      expect((await client.send('GET', `/v2/${name}/manifests/v1`, { headers })).status).toBe(200);
    } finally {
      await registry.close();
    }
  });

  it.each([
    ['ecr', 'Basic'],
    ['docker-hub', 'Bearer'],
  ] as const)('%s hints at its auth, so that a registry of it asks for %s', async (profileName, scheme) => {
    const auth: AuthOptions = { kind: authKind(profileName), users: {} };
    const registry = await startRegistry({ quirks: profile(profileName), auth });
    try {
      const { headers } = await new Client(registry.host).send('GET', '/v2/');
      expect(headers['www-authenticate']?.split(' ')[0]).toBe(scheme);
    } finally {
      await registry.close();
    }
  });

  it('copies the profile, so that one registry cannot change another', async () => {
    const hub = profile('docker-hub');
    if (hub.rateLimit) hub.rateLimit.limit = 1;
    expect(profile('docker-hub').rateLimit?.limit).toBe(100);
    const registry = await startRegistry({ quirks: hub });
    await new Client(registry.host).send('GET', `/v2/${name}/manifests/v1`);
    await registry.close();
    expect(registry.quirks.rateLimit?.remaining).toBe(0);
    expect(hub.rateLimit?.remaining).toBeUndefined();
  });
});
