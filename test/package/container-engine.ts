import { type Container, type Ended, ended } from './container-image.ts';

/** Returns the engine that builds and runs containers in the network of this machine, if there is one that works. */
export async function workingEngine(): Promise<'docker' | 'podman' | undefined> {
  if (process.platform !== 'linux') return undefined;
  for (const engine of ['docker', 'podman'] as const) {
    const { code } = await ended(engine, ['info']).catch(() => ({ code: 1 }));
    if (code === 0) return engine;
  }
  return undefined;
}

/** Builds an image by its recipe, and returns how to run it and to remove it. */
export async function buildWithEngine(engine: string, { recipe, context }: { recipe: string; context: string }) {
  const image = `harness-ci-image-factory:test-${process.pid}`;
  const built = await ended(engine, ['build', '--file', recipe, '--tag', image, context]);
  if (built.code !== 0) throw new Error(`${engine} cannot build the image: ${built.stderr}`);
  const volumes: string[] = [];
  return {
    /** Names a volume for the state. The engine makes it at its first use, as the image has the folder. */
    volume(name: string): string {
      const volume = `harness-ci-image-factory-test-${process.pid}-${name}`;
      volumes.push(volume);
      return volume;
    },
    run({ args, env = {}, user, state }: Container): Promise<Ended> {
      const limits = ['--rm', '--network=host', '--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges'];
      const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
      const as = user === undefined ? [] : [`--user=${user}:0`];
      return ended(engine, ['run', ...limits, ...as, ...variables, `--volume=${state}:/state`, image, ...args]);
    },
    async remove() {
      await ended(engine, ['volume', 'rm', '--force', ...volumes]);
      await ended(engine, ['rmi', '--force', image]);
    },
  };
}
