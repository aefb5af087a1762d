import { log } from './log.ts';
import { anonymous, type CredentialProvider, inOrder, type Login } from '../oci/registry/auth/credentials.ts';
import { dockerConfigCredentials } from '../oci/registry/auth/docker-config.ts';
import { helperEnvironment } from '../runtime/helper-environment.ts';
import { Runtime, type RuntimeParts } from '../runtime/runtime.ts';
import { deployedConfiguration, type Environment } from '../settings/configuration.ts';
import { awsAdapters } from '../aws/adapters.ts';
import { readSecret } from '../aws/secrets.ts';
import { Patience } from '../runtime/patience.ts';
import { stateMachine } from '../runtime/place.ts';
import { stateStore } from './state-store.ts';

/** Creates the parts that only some tasks need. The bundles of other tasks do not contain them. */
export type LambdaParts = (environment: Environment) => Partial<RuntimeParts>;

let runtime: Runtime | undefined;

/** Returns the runtime of this function, which it keeps from call to call. */
export function lambdaRuntime(parts?: LambdaParts): Runtime {
  return (runtime ??= createRuntime(process.env, parts));
}

/** Creates the runtime on Lambda: secrets from Secrets Manager, documents in S3, ECR by the function's role. */
function createRuntime(environment: Environment, parts?: LambdaParts): Runtime {
  const configuration = deployedConfiguration(environment);
  const store = stateStore(environment);
  const { harnessApiKey, harnessApiKeySecret, registryCredentialsSecret, callbackUrlSecret } = configuration;
  const aws = awsAdapters({ ...configuration, ecrSessionPolicy: environment['ECR_SESSION_POLICY'] });
  return new Runtime({
    ...aws,
    configuration,
    store,
    harnessApiKey: async (refused) => harnessApiKey ?? readSecret(harnessApiKeySecret ?? '', { refused }),
    credentials: inOrder(
      aws.credentials,
      registryCredentialsSecret === undefined ? anonymous : secretCredentials(registryCredentialsSecret),
    ),
    callbackTarget:
      callbackUrlSecret === undefined ? undefined : (refused) => readSecret(callbackUrlSecret, { refused }),
    onProgress: (event) => log.progress(event),
    place: stateMachine,
    patience: new Patience(12 * 3_600_000),
    ...parts?.(environment),
  });
}

/**
 * A Docker `config.json` in a secret, read when a registry first asks for credentials, and again after a refusal. One
 * that cannot be read is a login that fails: it is of no matter where another is let in.
 */
function secretCredentials(name: string): CredentialProvider {
  const origin = `the secret ${name}`;
  return {
    async logins(registry, repository, refused = false) {
      const environment = helperEnvironment(process.env);
      const read = async (refresh: boolean) =>
        dockerConfigCredentials(await readSecret(name, { refresh }), origin, environment).logins(registry, repository);
      try {
        return (await read(refused)).map((login) => renewable(login, () => read(true)));
      } catch (error) {
        return [{ name: origin, credentials: () => Promise.reject(error) }];
      }
    },
  };
}

/** The same login, which from the second time on is looked up in `read` again. */
function renewable(login: Login, read: () => Promise<readonly Login[]>): Login {
  let isRead = false;
  return {
    name: login.name,
    async credentials() {
      const current = isRead ? (await read()).find(({ name }) => name === login.name) : login;
      isRead = true;
      return current?.credentials();
    },
  };
}
