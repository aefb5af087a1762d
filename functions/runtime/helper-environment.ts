/** Variables that hold secrets of the factory. */
const secretVariables = /^HARNESS_|^DOCKER_AUTH_CONFIG$/i;

/**
 * Returns the environment of credential helpers, which are programs of others: without the factory's secrets, and with
 * all that a helper may need, such as the credentials of its cloud and proxies.
 */
export function helperEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const key = environment['HARNESS_API_KEY']?.trim();
  return Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => !secretVariables.test(name) && !(key && value?.includes(key)),
    ),
  );
}
