import type { Hint } from '../../../hint.ts';
import { FactoryError } from '../../../errors.ts';
import { displayUrl } from '../../../http/redact.ts';
import { noReason, type ReasonText, reasonText } from '../../../http/reason-text.ts';
import { parseRetryAfter, transientStatuses } from '../../../http/retry.ts';
import { readBody, type Response, type Transport, userAgent } from '../../../http/transport.ts';
import { parseJson } from '../../../text/json.ts';
import { keepToken } from '../../../text/secrets.ts';
import { brokenConnection, RegistryFailure } from '../registry-failure.ts';
import { basic, type Credentials } from './credentials.ts';
import type { Scope } from './scope.ts';

export interface Token {
  value: string;
  /** Time after which it is no longer used, in milliseconds since the epoch. */
  expiresAt: number;
}

export interface TokenServiceOptions {
  registry: string;
  /** Origin of the registry. Decides whether a token service may use plain HTTP. */
  origin: URL;
  transport: Transport;
  /** Further token services that may receive the credentials of this registry. */
  trustedTokenHosts?: readonly string[];
}

/** Token services on another host than their registry, by registry host. */
const knownTokenHosts: ReadonlyMap<string, string> = new Map([
  ['registry-1.docker.io', 'auth.docker.io'],
  ['registry.gitlab.com', 'gitlab.com'],
]);

/** Default lifetime of a token, in seconds (distribution, docs/content/spec/auth/token.md). */
const defaultTokenLife = 60;
const tokenBodyLimit = 256 * 1024;

export class TokenService {
  readonly #options: TokenServiceOptions;
  readonly #realm: URL;
  readonly #service: string | undefined;

  /** Refuses a realm that is not a URL, or less secure than the registry. */
  constructor(options: TokenServiceOptions, realm: string, service: string | undefined) {
    const { registry, origin } = options;
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && origin.protocol === 'http:');
    if (!url || !secure || url.username !== '' || url.password !== '') {
      throw new FactoryError('RegistryUnauthorized', `${registry} names an unusable token service`, {
        hint: `Correct the settings of ${registry}: its token service must have an https address. Nothing was sent to it.`,
      });
    }
    this.#options = options;
    this.#realm = url;
    this.#service = service;
  }

  get host(): string {
    return this.#realm.host;
  }

  /** True if the service may receive the credentials of the registry. */
  get isTrusted(): boolean {
    const { registry, origin, trustedTokenHosts = [] } = this.#options;
    // Another port may be another party's.
    if (this.#realm.origin === origin.origin || this.host === knownTokenHosts.get(registry)) return true;
    return trustedTokenHosts.includes(this.host);
  }

  /** Returns the hint for credentials that were withheld from the service. */
  get toTrust(): Hint {
    const hint = `Trust ${this.host} if it is the token service of ${this.#options.registry}; credentials are not sent to it until then.`;
    return { hint, topic: 'token-service' };
  }

  /** Gets a token for `scopes`: with credentials, or as an anonymous client. */
  async token(credentials: Credentials | undefined, scopes: readonly Scope[]): Promise<Token> {
    if (credentials && 'registryToken' in credentials) {
      if (!isToken(credentials.registryToken)) throw unusableToken(this.#options.registry);
      return { value: credentials.registryToken, expiresAt: Infinity };
    }
    const requestedAt = Date.now();
    let response: Response;
    let body: Buffer;
    try {
      response =
        credentials && 'identityToken' in credentials
          ? await this.#exchange(scopes, credentials.identityToken)
          : await this.#request(scopes, credentials);
      body = await readBody(response, tokenBodyLimit);
    } catch (error) {
      throw this.#unreachable(error);
    }
    const others = scopes.filter((scope) => !scope.endsWith(':delete'));
    // Quay refuses a request with the action `delete`, and accepts a DELETE by the right to push (v2auth.py, manifest.py).
    if (response.status === 400 && others.length < scopes.length) return this.token(credentials, others);
    const { value, malformed, life = defaultTokenLife } = response.status === 200 ? parseTokenResponse(body) : {};
    if (value === undefined) {
      const secrets = credentials ? secretsOf(credentials) : [];
      const reason = malformed ? { ...noReason, text: malformed } : reasonOf(response, body, secrets);
      throw this.#refused(response, scopes, credentials !== undefined, reason);
    }
    keepToken(value);
    // Renewed early, so that none runs out between here and the registry.
    return { value, expiresAt: requestedAt + (life - Math.min(30, life / 4)) * 1000 };
  }

  #request(scopes: readonly Scope[], credentials: Credentials | undefined) {
    const url = new URL(this.#realm);
    if (this.#service !== undefined) url.searchParams.set('service', this.#service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const headers: Record<string, string> =
      credentials && 'username' in credentials ? { authorization: basic(credentials) } : {};
    return this.#options.transport.request({ method: 'GET', url, headers, ...this.#sentBy() });
  }

  /** Identity tokens are exchanged by OAuth2's refresh grant (distribution, docs/content/spec/auth/oauth.md). */
  #exchange(scopes: readonly Scope[], identityToken: string) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: identityToken,
      client_id: userAgent,
      scope: scopes.join(' '),
      ...(this.#service !== undefined && { service: this.#service }),
    });
    return this.#options.transport.request({
      method: 'POST',
      url: this.#realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
      ...this.#sentBy(),
    });
  }

  /** Marks the registry as the origin that referred us to the service, unless the user trusts the service. */
  #sentBy(): { sentBy?: URL } {
    const { origin, trustedTokenHosts = [] } = this.#options;
    return trustedTokenHosts.includes(this.host) ? {} : { sentBy: origin };
  }

  #refused(
    response: Response,
    scopes: readonly Scope[],
    withCredentials: boolean,
    { text, isPage }: ReasonText,
  ): RegistryFailure {
    const { status } = response;
    if (transientStatuses.has(status)) return this.#down(response, text);
    const client = withCredentials ? 'the configured credentials' : 'an anonymous client';
    const hint: Hint = isPage
      ? { hint: `Exempt ${this.host} from single sign-on: a login page or captive portal responded in its place.` }
      : this.isTrusted
        ? {
            hint: `Check the credentials of ${this.#options.registry} in your Docker config.json, and their permissions.`,
          }
        : this.toTrust;
    return new RegistryFailure(
      'RegistryUnauthorized',
      `${this.#name} issued no token to ${client} for ${scopes.join(' ')} (HTTP ${status}${text && `: ${text}`})`,
      // Not the status itself: another token is no cure for a service that gives none.
      { ...hint, status: 0, transient: false },
    );
  }

  #down(response: Response, text: string): RegistryFailure {
    const { status } = response;
    return new RegistryFailure(
      status === 429 ? 'RegistryThrottled' : 'RegistryFailed',
      `${this.#name} returned HTTP ${status}${text && ` (${text})`}`,
      {
        hint: 'Try again later: the registry accepts no login while its token service is down.',
        status,
        transient: true,
        retryAfterMs: parseRetryAfter(response.header('retry-after')),
      },
    );
  }

  #unreachable(cause: unknown): RegistryFailure {
    const network = brokenConnection(cause) ?? {
      text: 'the response cannot be read',
      hint: 'Try again later: the token service does not work as specified.',
      transient: false,
      cause: undefined,
    };
    const name = brokenConnection(cause) ? 'RegistryUnreachable' : 'RegistryFailed';
    const from = `could not get a token of ${this.#options.registry} from ${displayUrl(this.#realm)}`;
    return new RegistryFailure(name, `${from}: ${network.text}`, { ...network, status: 0 });
  }

  get #name(): string {
    return `the token service ${displayUrl(this.#realm)} of ${this.#options.registry}`;
  }
}

/** Returns whether a token service refused; false when it is unreachable or overloaded. */
export function isRefusal(error: unknown): boolean {
  return error instanceof RegistryFailure && error.name === 'RegistryUnauthorized';
}

/** Returns the parts of credentials that a server could echo. */
function secretsOf(credentials: Credentials): string[] {
  if ('identityToken' in credentials) return [credentials.identityToken];
  if ('registryToken' in credentials) return [credentials.registryToken];
  return [basic(credentials).replace(/^Basic /, ''), credentials.password];
}

/** Returns the text of the token service. Never quotes a 200 without a token, which may hold anything. */
function reasonOf(response: Response, body: Buffer, secrets: readonly string[]): ReasonText {
  const reason = reasonText(body.toString(), response.header('content-type'), secrets);
  if (response.status !== 200 || reason.isPage) return reason;
  return { ...noReason, text: 'a response without a token' };
}

interface TokenResponse {
  value?: string;
  /** Description of a token that cannot be used. */
  malformed?: string;
  /** Seconds. */
  life?: number;
}

function parseTokenResponse(body: Buffer): TokenResponse {
  let response: unknown;
  try {
    response = parseJson(body.toString());
  } catch {
    return {};
  }
  if (typeof response !== 'object' || response === null) return {};
  const { token, access_token, expires_in } = response as Record<string, unknown>;
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
