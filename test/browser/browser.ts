import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Starts the Chromium of this machine. Throws where there is none: a suite that skips tests nothing. */
export async function startChromium(): Promise<Browser> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const path of folders.flatMap((folder) => names.map((name) => join(folder, name)))) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    // Chromium has no sandbox for root. It reads files of these tests only.
    if (isThere) return chromium.launch({ executablePath: path, args: ['--no-sandbox'] });
  }
  throw new Error(`no ${names.join(', ')} in PATH: apt-get install chromium`);
}
