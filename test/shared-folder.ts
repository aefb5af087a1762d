import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Before the suites of a run: creates the folder of what they share, such as the built command. It is removed at the end. */
export default function createSharedFolder(): void {
  const folder = mkdtempSync(join(tmpdir(), 'factory-tests-'));
  process.env['SHARED_FOLDER'] = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
}
