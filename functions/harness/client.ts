import { FactoryError } from '../errors.ts';
import { retry, type Verdict } from '../http/retry.ts';
import { readBody, Transport, type Response } from '../http/transport.ts';
import { accountIdFromKey } from './account.ts';
import { ApiKey } from './api-key.ts';
import { parseBaseUrl } from './base-url.ts';
import { parseConnector, type Connector, type ConnectorAddress, withAddress } from './connector.ts';
import {
  isSuccess,
  parseBare,
  parseEnvelope,
  parseImages,
  parseOutdated,
  parsePermitted,
  type Envelope,
} from './envelope.ts';
import {
  deniedByPolicy,
  PathNotFound,
  refused,
  TransientFailure,
  unanswered,
  unexpected,
  type Call,
} from './failure.ts';
import type { ObjectRef } from './object-ref.ts';
import { executionConfigPath, type ConfigScope, type ExecutionConfigOperation } from './scope.ts';
import { parseSecret, policyDenial, type Secret, withValue } from './secret.ts';

export interface HarnessClientOptions {
  /** Address of Harness, with or without `/gateway`. */
  url: string;
  apiKey: string;
  /** Returns the key to use after Harness refused `refused`; the same key when there is no other. */
  renewKey?: (refused: string) => Promise<string>;
  /** Default: the account in the key. */
  accountId?: string;
  transport?: Transport;
  /** Total attempts, and the pauses between them in milliseconds. */
  retry?: { attempts: number; baseMs: number; maxMs: number };
  /** Timeout of one attempt, in milliseconds. */
  timeoutMs?: { read: number; write: number };
}

/** One field of a configuration and its new image. */
export interface FieldChange {
  field: string;
  value: string;
}

const defaultRetry = { attempts: 4, baseMs: 500, maxMs: 8_000 };
const defaultTimeouts = { read: 10_000, write: 30_000 };
/** Maximum size of a response, in bytes. A configuration of fifty fields has five kilobytes. */
const bodyLimit = 2 * 1024 * 1024;
/** Longest `Retry-After` to wait for, in milliseconds. A longer one fails the call. */
const longestPauseMs = 60_000;

/**
 * Client for the parts of the Harness API that the factory needs: the execution configuration (the image of each step),
 * connectors and secrets. Harness keeps one configuration document per account and module and has no locks. Send one
 * batch at a time, and never write `K8` and `VM` in parallel: writers overwrite each other.
 *
 * Every method throws `FactoryError`: `HarnessUnauthorized`, `HarnessForbidden`, `HarnessRejected`,
 * `HarnessUnreachable`, `HarnessUnexpectedResponse`. An aborted signal throws its reason.
 */
export class HarnessClient {
  readonly accountId: string;
  readonly #gateway: URL;
  /** The address in front of the gateway, with a slash at its end. */
  readonly #rootHref: string;
  /** Set once the path of Database DevOps was found without the gateway. */
  #dbopsAtRoot = false;
  readonly #renewKey: HarnessClientOptions['renewKey'];
  readonly #hasOwnAccount: boolean;
  #key: ApiKey;
  #keyText: string;
  readonly #transport: Transport;
  readonly #retry: typeof defaultRetry;
  readonly #timeoutMs: typeof defaultTimeouts;

  /** @throws {FactoryError} `InvalidConfiguration` for an unusable URL or key, or when no account is known. */
  constructor(options: HarnessClientOptions) {
    this.#gateway = parseBaseUrl(options.url);
    this.#rootHref = this.#gateway.href.replace(/gateway$/, '');
    this.#key = new ApiKey(options.apiKey);
    this.#keyText = options.apiKey;
    this.#renewKey = options.renewKey;
    this.#hasOwnAccount = Boolean(options.accountId?.trim());
    this.accountId = options.accountId?.trim() || accountIdFromKey(options.apiKey) || throwNoAccount();
    this.#transport = options.transport ?? new Transport();
    this.#retry = options.retry ?? defaultRetry;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeouts;
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

  /**
   * Returns whether the key has a permission on the account, or on a connector. Harness's own services make this request
   * before they write (harness/harness-core, ACLResource and NGAccessControlCheck). Self-managed installations may not
   * expose it.
   */
  async isPermitted(permission: string, connector?: ObjectRef, signal?: AbortSignal): Promise<boolean> {
    const url = this.#url('authz/api/acl');
    const call = this.#call({ method: 'POST', url, purpose: `check the permission ${permission}`, permission });
    const { identifier: resourceIdentifier, orgIdentifier, projectIdentifier } = connector ?? {};
    const check = {
      resourceScope: { accountIdentifier: this.accountId, orgIdentifier, projectIdentifier },
      resourceType: connector ? 'CONNECTOR' : 'ACCOUNT',
      resourceIdentifier,
      permission,
    };
    const ask = async (): Promise<boolean> => {
      const { data } = await this.#send({ ...call, body: JSON.stringify({ permissions: [check] }) }, signal);
      return expected(parsePermitted(data, permission), call, 'without an access control list');
    };
    const refused = this.#keyText;
    return (await ask()) || ((await this.#replaceKey(refused)) && ask());
  }

  /** Returns the connector, or `undefined` when none has this name. Needs `core_connector_view`. */
  async connector(ref: ObjectRef, signal?: AbortSignal): Promise<Connector | undefined> {
    const call = this.#objectCall('connector', 'GET', ref);
    const response = await this.#find(call, signal);
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
    const response = await this.#find(call, signal);
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

  /** Reads an object. Returns `undefined` when Harness has none of this name. */
  async #find(call: Call, signal?: AbortSignal): Promise<Envelope | undefined> {
    const response = await this.#send({ ...call, expected: notFoundCodes }, signal);
    return notFoundCodes.has(response.code ?? '') ? undefined : response;
  }

  /** Replaces an object, and returns the data of the response. */
  async #update(call: Call, body: object, signal?: AbortSignal): Promise<unknown> {
    const { data } = await this.#send({ ...call, body: JSON.stringify(body) }, signal);
    const denial = policyDenial(data);
    if (denial !== undefined) throw deniedByPolicy(call, denial, this.#key);
    return data;
  }

  #objectCall(kind: 'connector' | 'secret', method: 'GET' | 'PUT', ref: ObjectRef): Call {
    const { identifier, orgIdentifier, projectIdentifier } = ref;
    const writes = method === 'PUT';
    const path = kind === 'secret' ? 'ng/api/v2/secrets' : 'ng/api/connectors';
    // The update of a connector names it in the body alone.
    const url =
      kind === 'connector' && writes
        ? this.#url(path)
        : this.#url(`${path}/${encodeURIComponent(identifier)}`, { orgIdentifier, projectIdentifier });
    const purpose = `${writes ? 'update' : 'read'} the ${kind} ${identifier}`;
    return this.#call({ method, url, purpose, permission: `core_${kind}_${writes ? 'edit' : 'view'}` }, writes);
  }

  /** Completes a call, which by default reads. */
  #call(call: Pick<Call, 'url' | 'purpose' | 'permission'> & Partial<Call>, writes = false): Call {
    return { method: 'GET', fields: [], timeoutMs: this.#timeoutMs[writes ? 'write' : 'read'], ...call };
  }

  #configCall(verb: string, { module, infrastructureType }: ConfigScope, operation: ExecutionConfigOperation): Call {
    const writes = operation === 'update-config' || operation === 'reset-config';
    const path = executionConfigPath(module, operation);
    const call = this.#call(
      {
        method: writes ? 'POST' : 'GET',
        url: this.#url(path, { infra: infrastructureType }),
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
      url: new URL(`${this.#gateway.href}/${path}`),
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
    if (!call.bare) return { ...(await this.#send(call, signal)), call };
    const direct = { ...call, url: new URL(call.url.href.replace(`${this.#gateway.href}/`, this.#rootHref)) };
    if (this.#dbopsAtRoot) return { ...(await this.#send(direct, signal)), call: direct };
    try {
      return { ...(await this.#send(call, signal)), call };
    } catch (error) {
      if (!(error instanceof PathNotFound)) throw error;
      const response = await this.#send(direct, signal);
      this.#dbopsAtRoot = true;
      return { ...response, call: direct };
    }
  }

  /** Sends a read of module ci without retries. */
  async #check(purpose: string, path: string, signal?: AbortSignal): Promise<Envelope & { call: Call }> {
    const call = this.#call({ url: this.#url(path), purpose, permission: 'core_account_view' });
    return { ...(await this.#attempt(call, signal)), call };
  }

  #url(path: string, query: Record<string, string | undefined> = {}): URL {
    const url = new URL(`${this.#gateway.href}/${path}`);
    for (const [name, value] of Object.entries({ accountIdentifier: this.accountId, ...query })) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url;
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

  /** Retries until there is a final response, and again with a new key when Harness refuses the current one. */
  async #send(call: Call, signal?: AbortSignal): Promise<Envelope> {
    const key = this.#keyText;
    try {
      return await this.#sendOnce(call, signal);
    } catch (error) {
      if (!isRefusal(error) || !(await this.#replaceKey(key))) throw error;
      return this.#sendOnce(call, signal);
    }
  }

  /** Returns whether there is a key for the same account other than the refused one. */
  async #replaceKey(refused: string): Promise<boolean> {
    // A concurrent call may have replaced it already.
    if (this.#keyText !== refused) return true;
    try {
      const text = (await this.#renewKey?.(refused)) ?? refused;
      const isOfAccount = this.#hasOwnAccount || accountIdFromKey(text) === this.accountId;
      if (text === refused || !isOfAccount) return false;
      this.#key = new ApiKey(text);
      this.#keyText = text;
      return true;
    } catch {
      // Report the refusal instead: it is more informative.
      return false;
    }
  }

  /** Retries until there is a final response. */
  async #sendOnce(call: Call, signal?: AbortSignal): Promise<Envelope> {
    try {
      return await retry(() => this.#attempt(call, signal), { ...this.#retry, judge, signal });
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  }

  async #attempt(call: Call, signal: AbortSignal | undefined): Promise<Envelope> {
    let response: Response;
    let body: string;
    const key = this.#key;
    try {
      response = await this.#transport.request({
        method: call.method,
        url: call.url,
        headers: {
          accept: 'application/json',
          ...(call.body !== undefined && { 'content-type': 'application/json' }),
          ...call.headers,
          ...key.headers(),
        },
        body: call.body,
        signal: AbortSignal.any([...(signal ? [signal] : []), AbortSignal.timeout(call.timeoutMs)]),
      });
      body = (await readBody(response, bodyLimit)).toString('utf8');
    } catch (error) {
      throw unanswered(call, error);
    }
    const ok = response.status >= 200 && response.status < 300;
    const envelope = ok && call.bare ? parseBare(body) : parseEnvelope(body);
    if (envelope && ((ok && isSuccess(envelope)) || call.expected?.has(envelope.code ?? ''))) return envelope;
    throw refused(call, { response, body, envelope, key });
  }
}

/** Returns whether the key is wrong, has expired, or lacks the permission. */
function isRefusal(error: unknown): boolean {
  return error instanceof FactoryError && (error.name === 'HarnessUnauthorized' || error.name === 'HarnessForbidden');
}

/**
 * The error codes for a missing object. The status depends on the service: 400 with the first code, 404 with the second
 * (harness/terraform-provider-harness, helpers/errors.go).
 */
const notFoundCodes: ReadonlySet<string> = new Set(['RESOURCE_NOT_FOUND_EXCEPTION', 'ENTITY_NOT_FOUND']);

function judge(error: unknown): Verdict {
  if (!(error instanceof TransientFailure) || (error.retryAfterMs ?? 0) > longestPauseMs) return { retry: false };
  return { retry: true, afterMs: error.retryAfterMs };
}

/** Returns what a response should have. */
function expected<T>(value: T | undefined, call: Call, lack: string): T {
  if (value === undefined) throw unexpected(call, lack);
  return value;
}

function throwNoAccount(): never {
  const found = 'no account id, and none in the API key';
  const allowed = 'the account id, or a key of the form pat.ACCOUNT.… or sat.ACCOUNT.…';
  throw new FactoryError('InvalidConfiguration', `HARNESS_ACCOUNT_ID: found ${found}, expected ${allowed}`, {
    hint: 'Set HARNESS_ACCOUNT_ID; Harness shows it under Account Settings, Overview.',
    problems: [{ path: 'HARNESS_ACCOUNT_ID', found, allowed }],
  });
}
