import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { root } from './root.ts';

/** Packages that the app has, and whose types the public types may name. */
const peers = /^(?:aws-cdk-lib|constructs)(?:\/|$)/;

/**
 * Writes the declarations that `infra/index.ts` reaches to `outdir`.
 *
 * @throws {Error} that names the declaration, if a public type needs a file outside of `infra/` or another package.
 */
export function buildDeclarations(outdir: string): void {
  const emitted = mkdtempSync(join(tmpdir(), 'factory-types-'));
  try {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const project = join(import.meta.dirname, 'tsconfig.json');
    execFileSync(process.execPath, [tsc, '--project', project, '--outDir', emitted], { stdio: 'inherit' });
    const source = join(emitted, 'infra');
    const reached = new Set([join(source, 'index.d.ts')]);
    for (const file of reached) {
      const text = withJsSpecifiers(file, readFileSync(file, 'utf8'), (target) => reached.add(target));
      const path = relative(source, file);
      if (path.startsWith('..'))
        throw new Error(`a public type needs ${relative(emitted, file)}, which is not below infra/`);
      const to = join(outdir, path);
      mkdirSync(dirname(to), { recursive: true });
      writeFileSync(to, text);
    }
  } finally {
    rmSync(emitted, { recursive: true, force: true });
  }
}

/** Names modules by `.js`, because only declarations may name `.ts`. Tells `onFile` each declaration that is named. */
function withJsSpecifiers(file: string, text: string, onFile: (path: string) => void): string {
  return text.replaceAll(/(?<=\bfrom\s+|\bimport\s*\(?\s*)(['"])([^'"]+)\1/g, (quoted, quote: string, name: string) => {
    if (!name.startsWith('.')) {
      if (!peers.test(name)) throw new Error(`a public type in ${file} needs the package ${name}`);
      return quoted;
    }
    onFile(resolve(dirname(file), name.replace(/\.ts$/, '.d.ts')));
    return `${quote}${name.replace(/\.ts$/, '.js')}${quote}`;
  });
}
