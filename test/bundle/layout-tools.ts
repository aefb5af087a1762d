/** A layout of images on disk. */
export interface LayoutPlace {
  readonly kind: 'folder' | 'tar';
  readonly path: string;
}

/** An image of a layout: the name that it has there, and its digest. */
export interface NamedImage {
  readonly name: string;
  readonly digest: string;
}

/** A tool of others that copies images between registries and layouts, as its users run it. */
interface LayoutTool {
  /** Returns the command that writes an image of a registry into a layout; `undefined` where the tool has none. */
  pull(from: RegistryImage, to: LayoutPlace, name: string): string[] | undefined;
  /** Returns the command that copies an image of a layout to a registry; `undefined` where the tool has none. */
  push(from: LayoutPlace, image: NamedImage, to: RegistryImage): string[] | undefined;
}

/** An image of a registry. */
interface RegistryImage {
  /** `host:port/repository:tag`. */
  readonly reference: string;
  readonly scheme: 'http' | 'https';
}

/** The tools, by the names of their programs. */
export const layoutTools = {
  skopeo: {
    pull: ({ reference, scheme }, to, name) => [
      ...skopeo,
      `--src-tls-verify=${scheme === 'https'}`,
      `docker://${reference}`,
      inSkopeo(to, name),
    ],
    push: (from, { name }, { reference, scheme }) => [
      ...skopeo,
      `--dest-tls-verify=${scheme === 'https'}`,
      inSkopeo(from, name),
      `docker://${reference}`,
    ],
  },
  oras: {
    pull: ({ reference, scheme }, { kind, path }, name) =>
      kind === 'folder'
        ? [...oras, ...only('--from-plain-http', scheme), reference, '--to-oci-layout-path', path, name]
        : ['oras', 'backup', '--no-tty', ...only('--plain-http', scheme), '--output', path, reference],
    push: ({ path }, { name }, { reference, scheme }) => [
      ...oras,
      ...only('--to-plain-http', scheme),
      '--from-oci-layout-path',
      path,
      name,
      reference,
    ],
  },
  regctl: {
    pull: (from, { kind, path }, name) =>
      kind === 'folder'
        ? [...regctl(from), 'copy', from.reference, `ocidir://${path}:${tagOf(name)}`]
        : [...regctl(from), 'export', '--name', name, from.reference, path],
    // A reference to a folder has a tag, not a name with a registry, so images go by their digests.
    push: ({ kind, path }, { name, digest }, to) =>
      kind === 'folder'
        ? [...regctl(to), 'copy', `ocidir://${path}@${digest}`, to.reference]
        : [...regctl(to), 'import', '--name', name, to.reference, path],
  },
  crane: {
    // Names the image by the reference that it is read from.
    pull: ({ reference, scheme }, { kind, path }) =>
      kind === 'folder'
        ? ['crane', 'pull', '--format', 'oci', '--annotate-ref', ...only('--insecure', scheme), reference, path]
        : undefined,
    // Takes a folder whose index has one entry.
    push: ({ kind, path }, _image, { reference, scheme }) =>
      kind === 'folder' ? ['crane', 'push', ...only('--insecure', scheme), path, reference] : undefined,
  },
} as const satisfies Record<string, LayoutTool>;

/** Without `--preserve-digests`, it compresses layers that are not, which changes the digest. */
const skopeo = ['skopeo', '--insecure-policy', 'copy', '--quiet', '--all', '--preserve-digests'];
const oras = ['oras', 'copy', '--no-tty'];

function inSkopeo({ kind, path }: LayoutPlace, name: string): string {
  return `${kind === 'folder' ? 'oci' : 'oci-archive'}:${path}:${name}`;
}

function only(option: string, scheme: RegistryImage['scheme']): string[] {
  return scheme === 'http' ? [option] : [];
}

function regctl({ reference, scheme }: RegistryImage): string[] {
  const registry = reference.slice(0, reference.indexOf('/'));
  return ['regctl', '--host', `reg=${registry},tls=${scheme === 'https' ? 'enabled' : 'disabled'}`, 'image'];
}

/** Returns a tag that no other image of the layout has. */
function tagOf(name: string): string {
  return name.replaceAll(/[^\w.-]/g, '_');
}
