import { FactoryError } from '../../errors.ts';
import { displayUrl } from '../../http/redact.ts';
import { readBody, type Transport } from '../../http/transport.ts';
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
    const token = await this.#token(method, scopes, signal);
    return `Bearer ${token.value}`;
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
      if (sent !== undefined) this.#tokens.delete(tokenKey(scopes));
      return true;
    }
    if (!offered.some(({ scheme }) => scheme === 'basic')) return false;
    this.#method = { kind: 'basic' };
    if (sent !== undefined) this.#credentials = undefined;
    const next = await this.header(scopes);
    return next !== undefined && next !== sent;
  }

  #lookUp(): Promise<Credentials | undefined> {
    this.#credentials ??= this.#options.provider.credentials(this.#options.registry);
    return this.#credentials;
  }

  async #token(method: Method & { kind: 'bearer' }, scopes: readonly Scope[], signal?: AbortSignal): Promise<Token> {
    const key = tokenKey(scopes);
    const known = this.#tokens.get(key);
    if (known) {
      const token = await known;
      if (Date.now() < token.expiresAt) return token;
      // Another request may have renewed it while this one waited.
      const renewed = this.#tokens.get(key);
      if (renewed !== undefined && renewed !== known) return renewed;
    }
    const fetching = this.#fetchToken(method, scopes, signal);
    this.#tokens.set(key, fetching);
    fetching.catch(() => {
      if (this.#tokens.get(key) === fetching) this.#tokens.delete(key);
    });
    return fetching;
  }

  async #fetchToken(
    { realm, service }: Method & { kind: 'bearer' },
    scopes: readonly Scope[],
    signal?: AbortSignal,
  ): Promise<Token> {
    const credentials = this.#mayReceiveCredentials(realm) ? await this.#lookUp() : undefined;
    if (credentials && 'registryToken' in credentials) return { value: credentials.registryToken, expiresAt: Infinity };
    const receivedAt = Date.now();
    const response =
      credentials && 'identityToken' in credentials
        ? await this.#exchange(realm, service, scopes, credentials.identityToken, signal)
        : await this.#ask(realm, service, scopes, credentials, signal);
    const body = await readBody(response, tokenBodyLimit);
    if (response.status !== 200) throw this.#refused(realm, response.status, scopes, credentials !== undefined);
    const { token, access_token, expires_in } = parseTokenAnswer(body);
    const value = token ?? access_token;
    if (value === undefined) throw this.#refused(realm, response.status, scopes, credentials !== undefined);
    const life = expires_in ?? defaultTokenLife;
    // Renewed early, so that none runs out between here and the registry.
    return { value, expiresAt: receivedAt + (life - Math.min(30, life / 4)) * 1000 };
  }

  #ask(
    realm: URL,
    service: string | undefined,
    scopes: readonly Scope[],
    credentials: Credentials | undefined,
    signal?: AbortSignal,
  ) {
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const headers: Record<string, string> =
      credentials && 'username' in credentials ? { authorization: basic(credentials) } : {};
    return this.#options.transport.request({ method: 'GET', url, headers, signal });
  }

  /** Identity tokens are exchanged by OAuth2's refresh grant (distribution, docs/content/spec/auth/oauth.md). */
  #exchange(
    realm: URL,
    service: string | undefined,
    scopes: readonly Scope[],
    identityToken: string,
    signal?: AbortSignal,
  ) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: identityToken,
      client_id: 'harness-ci-image-factory',
      scope: scopes.join(' '),
      ...(service !== undefined && { service }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.#options.transport.request({ method: 'POST', url: realm, headers, body: form.toString(), signal });
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

  #mayReceiveCredentials(realm: URL): boolean {
    const { registry, origin, trustedTokenHosts = [] } = this.#options;
    if (realm.hostname === origin.hostname || realm.host === knownTokenHosts[registry]) return true;
    return trustedTokenHosts.includes(realm.host);
  }

  #refused(realm: URL, status: number, scopes: readonly Scope[], withCredentials: boolean): FactoryError {
    const { registry } = this.#options;
    const who = withCredentials ? 'the configured credentials' : 'an anonymous client';
    const hint = this.#mayReceiveCredentials(realm)
      ? `Check the credentials of ${registry} in your Docker config.json, and what they may access.`
      : `Credentials of ${registry} are not sent to ${realm.host}. If it is the token service of ${registry}, list it in TRUSTED_TOKEN_HOSTS.`;
    return new FactoryError(
      'RegistryUnauthorized',
      `the token service ${displayUrl(realm)} of ${registry} gave ${who} no token for ${scopes.join(' ')} (HTTP ${status})`,
      { hint },
    );
  }
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
