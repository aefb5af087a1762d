import packageJson from '../../package.json' with { type: 'json' };

/** The oldest Node.js that runs the command: the first whose `require` loads an ES module without a warning. */
export const neededNode = '22.13';

/** The oldest CDK whose template is that of the newest, but for conditions that CDK has added since. */
const oldestCdk = '2.252.0';
const oldestConstructs = '10.5.0';

type Source = Pick<typeof packageJson, 'name' | 'version' | 'description' | 'license'> & {
  readonly repository?: { readonly type: string; readonly url: string };
};

/**
 * Returns the package.json of the package. It has no dependencies: they are bundled. `aws-cdk-lib` and `constructs` are
 * the app's own; they are optional, because the command needs neither, and npm would install them beside it.
 *
 * @param source the repository's own package.json. A release adds the repository to it, because npm publishes provenance only for
 * the one that built the package.
 */
export function manifest(source: Source = packageJson) {
  const { name, version, description, license, repository } = source;
  return {
    name,
    version,
    description,
    license,
    ...(repository && { repository }),
    keywords: [
      'aws',
      'aws-cdk-construct',
      'cdk',
      'container-registry',
      'ecr',
      'harness',
      'harness-ci',
      'mirror',
      'oci',
    ],
    type: 'commonjs',
    // `main` and `types` beside `exports`, for TypeScript's `moduleResolution: node10`.
    main: './lib/index.js',
    types: './lib/index.d.ts',
    exports: { '.': { types: './lib/index.d.ts', default: './lib/index.js' }, './package.json': './package.json' },
    bin: { [name]: 'bin/factory.cjs', factory: 'bin/factory.cjs' },
    files: ['bin', 'lib', 'docs', 'CHANGELOG.md', 'THIRD-PARTY-LICENSES.txt', 'sbom.cdx.json'],
    engines: { node: `>=${neededNode}` },
    peerDependencies: { 'aws-cdk-lib': `^${oldestCdk}`, constructs: `^${oldestConstructs}` },
    peerDependenciesMeta: { 'aws-cdk-lib': { optional: true }, constructs: { optional: true } },
    // CDK copies the functions from real files, which Yarn Plug'n'Play keeps in an archive.
    preferUnplugged: true,
    publishConfig: { access: 'public', provenance: true },
  };
}
