import { readFileSync } from 'node:fs';

/** Linux shows processor time in these, on every machine: getconf CLK_TCK. */
const ticksPerSecond = 100;

export interface ProcessUsage {
  cpuSeconds: number;
  rssMiB: number;
  /** Peak since the process started. */
  peakRssMiB: number;
}

/** Returns the resources that a process has used so far: proc_pid_stat(5), proc_pid_status(5). */
export function usageOf(pid: number): ProcessUsage {
  // The second field is the name, in brackets, and may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  const [user = 0, system = 0] = fields.slice(11, 13);
  return { cpuSeconds: (user + system) / ticksPerSecond, rssMiB: mebibytes('VmRSS'), peakRssMiB: mebibytes('VmHWM') };
}
