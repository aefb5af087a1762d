/**
 * The modules this API serves. Declared again here: the fake shares no code with the client that is tested against it.
 */
export type ModuleName = 'ci' | 'iacm' | 'idp';
export type Infra = 'K8' | 'VM';

/** Field to image. */
export type Images = Record<string, string>;

/** One stored document: the real service keeps K8 and VM of an account together. */
type ConfigDocument = Record<Infra, Images>;

/** Scope of an object: a project, an organization, or the account when neither is given. */
export interface ObjectScope {
  orgIdentifier?: string;
  projectIdentifier?: string;
}

/** An object with an identifier that is unique in its scope. */
export interface ScopedObject extends ObjectScope {
  identifier: string;
  name: string;
  description?: string;
  tags?: Record<string, string>;
  type: string;
}

export interface ConnectorDocument extends ScopedObject {
  spec: Record<string, unknown>;
}

export interface SecretDocument extends ScopedObject {
  spec: {
    secretManagerIdentifier: string;
    valueType: 'Inline' | 'Reference';
    /** The text, or for a reference its name in the secret manager. No response contains it. */
    value: string;
  };
}

/** The kinds of objects whose text Harness stores as it was given. */
export type TextKind = 'pipeline' | 'inputSet' | 'trigger' | 'template';

/** An object that is stored as YAML. */
export interface TextDocument extends ObjectScope {
  kind: TextKind;
  identifier: string;
  /** The pipeline of an input set or a trigger. */
  pipelineIdentifier?: string;
  /** Templates only. */
  versionLabel?: string;
  /** Templates only: the version that references without a label get. */
  stable?: boolean;
  yaml: string;
  /** Counts the writes. */
  version: number;
  /** The YAML is in a Git repository. */
  remote?: true;
  /** The stored YAML is broken. */
  invalid?: true;
}

export interface AccountState extends Record<ModuleName, ConfigDocument> {
  /** Database DevOps does not distinguish infrastructures. */
  dbops: Images;
  connectors: ConnectorDocument[];
  secrets: SecretDocument[];
  /** Pipelines, input sets, triggers and templates. */
  texts: TextDocument[];
}

/** Addresses of the registries where Harness publishes its images, as a connector has them. */
export const officialAddresses = {
  'docker-hub': 'https://index.docker.io/v2/',
  gar: 'https://us-docker.pkg.dev/gar-prod-setup/harness-public',
  'ecr-public': 'https://public.ecr.aws/harness',
} as const;

/** The registry of an account's connector `harnessImage`: an official one, an address, or no connector. */
export type ImageConnector = keyof typeof officialAddresses | 'none' | `http://${string}` | `https://${string}`;

/** A new account: no overrides, no secrets, and the connector for Harness's images. */
export function emptyAccount(connector: ImageConnector = 'docker-hub'): AccountState {
  const empty = (): ConfigDocument => ({ K8: {}, VM: {} });
  const connectors = connector === 'none' ? [] : [harnessImage(connector)];
  return { ci: empty(), iacm: empty(), idp: empty(), dbops: {}, connectors, secrets: [], texts: [] };
}

/** The connector through which all Harness images are pulled unless a stage names another. */
function harnessImage(connector: Exclude<ImageConnector, 'none'>): ConnectorDocument {
  const dockerRegistryUrl = isOfficial(connector) ? officialAddresses[connector] : connector;
  return {
    identifier: 'harnessImage',
    name: 'Harness Docker Connector',
    description: 'Harness images',
    tags: { owner: 'platform' },
    type: 'DockerRegistry',
    spec: {
      dockerRegistryUrl,
      providerType: connector === 'docker-hub' ? 'DockerHub' : 'Other',
      auth: { type: 'Anonymous' },
      delegateSelectors: [],
      executeOnDelegate: false,
    },
  };
}

function isOfficial(connector: string): connector is keyof typeof officialAddresses {
  return Object.hasOwn(officialAddresses, connector);
}

export function findInScope<T extends ScopedObject>(objects: T[], identifier: string, scope: ObjectScope) {
  return objects.find((object) => object.identifier === identifier && isInScope(object, scope));
}

export function isInScope(document: ObjectScope, scope: ObjectScope): boolean {
  return document.orgIdentifier === scope.orgIdentifier && document.projectIdentifier === scope.projectIdentifier;
}
