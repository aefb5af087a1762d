import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installCommand, runHosted } from './factory-command.ts';

/**
 * Writes a program to `file` that shells run as `factory`. It runs the command in the shared host process, with the folder, the
 * arguments and the environment of its caller, and prints the output. Its standard input is not read.
 */
export async function installHostedProgram(file: string): Promise<{ close(): Promise<void> }> {
  await installCommand();
  const outputs = await mkdtemp(join(tmpdir(), 'factory-outputs-'));
  let runs = 0;
  const server = createServer((connection) => {
    let request = '';
    connection.setEncoding('utf8').on('data', (text: string) => {
      request += text;
      if (!request.endsWith('\0\0')) return;
      void answer(request.slice(0, -2).split('\0')).then((reply) => connection.end(reply));
    });
    connection.on('error', () => undefined);
  });
  async function answer([folder = '', count = '0', ...rest]: readonly string[]): Promise<string> {
    const variables = rest.slice(Number(count)).map((variable) => {
      const at = variable.indexOf('=');
      return [variable.slice(0, at), variable.slice(at + 1)] as const;
    });
    const run = { args: rest.slice(0, Number(count)), environment: Object.fromEntries(variables), folder };
    const { code, stdout, stderr } = await runHosted(run).catch((error: unknown) => ({
      code: 70,
      stdout: '',
      stderr: String(error),
    }));
    const output = join(outputs, String(++runs));
    await Promise.all([writeFile(`${output}.out`, stdout), writeFile(`${output}.err`, stderr)]);
    return `${Number.isInteger(code) ? code : 70}\n${output}\n`;
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const script = [
    '#!/usr/bin/env bash',
    `exec 3<>/dev/tcp/127.0.0.1/${(server.address() as AddressInfo).port}`,
    String.raw`{ printf '%s\0' "$PWD" "$#" "$@"; env -0; printf '\0'; } >&3`,
    '{ read -r code; read -r output; } <&3',
    'cat "$output.out"',
    'cat "$output.err" >&2',
    'exit "${code:-70}"',
  ];
  await writeFile(file, `${script.join('\n')}\n`, { mode: 0o755 });
  return {
    async close() {
      server.close();
      await rm(outputs, { recursive: true });
    },
  };
}
