import { readFile } from 'node:fs/promises';
import { Transport } from '../../functions/http/transport.ts';
import { copyJob } from './copy-job.ts';
import type { Job } from './peers.ts';

/** Copies the images of a job (a file, the first argument) with the OCI library alone. */
const transport = new Transport();
await copyJob(JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Omit<Job, 'home'>, transport);
await transport.close();
