import { expect } from '@jest/globals';
import { allPermissions, type Permission } from '../../infra/local/embedded/harness-api/authentication.ts';
import type { AccountState, ConnectorDocument } from '../../infra/local/embedded/harness-api/state.ts';
import { type Factory, type FactoryOptions, k8, startFactory, vm } from './factory.ts';

export const gar = 'https://us-docker.pkg.dev/gar-prod-setup/harness-public';
const terraform = 'plugins/harness_terraform:latest';
export const scopes = { modules: ['ci', 'iacm'], infrastructure_type: ['K8', 'VM'], include_windows_rootless: true };
/** Copies and switches everything that pods pull. */
export const whole = { ...scopes, manage_connector: true };

/** The overrides of an account that uses Harness's own images. */
export const nothing = [{}, {}, {}];

/** An account with few images in two modules, whose connector is for Google Artifact Registry. */
export class ManagedAccount {
  readonly factory: Factory;
  readonly #permissions: Permission[];

  private constructor(factory: Factory, permissions: Permission[]) {
    this.factory = factory;
    this.#permissions = permissions;
  }

  static async start(options: FactoryOptions = {}): Promise<ManagedAccount> {
    const defaults = { iacm: { K8: { iacmTerraform: terraform } }, idp: { K8: {} }, dbops: {} };
    const permissions = [...allPermissions];
    const keys = [{ key: 'sat.embedded.key.secret-of-key', accountId: 'embedded', permissions }];
    const factory = await startFactory({
      findExecution: async () => ({ status: 'ABORTED' }),
      startCommand: (input) => `start ${JSON.stringify(input)}`,
      ...options,
      harness: { connector: 'gar', defaults, keys },
    });
    factory.publish([terraform]);
    return new ManagedAccount(factory, permissions);
  }

  get state(): AccountState {
    const state = this.factory.harness.state[this.factory.harness.accountId];
    if (!state) throw new Error('the account is gone');
    return state;
  }

  get connector(): ConnectorDocument {
    const [found] = this.state.connectors;
    if (!found) throw new Error('the connector is gone');
    return found;
  }

  get address(): unknown {
    return this.connector.spec['dockerRegistryUrl'];
  }

  set address(url: string) {
    this.connector.spec['dockerRegistryUrl'] = url;
  }

  /** The address of the registry, as the connector has it. */
  get ours(): string {
    return `http://${this.factory.registry}`;
  }

  /** Everything that writes to Harness, in order. */
  get written(): string[] {
    return this.factory.harness.requests
      .filter(({ method, path }) => method === 'PUT' || /(?:update|reset)-config$/.test(path))
      .map(({ method, path }) => `${method} ${path.slice(path.lastIndexOf('/') + 1)}`);
  }

  get overrides(): object[] {
    return [this.factory.overrides(), this.factory.overrides('ci', 'VM'), this.factory.overrides('iacm')];
  }

  /** The overrides when every field uses its copy. */
  get copies(): object[] {
    return [k8, vm, { iacmTerraform: terraform }].map((images) =>
      Object.fromEntries(Object.entries(images).map(([field, image]) => [field, this.factory.copyOf(image)])),
    );
  }

  /** Does something when the store has written a document for the first time. */
  onDocument(name: string, act: () => void): void {
    const { store } = this.factory;
    store.onPut = (key) => {
      if (!key.endsWith(`/${name}.json`)) return;
      store.onPut = () => undefined;
      act();
    };
  }

  /** Takes a permission away from the key. */
  lose(permission: Permission): void {
    this.#permissions.splice(this.#permissions.indexOf(permission), 1);
  }

  expectUnchanged(): void {
    expect(this.address).toBe(gar);
    expect(this.overrides).toEqual(nothing);
    expect(this.written).toEqual([]);
  }
}
