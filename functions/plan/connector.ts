import { FactoryError } from '../errors.ts';
import { connectorRegistry, resolveImage } from '../harness/image-resolution.ts';
import type { RegistryLocation } from '../oci/spec/reference.ts';
import type { FieldChange } from '../state/documents.ts';
import { type ImageConnector, readImageConnector } from '../overrides/image-connector.ts';
import { isOurs } from '../overrides/override.ts';
import type { Runtime } from '../runtime/runtime.ts';

/**
 * Checks that Harness would pull exactly the images that the run writes, through CONTAINER_REGISTRY_CONNECTOR or,
 * without one, `account.harnessImage`. Returns warnings.
 *
 * @throws {FactoryError} `InvalidConfiguration`, before any copy or switch, when a configured connector is missing or
 * of another type, or when either connector makes Harness pull a different image.
 */
export async function checkConnector(
  changes: readonly FieldChange[],
  registry: RegistryLocation,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<string[]> {
  // A reset or restore writes back the images of Harness or of the user: a wrong connector must not block it.
  const written = changes.flatMap(({ to }) => (to !== null && isOurs(to, registry) ? [to] : []));
  if (written.length === 0) return [];
  const nodes = `the nodes need rights of their own to pull from ${registry.registry}`;
  let found: ImageConnector;
  try {
    found = await readImageConnector(runtime, signal);
  } catch (error) {
    if (!(error instanceof FactoryError) || error.name !== 'HarnessForbidden') throw error;
    return [`the connector of Harness's images could not be checked: ${error.message}`];
  }
  const { reference, named, connector } = found;
  if (!connector) {
    if (!named) return [`there is no connector ${reference}: Harness uses the images as written, and ${nodes}`];
    throw misconfigured(
      `connector ${reference} does not exist`,
      'Create it, or correct CONTAINER_REGISTRY_CONNECTOR, ORG_ID and PROJECT_ID.',
    );
  }
  const { type, dockerRegistryUrl: url } = connector;
  if (type !== 'DockerRegistry' || url === undefined) {
    const mistyped = `connector ${reference} is of type ${type}`;
    if (!named) return [`${mistyped}: Harness uses the images as written, and ${nodes}`];
    throw misconfigured(mistyped, 'Harness pulls its images through a connector of type Docker Registry only.');
  }
  checkResolution(reference, url, written);
  const owner = connectorRegistry(url);
  return owner === registry.registry
    ? []
    : [`connector ${reference} is for ${owner}: Harness uses the images as written, but ${nodes}`];
}

function checkResolution(reference: string, url: string, written: readonly string[]): void {
  const shown = url.replace(/\/\/[^/@]*@/, '//');
  for (const value of written) {
    const pulled = resolveImage(value, url);
    if (pulled === undefined) {
      throw misconfigured(
        `Harness cannot read the address of connector ${reference}, "${shown}"`,
        'Give it an address such as https://registry.example.com.',
      );
    }
    if (pulled !== value) {
      throw misconfigured(
        `through connector ${reference} (${shown}) Harness would pull ${pulled} instead of ${value}`,
        `Give the connector the address https://${value.slice(0, value.indexOf('/'))}, exactly as written here, or set "registry" to the registry that the connector is for.`,
      );
    }
  }
}

function misconfigured(message: string, hint: string): FactoryError {
  return new FactoryError('InvalidConfiguration', message, { hint });
}
