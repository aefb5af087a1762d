/** What a registry is shown to let us in. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, as `docker login` stores it for registries that hand one out. */
  | { readonly identityToken: string }
  /** A token that is sent as it is. */
  | { readonly registryToken: string };

/** Knows the credentials of some registries. Asked again whenever they were refused, so it may renew them. */
export interface CredentialProvider {
  /** `undefined` when this provider knows none for `registry` (`host[:port]`). */
  credentials(registry: string): Promise<Credentials | undefined>;
}

/** Asks each provider in turn; the first that knows wins. */
export function firstOf(...providers: CredentialProvider[]): CredentialProvider {
  return {
    async credentials(registry) {
      for (const provider of providers) {
        const found = await provider.credentials(registry);
        if (found) return found;
      }
      return undefined;
    },
  };
}

export const anonymous: CredentialProvider = { credentials: async () => undefined };
