export type Credentials =
  | { readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, as `docker login` stores it for registries that issue one. */
  | { readonly identityToken: string }
  /** A bearer token, sent unchanged. */
  | { readonly registryToken: string };

/** One place that may hold credentials: an entry of a `config.json`, a credential helper, the AWS credentials. */
export interface Login {
  /** Identifies it among the logins of its registry, and names it in messages. Holds nothing secret. */
  readonly name: string;
  /** Reads the credentials, each time from their place: they may have been renewed. `undefined` when there are none. */
  credentials(): Promise<Credentials | undefined>;
}

export interface CredentialProvider {
  /**
   * The logins for a repository of `registry` (`host[:port]`), in the order in which they are tried.
   * @param refused the registry refused the logins of the last call: their source may have been corrected since
   */
  logins(registry: string, repository: string, refused?: boolean): Promise<readonly Login[]>;
}

/** Combines providers: the logins of the first go first. */
export function inOrder(...providers: CredentialProvider[]): CredentialProvider {
  return {
    async logins(registry, repository, refused) {
      const lists = await Promise.all(
        providers.map(async (provider) => provider.logins(registry, repository, refused)),
      );
      return lists.flat();
    },
  };
}

export const anonymous: CredentialProvider = { logins: async () => [] };

/** Returns the `Authorization` header of Basic authentication. */
export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
