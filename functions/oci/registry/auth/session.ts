import type { RegistryFailure } from '../registry-failure.ts';
import type { Authorizer } from './authorizer.ts';
import type { Course, KnownLogin } from './logins.ts';
import type { Access } from './scope.ts';
import { isRefusal } from './token-service.ts';

/** The response of a registry that refused a login. */
export interface Refusal {
  status: number;
  challenge: string | undefined;
  /** Reads the body and returns the error. */
  failure: () => Promise<RegistryFailure>;
}

/**
 * Authenticates one request: with the login that its repository uses, or, when that fails, with the next. Tries last
 * without credentials, except for a write, or when a valid login lacks the permission (403).
 */
export class Session {
  /** The login of the last header. */
  #login: KnownLogin | undefined;
  readonly #authorizer: Authorizer;
  readonly #access: Access & { readonly signal?: AbortSignal | undefined };
  readonly #renewed = new Set<KnownLogin | undefined>();
  /** True after the registry refused the request without credentials. */
  #refusedAnonymous = false;
  #course: Course | undefined;

  constructor(authorizer: Authorizer, access: Access & { readonly signal?: AbortSignal | undefined }) {
    this.#authorizer = authorizer;
    this.#access = access;
  }

  /** Throws what the first login failed with when none is left. */
  async header(): Promise<string | undefined> {
    const { isChallenged, mayLogIn } = this.#authorizer;
    if (!isChallenged) return undefined;
    if (!mayLogIn) return this.#header(undefined);
    const course = (this.#course ??= await this.#authorizer.logins.of(this.#access));
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
      this.#refusedAnonymous = true;
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
    return (await this.header()) !== undefined || !this.#refusedAnonymous;
  }

  accepted(): void {
    if (this.#login) this.#login.standing = 'accepted';
  }

  /** Restarts with the first login. Returns its failure, unless the last login is good and its own says more. */
  end(): unknown {
    const failure = this.#course && this.#end(this.#course);
    return this.#login?.standing === 'accepted' ? undefined : failure;
  }

  #header(login: KnownLogin | undefined): Promise<string | undefined> {
    const { scopes, signal } = this.#access;
    return this.#authorizer.header(login, scopes, signal);
  }

  async #headerOf(login: KnownLogin | undefined): Promise<string | undefined> {
    try {
      // A login without credentials gets no anonymous token in its name.
      if (login && (await login.credentials()) === undefined) return undefined;
    } catch (cause) {
      throw new LoginFailed(cause);
    }
    try {
      return await this.#header(login);
    } catch (cause) {
      throw isRefusal(cause) ? new LoginFailed(cause) : cause;
    }
  }

  /** Advances to the next login. Returns `false` when none may be accepted. */
  async #leave(course: Course, login: KnownLogin, status: number, failure: () => Promise<unknown>): Promise<boolean> {
    if (login.standing === 'untried') login.standing = 'refused';
    // What others may not do, and what changes something, is not tried without credentials.
    const isEnd = (status === 403 || this.#access.writes) && !(await course.holdsCredentials(login));
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
    this.#authorizer.logins.restart(this.#access);
    return course.failure;
  }
}

/** Thrown for a login whose credentials cannot be read, or get no token. */
class LoginFailed extends Error {
  constructor(cause: unknown) {
    super('the login failed', { cause });
  }
}
