import { readFile } from 'node:fs/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { BucketObject } from '../../functions/aws/bucket-object.ts';
import { ObjectWriter } from '../../functions/aws/object-writer.ts';
import { fillPattern } from './pattern.ts';

/**
 * Writes `s3://bundles/KEY` by itself, as a process that can be killed: `write-object.ts ENDPOINT KEY SIZE`. Prints each
 * position that is durable, and in the end the most memory that it had, in KiB.
 */
const [endpoint = '', key = '', size = '0'] = process.argv.slice(2);
const client = new S3Client({
  endpoint,
  region: 'eu-west-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  forcePathStyle: true,
});
const total = Number(size);
const writer = await ObjectWriter.open(new BucketObject('bundles', key, client), total, 0);
const piece = Buffer.alloc(1024 * 1024);
for (let at = 0, told = 0; at < total; at = writer.position) {
  await writer.write(fillPattern(piece.subarray(0, total - at), at));
  if (writer.position - told < writer.unit) continue;
  told = await writer.flush();
  console.log(told);
}
await writer.complete();
// Not `maxRSS`: that of a new process begins with the memory of the process that started it.
console.log(`complete ${/VmHWM:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1]}`);
