/**
 * The modules this API serves. Declared anew here: the fake shares no code with the client that is tested against it.
 */
export type ModuleName = 'ci' | 'iacm' | 'idp';
export type Infra = 'K8' | 'VM';

/** Field to image. */
export type Images = Record<string, string>;

/** A stored document: the real service keeps K8 and VM of an account together. */
type ConfigDocument = Record<Infra, Images>;

interface ConnectorDocument {
  identifier: string;
  name: string;
  orgIdentifier?: string;
  projectIdentifier?: string;
  type: string;
  spec: Record<string, unknown>;
}

export interface AccountState extends Record<ModuleName, ConfigDocument> {
  connectors: ConnectorDocument[];
}

export function emptyAccount(): AccountState {
  const empty = (): ConfigDocument => ({ K8: {}, VM: {} });
  return { ci: empty(), iacm: empty(), idp: empty(), connectors: [harnessImage()] };
}

/** The connector every account is born with; all Harness images are pulled through it unless a stage names another. */
function harnessImage(): ConnectorDocument {
  return {
    identifier: 'harnessImage',
    name: 'Harness Docker Connector',
    type: 'DockerRegistry',
    spec: { dockerRegistryUrl: 'https://index.docker.io/v2/', providerType: 'DockerHub', auth: { type: 'Anonymous' } },
  };
}
