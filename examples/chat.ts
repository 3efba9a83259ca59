// A chat by lines: what one member says, the others get. One that does not read holds up nobody.
//
//   node build/examples/chat.js [PORT]
//
// `nc 127.0.0.1 7007` in two terminals: the first line is the name. Ctrl-C ends it politely.

import { type Connection, EventLoop, LineBuffer } from 'sockloop';

interface Member {
  readonly lines: LineBuffer;
  name: string;
  /** Set while the queue to this member is full: lines are counted instead. */
  isBehind: boolean;
  missed: number;
}

const loop = new EventLoop();
loop.attach();
const listener = loop.listen<Member>({
  host: '127.0.0.1',
  port: Number(process.argv[2] ?? '7007'),
  handlers: {
    open: (client) => {
      client.data = { lines: new LineBuffer(1000), name: '', isBehind: false, missed: 0 };
      tell(client, '* your name?');
    },
    data: (client, chunk) => {
      const { lines } = client.data;
      lines.append(chunk);
      for (let line = lines.takeLine(); line !== null; line = lines.takeLine()) {
        hear(client, new TextDecoder().decode(line).trim());
      }
      if (!lines.overlong) return;
      tell(client, '* that line is too long');
      client.close({ lingerMs: 1000 });
    },
    drain: (client) => {
      const { missed } = client.data;
      Object.assign(client.data, { isBehind: false, missed: 0 });
      if (missed > 0) tell(client, `* you missed ${missed} lines`);
    },
    close: ({ data: { name } }) => void (name !== '' && say(`* ${name} has left`)),
  },
});
console.log(`listening on port ${listener.port}`);

function tell(client: Connection<Member>, text: string): void {
  if (client.data.isBehind) client.data.missed += 1;
  else client.data.isBehind = !client.write(`${text}\n`);
}

function say(text: string, from?: Connection<Member>): void {
  for (const one of listener) if (one !== from && one.data.name !== '') tell(one, text);
}

function hear(client: Connection<Member>, line: string): void {
  const { name } = client.data;
  if (name !== '') {
    say(`${name}: ${line}`, client);
  } else if (!/^\w{1,20}$/.test(line) || [...listener].some(({ data }) => data.name === line)) {
    tell(client, '* another name, please');
  } else {
    say(`* ${line} is here`);
    client.data.name = line;
  }
}

process.once('SIGINT', () => {
  say('* the server ends');
  void listener.shutdown({ deadlineMs: 1000 });
});
