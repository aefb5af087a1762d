import { afterEach, beforeEach } from '@jest/globals';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { connect, disconnect } from '../connect.ts';

/** The repository at the source. */
export const name = 'harness/ci-addon';
/** The repository at the destination. */
export const mirror = 'mirror/ci-addon';

export let from: EmbeddedRegistry;
export let to: EmbeddedRegistry;
export let source: Repository;
export let destination: Repository;

/** Starts two empty registries before each test of the file, and closes them after it. */
export function useTwoRegistries(): void {
  beforeEach(async () => {
    [from, to] = await Promise.all([startRegistry(), startRegistry()]);
    source = new Repository(connect(from.host), name);
    destination = new Repository(connect(to.host), mirror);
  });
  afterEach(async () => {
    await disconnect();
    await Promise.all([from.close(), to.close()]);
  });
}
