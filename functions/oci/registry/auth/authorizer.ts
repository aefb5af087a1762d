import { waitFor } from '../../../async/wait-for.ts';
import { redacted } from '../../../http/redact.ts';
import { parseChallenges } from './challenge.ts';
import { basic, type CredentialProvider } from './credentials.ts';
import { type KnownLogin, Logins } from './logins.ts';
import type { Access, Scope } from './scope.ts';
import { isRefusal, type Token, TokenService, type TokenServiceOptions } from './token-service.ts';

type Method = { kind: 'none' } | { kind: 'basic' } | { kind: 'bearer'; service: TokenService };

export interface AuthorizerOptions extends TokenServiceOptions {
  provider: CredentialProvider;
  /** Receives one message for each login that failed, with the reason. */
  onNote?: ((message: string) => void) | undefined;
}

/**
 * Responds to the challenges of one registry: anonymous, Basic, and Bearer tokens of the distribution token
 * specification. Fetches one token per login and set of scopes, for all requests that wait for it.
 */
export class Authorizer {
  readonly logins: Logins;
  readonly #options: AuthorizerOptions;
  #method: Method = { kind: 'none' };
  readonly #tokens = new Map<string, Promise<Token>>();
  readonly #noted = new Set<string>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.logins = new Logins(options.registry, options.provider);
  }

  /** True after the first challenge. */
  get isChallenged(): boolean {
    return this.#method.kind !== 'none';
  }

  /** True if credentials may be sent: to the registry, or to a trusted token service. */
  get mayLogIn(): boolean {
    return this.#method.kind !== 'bearer' || this.#method.service.isTrusted;
  }

  /** Returns the `Authorization` header of a login; `undefined` before a challenge, or without credentials. */
  async header(
    login: KnownLogin | undefined,
    scopes: readonly Scope[],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const method = this.#method;
    if (method.kind === 'bearer') return bearerHeader(await this.#token(method.service, login, scopes, signal));
    const credentials = method.kind === 'basic' ? await login?.credentials() : undefined;
    return credentials && 'username' in credentials ? basic(credentials) : undefined;
  }

  /** Reads the authentication method from a challenge. Returns `false` when none is supported. */
  learn(challenge: string | undefined): boolean {
    const offered = parseChallenges(challenge);
    const bearer = offered.find(({ scheme, parameters }) => scheme === 'bearer' && parameters['realm']);
    if (bearer) {
      const { realm = '', service } = bearer.parameters;
      this.#method = { kind: 'bearer', service: new TokenService(this.#options, realm, service) };
      return true;
    }
    if (!offered.some(({ scheme }) => scheme === 'basic')) return false;
    this.#method = { kind: 'basic' };
    return true;
  }

  /** Discards the refused credentials or token, unless a parallel request has replaced the token already. */
  async renew(login: KnownLogin | undefined, scopes: readonly Scope[], refused: string): Promise<void> {
    if (this.#method.kind !== 'bearer') {
      await login?.renew();
      return;
    }
    const key = tokenKey(login, scopes);
    const known = this.#tokens.get(key);
    const token = await known?.catch(() => undefined);
    if (token && bearerHeader(token) === refused && this.#tokens.get(key) === known) this.#tokens.delete(key);
  }

  /** Reports, once, that a login failed and the next is tried. */
  note({ name }: KnownLogin, failure: unknown): void {
    if (this.#noted.has(name)) return;
    this.#noted.add(name);
    const reason = failure instanceof Error ? failure.message : String(failure);
    this.#options.onNote?.(redacted(`${this.#options.registry}: ${name} failed, continuing without it (${reason})`));
  }

  /** Returns the token service from which configured credentials were withheld, if any. */
  async withheldFrom(access: Access): Promise<TokenService | undefined> {
    if (this.#method.kind !== 'bearer' || this.mayLogIn) return undefined;
    const { service } = this.#method;
    // A failure of the provider is not the reason of the refusal that led here.
    const course = await this.logins.of(access).catch(() => undefined);
    return (await course?.holdsCredentials()) ? service : undefined;
  }

  async #token(
    service: TokenService,
    login: KnownLogin | undefined,
    scopes: readonly Scope[],
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const key = tokenKey(login, scopes);
    const known = this.#tokens.get(key);
    if (known) {
      const token = await waitFor(known, signal);
      if (Date.now() < token.expiresAt) return token;
      // Another request may have renewed it while this one waited.
      const renewed = this.#tokens.get(key);
      if (renewed !== undefined && renewed !== known) return waitFor(renewed, signal);
    }
    // Without the signal: others may wait for the same token.
    const fetching = fetchToken(service, login, scopes);
    this.#tokens.set(key, fetching);
    fetching.catch(() => {
      if (this.#tokens.get(key) === fetching) this.#tokens.delete(key);
    });
    return waitFor(fetching, signal);
  }
}

async function fetchToken(
  service: TokenService,
  login: KnownLogin | undefined,
  scopes: readonly Scope[],
): Promise<Token> {
  const fetch = async () => service.token(service.isTrusted ? await login?.credentials() : undefined, scopes);
  try {
    return await fetch();
  } catch (error) {
    // Credentials from earlier may have expired; there can be newer ones.
    if (!isRefusal(error) || !(await login?.renew())) throw error;
    return fetch();
  }
}

function bearerHeader({ value }: Token): string {
  return `Bearer ${value}`;
}

function tokenKey(login: KnownLogin | undefined, scopes: readonly Scope[]): string {
  return [login?.name ?? '', ...scopes].join(' ');
}
