import { randomUUID } from 'node:crypto';
import { covers, parseScope, type Access } from './access.ts';
import type { Exchange } from './exchange.ts';
import { basicCredentials, type BearerAuth, isKnown } from './users.ts';

export interface TokenRequest {
  method: string;
  /** `undefined` for anyone. */
  user: string | undefined;
  grantType: 'get' | 'password' | 'refresh_token';
  service: string | undefined;
  scopes: string[];
  status: number;
}

interface Issued {
  granted: Access[];
  expires: number;
}

/**
 * The token service: distribution's GET flow (docs/spec/auth/token) and its OAuth2 POST flow (docs/spec/auth/oauth),
 * with refresh tokens, which Docker calls identity tokens.
 */
export class Tokens {
  readonly service = 'embedded-registry';
  /** The address to which clients are sent; set when the server listens. */
  realm = '';
  readonly requests: TokenRequest[] = [];
  /** Lifetime of the next tokens in seconds. */
  lifetimeSeconds: number;
  readonly #options: BearerAuth;
  readonly #issued = new Map<string, Issued>();
  readonly #refresh = new Map<string, string>();

  constructor(options: BearerAuth) {
    this.#options = options;
    this.lifetimeSeconds = options.tokenSeconds ?? 300;
  }

  /** Every token given out so far is expired from now on. */
  expireAll(): void {
    this.#issued.clear();
  }

  /** A refresh token for the user, such as `docker login` would have stored. */
  identityToken(user: string): string {
    const token = randomUUID();
    this.#refresh.set(token, user);
    return token;
  }

  judge(token: string, needed: readonly Access[]): 'good' | 'invalid_token' | 'insufficient_scope' {
    const issued = this.#issued.get(token);
    if (!issued || Date.now() >= issued.expires) return 'invalid_token';
    return covers(issued.granted, needed) ? 'good' : 'insufficient_scope';
  }

  async handle(exchange: Exchange): Promise<void> {
    if (exchange.method === 'GET') return await this.#get(exchange);
    if (exchange.method === 'POST' && this.#options.oauth2 !== false) return await this.#post(exchange);
    await exchange.reply(404);
  }

  async #get(exchange: Exchange): Promise<void> {
    const query = exchange.url.searchParams;
    const credentials = basicCredentials(exchange.header('authorization'));
    const scopes = query.getAll('scope').flatMap(separate);
    const known = credentials ? isKnown(this.#options.users, credentials) : true;
    const undecodable =
      this.#options.deletesByPush && scopes.flatMap(parseScope).some(({ action }) => action === 'delete');
    const status = known ? (undecodable ? 400 : 200) : 401;
    const request: TokenRequest = {
      method: 'GET',
      user: credentials?.user,
      grantType: 'get',
      service: query.get('service') ?? undefined,
      scopes,
      status,
    };
    this.requests.push(request);
    if (status !== 200) return await this.#refuse(exchange, status);
    const { token, times } = this.#issue(request.user, scopes);
    const offline = request.user !== undefined && query.get('offline_token') === 'true';
    const refresh = offline ? { refresh_token: this.identityToken(request.user ?? '') } : {};
    await exchange.replyJson(200, { token, access_token: token, ...times, ...refresh });
  }

  async #post(exchange: Exchange): Promise<void> {
    const form = new URLSearchParams((await exchange.readBody(64 * 1024)).toString());
    const scopes = form.getAll('scope').flatMap(separate);
    const grantType = form.get('grant_type') === 'refresh_token' ? 'refresh_token' : 'password';
    const user = grantType === 'password' ? this.#userOf(form) : this.#refresh.get(form.get('refresh_token') ?? '');
    const service = form.get('service') ?? undefined;
    const complete = form.has('grant_type') && form.has('client_id') && service !== undefined;
    const status = complete ? (user === undefined ? 401 : 200) : 400;
    this.requests.push({ method: 'POST', user, grantType, service, scopes, status });
    if (status !== 200 || user === undefined) return await this.#refuse(exchange, status);
    const { token, times, granted } = this.#issue(user, scopes);
    const refresh = form.get('refresh_token') ?? (form.get('access_type') === 'offline' && this.identityToken(user));
    await exchange.replyJson(200, {
      access_token: token,
      scope: granted,
      ...times,
      ...(refresh !== false && { refresh_token: refresh }),
    });
  }

  #userOf(form: URLSearchParams): string | undefined {
    const credentials = { user: form.get('username') ?? '', password: form.get('password') ?? '' };
    return isKnown(this.#options.users, credentials) ? credentials.user : undefined;
  }

  /** A token with those of the scopes that the user may have, possibly none: the registry then says what is missing. */
  #issue(user: string | undefined, scopes: string[]): { token: string; times: object; granted: string } {
    const { honouredScopes = 'all', anonymousPull = false, allows, announceExpiry = true } = this.#options;
    const honoured = { all: scopes, first: scopes.slice(0, 1), last: scopes.slice(-1) }[honouredScopes];
    const may = (access: Access): boolean =>
      (user !== undefined || (anonymousPull && access.action === 'pull')) && (allows?.(user, access) ?? true);
    const granted = honoured.flatMap(parseScope).filter(may);
    const token = randomUUID();
    const now = Date.now();
    this.#issued.set(token, { granted, expires: now + this.lifetimeSeconds * 1000 });
    const issuedAt = new Date(now + (this.#options.clockSkewSeconds ?? 0) * 1000).toISOString();
    const times = announceExpiry ? { expires_in: this.lifetimeSeconds, issued_at: issuedAt } : {};
    return { token, times, granted: granted.map(({ type, name, action }) => `${type}:${name}:${action}`).join(' ') };
  }

  async #refuse(exchange: Exchange, status: number): Promise<void> {
    await exchange.replyJson(status, { details: 'incorrect username or password' });
  }
}

function separate(scopes: string): string[] {
  return scopes.split(' ').filter((scope) => scope !== '');
}
