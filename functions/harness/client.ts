import { lackingPermissions } from './access.ts';
import { expected, HarnessConnection, type HarnessConnectionOptions } from './connection.ts';
import { parseConnector, type Connector, type ConnectorAddress, withAddress } from './connector.ts';
import { parseImages, parseOutdated, type Envelope } from './envelope.ts';
import { PathNotFound, unexpected, type Call } from './failure.ts';
import type { ObjectRef } from './object-ref.ts';
import { executionConfigPath, type ConfigScope, type ExecutionConfigOperation } from './scope.ts';
import { parseSecret, type Secret, withValue } from './secret.ts';

/** One field of a configuration and its new image. */
export interface FieldChange {
  field: string;
  value: string;
}

/**
 * Client for the parts of the Harness API that the factory needs: the execution configuration (the image of each step),
 * connectors and secrets. Harness keeps one configuration document per account and module and has no locks. Send one
 * batch at a time, and never write `K8` and `VM` in parallel: writers overwrite each other.
 *
 * Every method throws `FactoryError`: `HarnessUnauthorized`, `HarnessForbidden`, `HarnessRejected`,
 * `HarnessUnreachable`, `HarnessUnexpectedResponse`. An aborted signal throws its reason.
 */
export class HarnessClient {
  readonly connection: HarnessConnection;
  /** Set once the path of Database DevOps was found without the gateway. */
  #dbopsAtRoot = false;

  /** @throws {FactoryError} `InvalidConfiguration` for an unusable URL or key, or when no account is known. */
  constructor(options: HarnessConnectionOptions) {
    this.connection = new HarnessConnection(options);
  }

  get accountId(): string {
    return this.connection.accountId;
  }

  /** Returns the official images: field to `namespace/name:tag`. */
  async defaultConfig(scope: ConfigScope, signal?: AbortSignal): Promise<Record<string, string>> {
    const read = this.#configCall('read the default images of', scope, 'get-default-config');
    const { data, call } = await this.#sendConfig(read, signal);
    return expected(parseImages(data), call, 'without a map of images');
  }

  /**
   * Returns the account's overrides: field to image. Requests the overrides alone, because the merged form lacks the
   * supply chain fields. Leaves out blank values: Harness stores them but ignores them at run time.
   */
  async overrides(scope: ConfigScope, signal?: AbortSignal): Promise<Record<string, string>> {
    const read = this.#configCall('read the overrides of', scope, 'get-customer-config');
    read.url.searchParams.set('overridesOnly', 'true');
    const { data, call } = await this.#sendConfig(read, signal);
    const images = expected(parseImages(data ?? {}), call, 'without a map of images');
    return Object.fromEntries(Object.entries(images).filter(([, value]) => value.trim() !== ''));
  }

  /**
   * Returns the versions of overrides that Harness's own check names as more than two minor versions behind: field to
   * version. Sends one request: versions of 2023 respond with 500 when an override is missing.
   */
  async outdatedVersions(signal?: AbortSignal): Promise<Record<string, string>> {
    const { data, call } = await this.#check('check the versions of ci', 'ci/execution-config', signal);
    return expected(parseOutdated(data), call, 'without a list of versions');
  }

  /** Returns the overrides whose major version Harness's own check names as old: field to image. Sends one request. */
  async deprecatedImages(signal?: AbortSignal): Promise<Record<string, string>> {
    const path = 'ci/execution-config/get-deprecated-config';
    const { data, call } = await this.#check('read the deprecated images of ci', path, signal);
    return expected(parseImages(data ?? {}), call, 'without a map of images');
  }

  /**
   * Sets fields in one request, all or none. Does nothing for an empty list.
   *
   * @throws {FactoryError} `HarnessRejected` when Harness refuses the batch, often because of one unknown field. Then
   * it stores nothing, and smaller batches show which field it is.
   * @throws {TypeError} for an empty value, which Harness would store as an override without effect.
   */
  async updateConfig(scope: ConfigScope, changes: readonly FieldChange[], signal?: AbortSignal): Promise<void> {
    const empty = changes.find(({ value }) => value.trim() === '');
    if (empty) throw new TypeError(`empty value for field ${empty.field}`);
    const operations = changes.map(({ field, value }) => ({ field, value }));
    await this.#write(this.#configCall('update the configuration of', scope, 'update-config'), operations, signal);
  }

  /** Restores the official images of fields in one request, all or none. Does nothing for an empty list. */
  async resetConfig(scope: ConfigScope, fields: readonly string[], signal?: AbortSignal): Promise<void> {
    const operations = fields.map((field) => ({ field }));
    await this.#write(this.#configCall('reset the configuration of', scope, 'reset-config'), operations, signal);
  }

  /** Returns whether the key has a permission on the account, or on a connector. */
  async isPermitted(permission: string, connector?: ObjectRef, signal?: AbortSignal): Promise<boolean> {
    const resourceType = connector ? 'CONNECTOR' : 'ACCOUNT';
    const lacking = await lackingPermissions(this.connection, [{ permission, resourceType, ...connector }], signal);
    return lacking.length === 0;
  }

  /** Returns the connector, or `undefined` when none has this name. Needs `core_connector_view`. */
  async connector(ref: ObjectRef, signal?: AbortSignal): Promise<Connector | undefined> {
    const call = this.#objectCall('connector', 'GET', ref);
    const response = await this.connection.find(call, signal);
    return response && expected(parseConnector(response.data), call, 'without a connector');
  }

  /**
   * Changes the address of a connector and leaves the rest as it was read. Needs `core_connector_edit`.
   *
   * @throws {FactoryError} `HarnessRejected` when Harness refuses the update, or a policy of the account denies it.
   */
  async updateConnector(
    ref: ObjectRef,
    connector: Connector,
    address: ConnectorAddress,
    signal?: AbortSignal,
  ): Promise<void> {
    const call = this.#objectCall('connector', 'PUT', ref);
    const data = await this.#update(call, withAddress(connector, address), signal);
    if (parseConnector(data)?.dockerRegistryUrl !== address.dockerRegistryUrl)
      throw unexpected(call, 'without the new address');
  }

  /** Returns a secret without its value, or `undefined` when none has this identifier. Needs `core_secret_view`. */
  async secret(ref: ObjectRef, signal?: AbortSignal): Promise<Secret | undefined> {
    const call = this.#objectCall('secret', 'GET', ref);
    const response = await this.connection.find(call, signal);
    return response && expected(parseSecret(response.data, ref), call, 'without the secret');
  }

  /**
   * Sets the value of a text secret and leaves the rest as it was read. Needs `core_secret_edit`.
   *
   * @throws {FactoryError} `HarnessRejected` when Harness refuses the update, or a policy of the account denies it.
   */
  async updateSecret(secret: Secret, value: string, signal?: AbortSignal): Promise<void> {
    const call = this.#objectCall('secret', 'PUT', secret.ref);
    const data = await this.#update(call, withValue(secret, value), signal);
    expected(parseSecret(data, secret.ref), call, 'without the secret');
  }

  /** Replaces an object, and returns the data of the response. */
  async #update(call: Call, body: object, signal?: AbortSignal): Promise<unknown> {
    const envelope = await this.connection.send({ ...call, body: JSON.stringify(body) }, signal);
    return this.connection.accepted(envelope, call);
  }

  #objectCall(kind: 'connector' | 'secret', method: 'GET' | 'PUT', ref: ObjectRef): Call {
    const { identifier, orgIdentifier, projectIdentifier } = ref;
    const writes = method === 'PUT';
    const path = kind === 'secret' ? 'ng/api/v2/secrets' : 'ng/api/connectors';
    // The update of a connector names it in the body alone.
    const url =
      kind === 'connector' && writes
        ? this.connection.url(path)
        : this.connection.url(`${path}/${encodeURIComponent(identifier)}`, { orgIdentifier, projectIdentifier });
    const purpose = `${writes ? 'update' : 'read'} the ${kind} ${identifier}`;
    return this.connection.call(
      { method, url, purpose, permission: `core_${kind}_${writes ? 'edit' : 'view'}` },
      writes,
    );
  }

  #configCall(verb: string, { module, infrastructureType }: ConfigScope, operation: ExecutionConfigOperation): Call {
    const writes = operation === 'update-config' || operation === 'reset-config';
    const path = executionConfigPath(module, operation);
    const call = this.connection.call(
      {
        method: writes ? 'POST' : 'GET',
        url: this.connection.url(path, { infra: infrastructureType }),
        purpose: `${verb} ${module}/${infrastructureType}`,
        permission: writes ? 'core_account_edit' : 'core_account_view',
        ...(module !== 'ci' && { hintIfAbsent: `Leave ${module} out of modules: this Harness does not serve it.` }),
      },
      writes,
    );
    if (module !== 'dbops') return call;
    // Database DevOps has no infrastructures and no envelope, and takes the account from a header
    // (harness/developer-hub, "Database DevOps", execution configuration).
    return {
      ...call,
      url: this.connection.bareUrl(path),
      purpose: `${verb} ${module}`,
      headers: { 'harness-account': this.accountId },
      bare: true,
    };
  }

  /**
   * Sends a request for a configuration. Newer pages of Database DevOps name its path without the gateway: tries that
   * where the gateway lacks the path.
   */
  async #sendConfig(call: Call, signal?: AbortSignal): Promise<Envelope & { call: Call }> {
    if (!call.bare) return { ...(await this.connection.send(call, signal)), call };
    const direct = { ...call, url: this.connection.withoutGateway(call.url) };
    if (this.#dbopsAtRoot) return { ...(await this.connection.send(direct, signal)), call: direct };
    try {
      return { ...(await this.connection.send(call, signal)), call };
    } catch (error) {
      if (!(error instanceof PathNotFound)) throw error;
      const response = await this.connection.send(direct, signal);
      this.#dbopsAtRoot = true;
      return { ...response, call: direct };
    }
  }

  /** Sends a read of module ci without retries. */
  async #check(purpose: string, path: string, signal?: AbortSignal): Promise<Envelope & { call: Call }> {
    const call = this.connection.call({ url: this.connection.url(path), purpose, permission: 'core_account_view' });
    return { ...(await this.connection.attempt(call, signal)), call };
  }

  async #write(
    call: Call,
    operations: { field: string; value?: string }[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (operations.length === 0) return;
    const fields = operations.map(({ field }) => field);
    await this.#sendConfig({ ...call, fields, body: JSON.stringify(operations) }, signal);
  }
}
