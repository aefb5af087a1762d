import { FactoryError } from '../../../errors.ts';
import { displayUrl, redacted } from '../../../http/redact.ts';
import { noReason, type ReasonText, reasonText } from '../../../http/reason-text.ts';
import { parseRetryAfter, transientStatuses } from '../../../http/retry.ts';
import { readBody, type Response, type Transport } from '../../../http/transport.ts';
import { waitFor } from '../../../async/wait-for.ts';
import { parseJson } from '../../../text/json.ts';
import { keepToken } from '../../../text/secrets.ts';
import { brokenConnection, RegistryFailure } from '../registry-failure.ts';
import type { CredentialProvider, Credentials } from './credentials.ts';
import { parseChallenges } from './challenge.ts';
import { type Course, type KnownLogin, Logins } from './logins.ts';
import type { Scope } from './scope.ts';

type Method = { kind: 'none' } | { kind: 'basic' } | { kind: 'bearer'; realm: URL; service: string | undefined };

interface Token {
  value: string;
  /** Time after which it is no longer used, in milliseconds since the epoch. */
  expiresAt: number;
}

/** Token services on another host than their registry, by registry host. */
const knownTokenHosts: ReadonlyMap<string, string> = new Map([
  ['registry-1.docker.io', 'auth.docker.io'],
  ['registry.gitlab.com', 'gitlab.com'],
]);

/** Default lifetime of a token, in seconds (distribution, docs/content/spec/auth/token.md). */
const defaultTokenLife = 60;
const tokenBodyLimit = 256 * 1024;

export interface AuthorizerOptions {
  registry: string;
  /** Origin of the registry. Decides whether a token service may use plain HTTP. */
  origin: URL;
  provider: CredentialProvider;
  transport: Transport;
  /** Further token services that may receive the credentials of this registry. */
  trustedTokenHosts?: readonly string[];
  /** Receives one message for each login that failed, with the reason. */
  onNote?: ((message: string) => void) | undefined;
}

/** The access that a request needs. */
export interface Access {
  readonly repository: string;
  readonly writes: boolean;
  readonly scopes: readonly Scope[];
  readonly signal?: AbortSignal | undefined;
}

/** The response of a registry that refused a login. */
export interface Refusal {
  status: number;
  challenge: string | undefined;
  /** Reads the body and returns the error. */
  failure: () => Promise<RegistryFailure>;
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
  readonly #told = new Set<string>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.logins = new Logins(options.registry, options.provider);
  }

  session(access: Access): Session {
    return new Session(this, access);
  }

  /** True after the first challenge. */
  get isAsked(): boolean {
    return this.#method.kind !== 'none';
  }

  /** True if credentials may be sent: to the registry, or to a trusted token service. */
  get mayLogIn(): boolean {
    return this.#method.kind !== 'bearer' || this.#mayReceiveCredentials(this.#method.realm);
  }

  /** Returns the `Authorization` header of a login; `undefined` before a challenge, or without credentials. */
  async header(
    login: KnownLogin | undefined,
    { scopes, signal }: Pick<Access, 'scopes' | 'signal'>,
  ): Promise<string | undefined> {
    const method = this.#method;
    if (method.kind === 'bearer') return bearerHeader(await this.#token(method, login, scopes, signal));
    const credentials = method.kind === 'basic' ? await login?.credentials() : undefined;
    return credentials && 'username' in credentials ? basic(credentials) : undefined;
  }

  /** Reads the authentication method from a challenge. Returns `false` when none is supported. */
  learn(challenge: string | undefined): boolean {
    const offered = parseChallenges(challenge);
    const bearer = offered.find(({ scheme, parameters }) => scheme === 'bearer' && parameters['realm']);
    if (bearer) {
      const realm = this.#checkRealm(bearer.parameters['realm'] ?? '');
      this.#method = { kind: 'bearer', realm, service: bearer.parameters['service'] };
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
    if (this.#told.has(name)) return;
    this.#told.add(name);
    const reason = failure instanceof Error ? failure.message : String(failure);
    this.#options.onNote?.(redacted(`${this.#options.registry}: ${name} failed, continuing without it (${reason})`));
  }

  async #token(
    method: Method & { kind: 'bearer' },
    login: KnownLogin | undefined,
    scopes: readonly Scope[],
    signal?: AbortSignal,
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
    const fetching = this.#fetchToken(method, login, scopes);
    this.#tokens.set(key, fetching);
    fetching.catch(() => {
      if (this.#tokens.get(key) === fetching) this.#tokens.delete(key);
    });
    return waitFor(fetching, signal);
  }

  async #fetchToken(
    method: Method & { kind: 'bearer' },
    login: KnownLogin | undefined,
    scopes: readonly Scope[],
  ): Promise<Token> {
    try {
      return await this.#requestToken(method, login, scopes);
    } catch (error) {
      // Credentials from earlier may have run out; there can be newer ones.
      if (!isRefusal(error) || !(await login?.renew())) throw error;
      return this.#requestToken(method, login, scopes);
    }
  }

  async #requestToken(
    { realm, service }: Method & { kind: 'bearer' },
    login: KnownLogin | undefined,
    scopes: readonly Scope[],
  ): Promise<Token> {
    const credentials = this.#mayReceiveCredentials(realm) ? await login?.credentials() : undefined;
    if (credentials && 'registryToken' in credentials) {
      if (!isToken(credentials.registryToken)) throw unusableToken(this.#options.registry);
      return { value: credentials.registryToken, expiresAt: Infinity };
    }
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
    const { value, malformed, life = defaultTokenLife } = response.status === 200 ? parseTokenAnswer(body) : {};
    if (value === undefined) {
      const secrets = credentials ? secretsOf(credentials) : [];
      const reason = malformed ? { ...noReason, text: malformed } : tokenServiceReason(response, body, secrets);
      throw this.#refused(realm, response, scopes, credentials !== undefined, reason);
    }
    keepToken(value);
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

  /** Refuses a realm that is not a URL, or less secure than the registry. */
  #checkRealm(realm: string): URL {
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const secure =
      url?.protocol === 'https:' || (url?.protocol === 'http:' && this.#options.origin.protocol === 'http:');
    if (url && secure && url.username === '' && url.password === '') return url;
    throw new FactoryError('RegistryUnauthorized', `${this.#options.registry} names an unusable token service`, {
      hint: 'A token service must be an https address. Nothing was sent to it.',
    });
  }

  /** Marks the registry as the origin that referred us to its token service, unless the user trusts the service. */
  #sentBy(realm: URL): { sentBy?: URL } {
    const { origin, trustedTokenHosts = [] } = this.#options;
    return trustedTokenHosts.includes(realm.host) ? {} : { sentBy: origin };
  }

  /** Returns the token service from which configured credentials were withheld, if any. */
  async withheldFrom({ repository, writes }: Access): Promise<string | undefined> {
    const method = this.#method;
    if (method.kind !== 'bearer' || this.mayLogIn) return undefined;
    // What ails the provider is no reason of the refusal that led here.
    const course = await this.logins.of(repository, writes).catch(() => undefined);
    return (await course?.holdsCredentials()) ? method.realm.host : undefined;
  }

  #mayReceiveCredentials(realm: URL): boolean {
    const { registry, origin, trustedTokenHosts = [] } = this.#options;
    // Another port may be another party's.
    if (realm.origin === origin.origin || realm.host === knownTokenHosts.get(registry)) return true;
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

/** Returns the hint for credentials that were withheld from a token service on another host. */
export function trustTokenHost(registry: string, tokenHost: string): string {
  return `List ${tokenHost} in TRUSTED_TOKEN_HOSTS if it is the token service of ${registry}: credentials are not sent to it until then.`;
}

/** Returns the parts of credentials that a server could echo. */
function secretsOf(credentials: Credentials): string[] {
  if ('identityToken' in credentials) return [credentials.identityToken];
  if ('registryToken' in credentials) return [credentials.registryToken];
  return [basic(credentials).replace(/^Basic /, ''), credentials.password];
}

/** Returns the text of the token service. Never quotes a 200 without a token, which may hold anything. */
function tokenServiceReason(response: Response, body: Buffer, secrets: readonly string[]): ReasonText {
  const reason = reasonText(body.toString(), response.header('content-type'), secrets);
  if (response.status !== 200 || reason.isPage) return reason;
  return { ...noReason, text: 'a response without a token' };
}

/**
 * Authenticates one request: with the login that its repository uses, or, when that fails, with the next. Tries last
 * without credentials, except for a write, or when a valid login lacks the permission (403).
 */
export class Session {
  /** The login of the last header. */
  #login: KnownLogin | undefined;
  readonly #authorizer: Authorizer;
  readonly #access: Access;
  readonly #renewed = new Set<KnownLogin | undefined>();
  /** The registry has refused it without credentials. */
  #wasStranger = false;
  #course: Course | undefined;

  constructor(authorizer: Authorizer, access: Access) {
    this.#authorizer = authorizer;
    this.#access = access;
  }

  /** Throws what the first login failed with when none is left. */
  async header(): Promise<string | undefined> {
    const { isAsked, mayLogIn } = this.#authorizer;
    if (!isAsked) return undefined;
    if (!mayLogIn) return this.#authorizer.header(undefined, this.#access);
    const { repository, writes } = this.#access;
    const course = (this.#course ??= await this.#authorizer.logins.of(repository, writes));
    for (;;) {
      const login = (this.#login = course.current);
      try {
        const header = await this.#headerOf(login);
        if (header !== undefined || !login) return header;
        // It holds nothing for this registry.
        if (course.current === login) course.advance();
      } catch (error) {
        if (!(error instanceof LoginFailed)) throw error;
        if (!login || !(await this.#leave(course, login, 401, async () => error.cause)))
          throw this.#end(course) ?? error.cause;
      }
    }
  }

  /** Returns whether to repeat the request after a refusal, with a new token or other credentials. */
  async refused({ status, challenge, failure }: Refusal, sent: string | undefined): Promise<boolean> {
    const learned = challenge !== undefined && this.#authorizer.learn(challenge);
    if (sent === undefined) {
      this.#wasStranger = true;
      const header = learned ? await this.header() : undefined;
      // Got for this request: there is no newer one.
      this.#renewed.add(this.#login);
      return header !== undefined;
    }
    const login = this.#login;
    // ECR says 403 of a password that has expired.
    if ((status === 401 || login?.isOld) && !this.#renewed.has(login)) {
      this.#renewed.add(login);
      await this.#authorizer.renew(login, this.#access.scopes, sent);
      if ((await this.header()) !== sent) return true;
    }
    const course = this.#course;
    if (!course || !login || !(await this.#leave(course, login, status, failure))) return false;
    return (await this.header()) !== undefined || !this.#wasStranger;
  }

  /** Records that the registry accepted the login. */
  accepted(): void {
    if (this.#login) this.#login.standing = 'accepted';
  }

  /**
   * Lets the next request begin with the first login again. Returns what that failed with, unless the last login is a
   * good one, whose own failure says more.
   */
  end(): unknown {
    const failure = this.#course && this.#end(this.#course);
    return this.#login?.standing === 'accepted' ? undefined : failure;
  }

  async #headerOf(login: KnownLogin | undefined): Promise<string | undefined> {
    try {
      // A login without credentials gets no anonymous token in its name.
      if (login && (await login.credentials()) === undefined) return undefined;
    } catch (cause) {
      throw new LoginFailed(cause);
    }
    try {
      return await this.#authorizer.header(login, this.#access);
    } catch (cause) {
      throw isRefusal(cause) ? new LoginFailed(cause) : cause;
    }
  }

  /** Advances to the next login. Returns `false` when none may be accepted. */
  async #leave(course: Course, login: KnownLogin, status: number, failure: () => Promise<unknown>): Promise<boolean> {
    if (login.standing === 'untried') login.standing = 'refused';
    // What others may not do, and what changes something, is not tried without credentials.
    const isEnd = course.isAtLast && (status === 403 || this.#access.writes);
    // Another request may have advanced already.
    if (course.current !== login) return course.current !== undefined || !isEnd;
    if (isEnd) return false;
    const reason = await failure();
    course.failure ??= reason;
    if (course.current === login) course.advance();
    this.#authorizer.note(login, reason);
    return true;
  }

  #end(course: Course): unknown {
    this.#authorizer.logins.restart(this.#access.repository, this.#access.writes);
    return course.failure;
  }
}

/** Thrown for a login whose credentials cannot be read, or get no token. */
class LoginFailed extends Error {
  constructor(cause: unknown) {
    super('the login failed', { cause });
  }
}

/** Returns whether a token service refused; false when it is unreachable or overloaded. */
function isRefusal(error: unknown): boolean {
  return error instanceof RegistryFailure && error.name === 'RegistryUnauthorized';
}

function tokenServiceDown(registry: string, realm: URL, response: Response, text: string): RegistryFailure {
  const { status } = response;
  return new RegistryFailure(
    status === 429 ? 'RegistryThrottled' : 'RegistryFailed',
    `the token service ${displayUrl(realm)} of ${registry} returned HTTP ${status}${text && ` (${text})`}`,
    {
      hint: 'Try again later: the registry accepts no login while its token service is down.',
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
    `could not get a token of ${registry} from ${displayUrl(realm)}: ${network?.text ?? 'the response cannot be read'}`,
    {
      hint: network?.hint ?? 'Try again later: the token service does not work as specified.',
      status: 0,
      transient: network?.transient ?? false,
      cause: network?.cause,
    },
  );
}

function bearerHeader({ value }: Token): string {
  return `Bearer ${value}`;
}

function tokenKey(login: KnownLogin | undefined, scopes: readonly Scope[]): string {
  return [login?.name ?? '', ...scopes].join(' ');
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

interface TokenAnswer {
  value?: string;
  /** Description of a token that cannot be used. */
  malformed?: string;
  /** Seconds. */
  life?: number;
}

function parseTokenAnswer(body: Buffer): TokenAnswer {
  let answer: unknown;
  try {
    answer = parseJson(body.toString());
  } catch {
    return {};
  }
  if (typeof answer !== 'object' || answer === null) return {};
  const { token, access_token, expires_in } = answer as Record<string, unknown>;
  const given = [token, access_token].filter((value) => value !== undefined && value !== null && value !== '');
  const value = given.find((each) => typeof each === 'string') ?? given[0];
  if (value === undefined) return {};
  if (typeof value !== 'string') return { malformed: `a token of type ${typeof value}, not text` };
  if (!isToken(value)) return { malformed: 'a token with spaces or characters that no header can carry' };
  return { value, ...(typeof expires_in === 'number' && expires_in > 0 && { life: expires_in }) };
}

/** Returns whether a header can carry the text (RFC 9110, 5.5, without spaces). */
function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

function unusableToken(registry: string): FactoryError {
  return new FactoryError(
    'InvalidConfiguration',
    `the registrytoken of ${registry} holds spaces or characters that no header can carry`,
    { hint: 'Write the token alone into the Docker config.json, in one line.' },
  );
}
