import { isDeepStrictEqual } from 'node:util';
import { keepPassword, keepSecret } from '../../../text/secrets.ts';
import type { CredentialProvider, Credentials, Login } from './credentials.ts';
import type { Access } from './scope.ts';

/** Time after which credentials are read again, in milliseconds: they may have been renewed or corrected. */
const loginLifeMs = 600_000;

function keepCredentials(credentials: Credentials): void {
  if ('password' in credentials) keepPassword(credentials.username, credentials.password);
  else keepSecret(...Object.values(credentials));
}

/** A login, and its standing at one registry. */
export class KnownLogin {
  readonly name: string;
  /** `untried` until the registry accepts or refuses it. Once accepted, it stays `accepted`. */
  standing: 'untried' | 'accepted' | 'refused' = 'untried';
  readonly #login: Login;
  #credentials: Promise<Credentials | undefined> | undefined;
  #readAt = 0;

  constructor(login: Login) {
    this.name = login.name;
    this.#login = login;
  }

  /** Reads the credentials when they are first needed. A failure is not kept. */
  credentials(): Promise<Credentials | undefined> {
    return (this.#credentials ??= this.#read());
  }

  /** Reads the credentials again after a refusal. Returns whether there are others now. */
  async renew(): Promise<boolean> {
    const before = await this.#credentials?.catch(() => undefined);
    this.#credentials = this.#read();
    const now = await this.#credentials.catch(() => undefined);
    return now !== undefined && !isDeepStrictEqual(now, before);
  }

  /** Discards the credentials, so that they are read again, unless the registry accepted them. */
  reset(): void {
    if (this.standing !== 'accepted') this.#credentials = undefined;
  }

  /** Read so long ago that there may be newer ones. */
  get isOld(): boolean {
    return Date.now() - this.#readAt > loginLifeMs;
  }

  #read(): Promise<Credentials | undefined> {
    this.#readAt = Date.now();
    const reading = this.#login.credentials().then((found) => {
      if (found) keepCredentials(found);
      return found;
    });
    reading.catch(() => {
      if (this.#credentials === reading) this.#credentials = undefined;
    });
    return reading;
  }
}

/** The logins of one repository, in the order in which they are tried, and the one that is in use. */
export class Course {
  /** The failure of the first login that failed: it says more than that of a later one, or of no login. */
  failure: unknown;
  readonly #logins: readonly KnownLogin[];
  readonly #startedAt = Date.now();
  #index = 0;

  constructor(logins: readonly KnownLogin[]) {
    this.#logins = logins;
  }

  /** `undefined` after the last one: requests then carry no credentials. */
  get current(): KnownLogin | undefined {
    return this.#logins[this.#index];
  }

  advance(): void {
    this.#index++;
  }

  /** Returns whether any login, or any that follows `last`, has credentials. A login that cannot be read has none. */
  async holdsCredentials(last?: KnownLogin): Promise<boolean> {
    const logins = this.#logins.slice(last ? this.#logins.indexOf(last) + 1 : 0);
    const held = await Promise.all(logins.map((login) => login.credentials().catch(() => undefined)));
    return held.some((credentials) => credentials !== undefined);
  }

  /** It is time to try the first login again. */
  get isOver(): boolean {
    return this.#index > 0 && Date.now() - this.#startedAt > loginLifeMs;
  }
}

/** The logins of one registry, and which of them each of its repositories uses. */
export class Logins {
  readonly #registry: string;
  readonly #provider: CredentialProvider;
  readonly #known = new Map<string, KnownLogin>();
  readonly #courses = new Map<string, Promise<Course>>();
  /** Set when a request failed before any login was accepted. */
  #refused = false;

  constructor(registry: string, provider: CredentialProvider) {
    this.#registry = registry;
    this.#provider = provider;
  }

  /**
   * The course of a repository and set of scopes: a login may be allowed to read and not to write, or to push and not to
   * delete or mount.
   */
  async of(access: Access): Promise<Course> {
    const key = keyOf(access);
    const known = this.#courses.get(key);
    const course = await known;
    if (course && !course.isOver) return course;
    // Another request may have started a new one meanwhile.
    if (this.#courses.get(key) === known) {
      const starting = this.#start(access.repository);
      this.#courses.set(key, starting);
      starting.catch(() => this.#courses.delete(key));
    }
    return this.of(access);
  }

  /** Lets the next request with this access start with the first login, whose credentials are read again. */
  restart(access: Access): void {
    this.#courses.delete(keyOf(access));
    const logins = [...this.#known.values()];
    // An accepted login shows that its source is right.
    this.#refused ||= logins.every(({ standing }) => standing !== 'accepted');
    for (const login of logins) login.reset();
  }

  /** Returns logins in the order of the provider; those that were refused and never accepted go last. */
  async #start(repository: string): Promise<Course> {
    const refused = this.#refused;
    this.#refused = false;
    const logins = await this.#provider.logins(this.#registry, repository, refused);
    const known = logins.map((login) => this.#knownAs(login));
    return new Course([
      ...known.filter(({ standing }) => standing !== 'refused'),
      ...known.filter(({ standing }) => standing === 'refused'),
    ]);
  }

  #knownAs(login: Login): KnownLogin {
    let known = this.#known.get(login.name);
    if (!known) this.#known.set(login.name, (known = new KnownLogin(login)));
    return known;
  }
}

function keyOf({ repository, writes, scopes }: Access): string {
  return [repository, writes, ...scopes].join(' ');
}
