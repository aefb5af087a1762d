import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { last, readRecipe, type Stage } from './recipe.ts';

/** The end of a command in a container. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A container to start: the command's arguments, its variables, the user, and the folder or volume of the state. */
export interface Container {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A user id, or that of the image. The group is that of the image, or 0, as OpenShift gives it. */
  readonly user?: number;
  readonly state: string;
}

/**
 * Lays the files of an image out as the recipe says, and starts commands in them: with a root that is read only, the
 * variables of the image and no others, and no privileges. The base is Node.js and the libraries of this machine. An
 * engine does more, such as limits of system calls, which the command does not meet.
 */
export class LaidOutImage {
  readonly #root: string;
  readonly #image: Stage;

  private constructor(root: string, image: Stage) {
    this.#root = root;
    this.#image = image;
  }

  static async build({ recipe, context, folder }: { recipe: string; context: string; folder: string }) {
    const stages = readRecipe(recipe);
    const image = stages.at(-1);
    if (image === undefined) throw new Error(`${recipe} has no stage`);
    const roots = new Map<string | undefined, string>();
    for (const stage of stages) {
      const root = join(folder, stage.name ?? 'image');
      layBase(root);
      for (const { keyword, flags, words } of stage.instructions) {
        if (keyword === 'COPY') copy(roots.get(flags['from']) ?? context, root, words, flags['chmod']);
        if (keyword === 'RUN') await succeed(inRoot({ root, words, env: {}, user: '65532:65532', readOnly: false }));
      }
      roots.set(stage.name, root);
    }
    return new LaidOutImage(join(folder, image.name ?? 'image'), image);
  }

  /** The mode of a file or folder of the image, in octal. */
  mode(path: string): string {
    return (statSync(join(this.#root, path)).mode & 0o7777).toString(8);
  }

  /** The user and group of the image. */
  get user(): string {
    return last(this.#image, 'USER').join(' ');
  }

  run({ args, env = {}, user, state }: Container): Promise<Ended> {
    const words = [...last(this.#image, 'ENTRYPOINT'), ...(args.length > 0 ? args : last(this.#image, 'CMD'))];
    const own = Object.fromEntries(last(this.#image, 'ENV').map((pair) => pair.split('=')));
    const as = user === undefined ? this.user : `${user}:0`;
    return inRoot({ root: this.#root, words, env: { ...own, ...env }, user: as, readOnly: true, state });
  }
}

/** Makes the folders of the base that a command meets. */
function layBase(root: string): void {
  for (const folder of ['etc', 'home', 'lib', 'lib64', 'nodejs/bin', 'proc', 'tmp', 'usr/lib'])
    mkdirSync(join(root, folder), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  writeFileSync(join(root, 'nodejs/bin/node'), '');
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/sbin/nologin\n');
}

/** Copies as COPY does: a folder by what is in it, a file by its name into a folder that ends with a slash. */
function copy(from: string, root: string, words: readonly string[], chmod: string | undefined): void {
  const target = join(root, words.at(-1) ?? '');
  for (const word of words.slice(0, -1)) {
    const source = join(from, word);
    const isFolder = statSync(source).isDirectory();
    const copied = isFolder ? target : join(target, basename(source));
    mkdirSync(dirname(copied), { recursive: true });
    cpSync(source, copied, { recursive: true });
    const below = isFolder ? readdirSync(source, { recursive: true, encoding: 'utf8' }) : [];
    if (chmod !== undefined)
      for (const path of [copied, ...below.map((name) => join(copied, name))])
        chmodSync(path, Number.parseInt(chmod, 8));
    else for (const name of below) chmodSync(join(copied, name), statSync(join(source, name)).mode & 0o7777);
  }
}

interface InRoot {
  readonly root: string;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly readOnly: boolean;
  readonly state?: string | undefined;
}

/** Runs a program in a root of its own. Mounts are in a namespace of their own, so they end with it. */
function inRoot({ root, words, env, user, readOnly, state }: InRoot): Promise<Ended> {
  const script = `set -e
    mount --bind "$ROOT" "$ROOT"
    cd "$ROOT"
    for folder in lib lib64 usr/lib; do mount --rbind "/$folder" "$folder"; done
    mount --bind "$NODE" nodejs/bin/node
    mount --rbind /proc proc
    [ -z "$STATE" ] || mount --bind "$STATE" state
    [ -z "$READ_ONLY" ] || mount -o remount,bind,ro "$ROOT"
    exec env -i "$@"`;
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const command = [...variables, '/usr/sbin/chroot', `--userspec=${user}`, '--groups=', root, ...words];
  const unshare = ['--mount', 'sh', '-c', script, 'sh', ...command];
  const given = { ROOT: root, NODE: process.execPath, STATE: state ?? '', READ_ONLY: readOnly ? 'yes' : '' };
  return ended('unshare', unshare, { ...process.env, ...given });
}

/** Runs a program to its end, whatever its exit code is. */
export function ended(file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { env }, (error, stdout, stderr) => {
      if (error !== null && child.exitCode === null) reject(error);
      else resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}

async function succeed(running: Promise<Ended>): Promise<void> {
  const { code, stderr } = await running;
  if (code !== 0) throw new Error(`an instruction of the recipe ended with exit code ${code}: ${stderr}`);
}
