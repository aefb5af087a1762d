import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';

/** The programs that open a file in the user's browser. No shell reads the path. */
const openers: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['open'],
  win32: ['rundll32.exe', 'url.dll,FileProtocolHandler'],
};

/** Opens a page that this command wrote. Returns the reason of a failure. */
export async function openPage(path: string): Promise<string | undefined> {
  const [program = 'xdg-open', ...args] = openers[process.platform] ?? [];
  const child = spawn(program, [...args, pathToFileURL(path).href], { stdio: 'ignore', detached: true });
  try {
    await once(child, 'spawn');
    child.unref();
    return undefined;
  } catch (error) {
    return `cannot start ${program}: ${(error as Error).message}`;
  }
}
