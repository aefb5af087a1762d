import { FactoryError } from '../../errors.ts';
import { displayUrl } from '../../http/redact.ts';
import { noReason, type ReasonText, reasonText } from '../../http/reason-text.ts';
import { parseRetryAfter, transientStatuses } from '../../http/retry.ts';
import { readBody, type Response, type Transport } from '../../http/transport.ts';
import { waitFor } from '../../http/wait-for.ts';
import { brokenConnection, RegistryFailure } from '../registry-failure.ts';
import type { CredentialProvider, Credentials } from './credentials.ts';
import { parseChallenges } from './challenge.ts';

/** What a request is allowed to do, in the token specification's words: `repository:NAME:pull,push`. */
export type Scope = string;

export function repositoryScope(repository: string, actions: 'pull' | 'pull,push' | 'delete'): Scope {
  return `repository:${repository}:${actions}`;
}

type Method = { kind: 'none' } | { kind: 'basic' } | { kind: 'bearer'; realm: URL; service: string | undefined };

interface Token {
  value: string;
  /** Epoch milliseconds after which it is not used any more. */
  expiresAt: number;
}

/** Token services that run under another host name than their registry, by registry host. */
const knownTokenHosts: Record<string, string> = {
  'registry-1.docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};

/** Seconds a token lives when its service does not say (distribution, docs/content/spec/auth/token.md). */
const defaultTokenLife = 60;
const tokenBodyLimit = 256 * 1024;

export interface AuthorizerOptions {
  registry: string;
  /** Where the registry is reached; decides whether a token service may be plain HTTP. */
  origin: URL;
  provider: CredentialProvider;
  transport: Transport;
  /** Further hosts that may be shown this registry's credentials when it names them as its token service. */
  trustedTokenHosts?: readonly string[];
}

/**
 * Answers one registry's challenges: anonymous, Basic, and Bearer tokens of the distribution token specification, each
 * fetched once per set of scopes however many requests wait for it.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  #method: Method = { kind: 'none' };
  #credentials: Promise<Credentials | undefined> | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The `Authorization` header for a request of these scopes, or `undefined` while none was asked for. */
  async header(scopes: readonly Scope[], signal?: AbortSignal): Promise<string | undefined> {
    const method = this.#method;
    if (method.kind === 'none') return undefined;
    if (method.kind === 'basic') {
      const credentials = await this.#lookUp();
      return credentials && 'username' in credentials ? basic(credentials) : undefined;
    }
    return bearerHeader(await this.#token(method, scopes, signal));
  }

  /**
   * Learns from a 401. Returns whether the request is worth repeating: not when the registry wants nothing we have, nor
   * when the same header would be sent again.
   */
  async learn(challenge: string | undefined, scopes: readonly Scope[], sent: string | undefined): Promise<boolean> {
    const offered = parseChallenges(challenge);
    const bearer = offered.find(({ scheme, parameters }) => scheme === 'bearer' && parameters['realm']);
    if (bearer) {
      const realm = this.#checkRealm(bearer.parameters['realm'] ?? '');
      this.#method = { kind: 'bearer', realm, service: bearer.parameters['service'] };
      await this.#forget(tokenKey(scopes), sent);
      return true;
    }
    if (!offered.some(({ scheme }) => scheme === 'basic')) return false;
    this.#method = { kind: 'basic' };
    if (sent !== undefined) this.#credentials = undefined;
    const next = await this.header(scopes);
    return next !== undefined && next !== sent;
  }

  /** Drops the token that was refused, unless a parallel request has replaced it already. */
  async #forget(key: string, refused: string | undefined): Promise<void> {
    const known = this.#tokens.get(key);
    const token = await known?.catch(() => undefined);
    if (token && bearerHeader(token) === refused && this.#tokens.get(key) === known) this.#tokens.delete(key);
  }

  #lookUp(): Promise<Credentials | undefined> {
    if (!this.#credentials) {
      const looking = this.#options.provider.credentials(this.#options.registry);
      this.#credentials = looking;
      // What failed once, a helper that asks a network for instance, is asked again by the next request.
      looking.catch(() => {
        if (this.#credentials === looking) this.#credentials = undefined;
      });
    }
    return this.#credentials;
  }

  async #token(method: Method & { kind: 'bearer' }, scopes: readonly Scope[], signal?: AbortSignal): Promise<Token> {
    const key = tokenKey(scopes);
    const known = this.#tokens.get(key);
    if (known) {
      const token = await waitFor(known, signal);
      if (Date.now() < token.expiresAt) return token;
      // Another request may have renewed it while this one waited.
      const renewed = this.#tokens.get(key);
      if (renewed !== undefined && renewed !== known) return waitFor(renewed, signal);
    }
    // Without the signal: others may wait for the same token.
    const fetching = this.#fetchToken(method, scopes);
    this.#tokens.set(key, fetching);
    fetching.catch(() => {
      if (this.#tokens.get(key) === fetching) this.#tokens.delete(key);
    });
    return waitFor(fetching, signal);
  }

  async #fetchToken(method: Method & { kind: 'bearer' }, scopes: readonly Scope[]): Promise<Token> {
    const seasoned = this.#credentials !== undefined;
    try {
      return await this.#requestToken(method, scopes);
    } catch (error) {
      if (!(error instanceof RegistryFailure) || error.name !== 'RegistryUnauthorized') throw error;
      this.#credentials = undefined;
      // Credentials from earlier may have run out; the provider can have newer ones.
      if (!seasoned || !this.#mayReceiveCredentials(method.realm)) throw error;
      return this.#requestToken(method, scopes);
    }
  }

  async #requestToken({ realm, service }: Method & { kind: 'bearer' }, scopes: readonly Scope[]): Promise<Token> {
    const credentials = this.#mayReceiveCredentials(realm) ? await this.#lookUp() : undefined;
    if (credentials && 'registryToken' in credentials) return { value: credentials.registryToken, expiresAt: Infinity };
    const askedAt = Date.now();
    let response: Response;
    let body: Buffer;
    try {
      response =
        credentials && 'identityToken' in credentials
          ? await this.#exchange(realm, service, scopes, credentials.identityToken)
          : await this.#ask(realm, service, scopes, credentials);
      body = await readBody(response, tokenBodyLimit);
    } catch (error) {
      throw tokenServiceUnreachable(this.#options.registry, realm, error);
    }
    const { token, access_token, expires_in } = response.status === 200 ? parseTokenAnswer(body) : {};
    const value = token ?? access_token;
    if (value === undefined) {
      const secrets = credentials ? Object.values(credentials) : [];
      const reason = tokenServiceReason(response, body, secrets);
      throw this.#refused(realm, response, scopes, credentials !== undefined, reason);
    }
    const life = expires_in ?? defaultTokenLife;
    // Renewed early, so that none runs out between here and the registry.
    return { value, expiresAt: askedAt + (life - Math.min(30, life / 4)) * 1000 };
  }

  #ask(realm: URL, service: string | undefined, scopes: readonly Scope[], credentials: Credentials | undefined) {
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const headers: Record<string, string> =
      credentials && 'username' in credentials ? { authorization: basic(credentials) } : {};
    return this.#options.transport.request({ method: 'GET', url, headers, ...this.#sentBy(realm) });
  }

  /** Identity tokens are exchanged by OAuth2's refresh grant (distribution, docs/content/spec/auth/oauth.md). */
  #exchange(realm: URL, service: string | undefined, scopes: readonly Scope[], identityToken: string) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: identityToken,
      client_id: 'harness-ci-image-factory',
      scope: scopes.join(' '),
      ...(service !== undefined && { service }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.#options.transport.request({
      method: 'POST',
      url: realm,
      headers,
      body: form.toString(),
      ...this.#sentBy(realm),
    });
  }

  /** The realm is the registry's word: anything but a web address of at least its own security is refused. */
  #checkRealm(realm: string): URL {
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const secure =
      url?.protocol === 'https:' || (url?.protocol === 'http:' && this.#options.origin.protocol === 'http:');
    if (url && secure && url.username === '' && url.password === '') return url;
    throw new FactoryError('RegistryUnauthorized', `${this.#options.registry} names an unusable token service`, {
      hint: 'A token service must be an https address. Nothing was sent to it.',
    });
  }

  /** The registry's word takes us to its token service, unless the user vouches for that. */
  #sentBy(realm: URL): { sentBy?: URL } {
    const { origin, trustedTokenHosts = [] } = this.#options;
    return trustedTokenHosts.includes(realm.host) ? {} : { sentBy: origin };
  }

  /** The token service that credentials were withheld from on purpose; `undefined` when none are configured, or none were withheld. */
  async withheldFrom(): Promise<string | undefined> {
    const method = this.#method;
    if (method.kind !== 'bearer' || this.#mayReceiveCredentials(method.realm)) return undefined;
    // What ails the provider is no reason of the refusal that led here.
    const credentials = await this.#lookUp().catch(() => undefined);
    return credentials && method.realm.host;
  }

  #mayReceiveCredentials(realm: URL): boolean {
    const { registry, origin, trustedTokenHosts = [] } = this.#options;
    if (realm.hostname === origin.hostname || realm.host === knownTokenHosts[registry]) return true;
    return trustedTokenHosts.includes(realm.host);
  }

  #refused(
    realm: URL,
    response: Response,
    scopes: readonly Scope[],
    withCredentials: boolean,
    { text, isPage }: ReasonText,
  ): RegistryFailure {
    const { registry } = this.#options;
    const { status } = response;
    if (transientStatuses.has(status)) return tokenServiceDown(registry, realm, response, text);
    const who = withCredentials ? 'the configured credentials' : 'an anonymous client';
    const hint = isPage
      ? `Exempt ${realm.host} from single sign-on: a login page or captive portal answered in place of the token service.`
      : this.#mayReceiveCredentials(realm)
        ? `Check the credentials of ${registry} in your Docker config.json, and what they may access.`
        : trustTokenHost(registry, realm.host);
    return new RegistryFailure(
      'RegistryUnauthorized',
      `the token service ${displayUrl(realm)} of ${registry} gave ${who} no token for ${scopes.join(' ')} (HTTP ${status}${text && `: ${text}`})`,
      // Not the status itself: another token is no cure for a service that gives none.
      { hint, status: 0, transient: false },
    );
  }
}

/** The setting that releases credentials to a token service on another host. */
export function trustTokenHost(registry: string, tokenHost: string): string {
  return `List ${tokenHost} in TRUSTED_TOKEN_HOSTS if it is the token service of ${registry}: credentials are not sent to it until then.`;
}

/** What the token service says. A success without a token may hold anything, and is not repeated. */
function tokenServiceReason(response: Response, body: Buffer, secrets: readonly string[]): ReasonText {
  const reason = reasonText(body.toString(), response.header('content-type'), secrets);
  if (response.status !== 200 || reason.isPage) return reason;
  return { ...noReason, text: 'a response without a token' };
}

function tokenServiceDown(registry: string, realm: URL, response: Response, text: string): RegistryFailure {
  const { status } = response;
  return new RegistryFailure(
    status === 429 ? 'RegistryThrottled' : 'RegistryFailed',
    `the token service ${displayUrl(realm)} of ${registry} answered HTTP ${status}${text && ` (${text})`}`,
    {
      hint: 'Try again later; until it works, nobody gets into the registry.',
      status,
      transient: true,
      retryAfterMs: parseRetryAfter(response.header('retry-after')),
    },
  );
}

function tokenServiceUnreachable(registry: string, realm: URL, cause: unknown): RegistryFailure {
  const network = brokenConnection(cause);
  return new RegistryFailure(
    network ? 'RegistryUnreachable' : 'RegistryFailed',
    `could not get a token of ${registry} from ${displayUrl(realm)}: ${network?.text ?? 'the answer cannot be read'}`,
    {
      hint: network?.hint ?? 'The token service does not work as it should; try again later.',
      status: 0,
      transient: network?.transient ?? false,
      cause: network?.cause,
    },
  );
}

function bearerHeader({ value }: Token): string {
  return `Bearer ${value}`;
}

function tokenKey(scopes: readonly Scope[]): string {
  return scopes.join(' ');
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function parseTokenAnswer(body: Buffer): { token?: string; access_token?: string; expires_in?: number } {
  try {
    const { token, access_token, expires_in } = JSON.parse(body.toString()) as Record<string, unknown>;
    return {
      ...(typeof token === 'string' && token !== '' && { token }),
      ...(typeof access_token === 'string' && access_token !== '' && { access_token }),
      ...(typeof expires_in === 'number' && expires_in > 0 && { expires_in }),
    };
  } catch {
    return {};
  }
}
