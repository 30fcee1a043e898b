// What a test started ends with its file, also when a test failed between the start and the variable that would have
// kept it: a browser or a server left behind keeps the file from ending, and holds ports and links.
import { after } from 'node:test';

const open = new Set();

after(async () => {
  // The last that was started goes first: browsers before servers, servers before networks.
  for (const end of [...open].reverse()) await end().catch((error) => console.error(`cleanup: ${error.message}`));
});

// A test file that is ended from outside has no time for manners.
const last = new Set();
process.once('exit', () => { for (const kill of last) kill(); });
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const stories = [];
process.once('exit', (code) => {
  if (code !== 0) for (const { name, text } of stories) console.error(`--- ${name}:\n${text().slice(-8_000)}`);
});

/** Has a text printed, its end, if a test of this file fails. */
export function tellOnFailure(name, text) { stories.push({ name, text }); }

/** Has `end` called when the file is over, unless the returned function is called before. */
export function atEnd(end) {
  open.add(end);
  return () => open.delete(end);
}

/** The same for a child process, which is also killed when this process ends without ado. */
export function owned(child) {
  const kill = () => { child.kill('SIGKILL'); };
  last.add(kill);
  const forget = atEnd(async () => kill());
  child.once('exit', () => { last.delete(kill); forget(); });
  return child;
}
