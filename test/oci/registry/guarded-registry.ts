import { afterEach } from '@jest/globals';
import type { Credentials } from '../../../functions/oci/registry/auth/credentials.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import type { RegistryOptions } from '../../../functions/oci/registry/registry.ts';
import type { AuthOptions } from '../../../infra/local/embedded/registry/auth.ts';
import type { BearerAuth } from '../../../infra/local/embedded/registry/users.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { connect, disconnect } from '../connect.ts';
import { always } from '../providers.ts';

/** Registries that ask who is there. */

export const name = 'harness/ci-addon';
export const image = sampleImage({ name, tag: '1', layerBytes: 2048 });
export const users = { ada: 'horse' };
export const ada: Credentials = { username: 'ada', password: 'horse' };

const closing: (() => Promise<unknown>)[] = [];

/** Closes after each test of the suite what it started and connected to. */
export function useGuardedRegistries(): void {
  afterEach(async () => {
    await disconnect();
    await Promise.all(closing.splice(0).map((close) => close()));
  });
}

/** A registry that holds the image as tag `1`. */
export async function start(auth: AuthOptions, quirks = {}): Promise<EmbeddedRegistry> {
  const registry = await startRegistry({ auth, quirks });
  closing.push(() => registry.close());
  registry.storage.putImage(name, '1', image);
  return registry;
}

export const bearer = (more: Partial<BearerAuth> = {}) => start({ kind: 'bearer', users, ...more });

export function repository(host: string, credentials?: Credentials, more: Partial<RegistryOptions> = {}): Repository {
  return new Repository(connect(host, { ...(credentials && { credentials: always(credentials) }), ...more }), name);
}
