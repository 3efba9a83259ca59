import type { Arm } from '../arm.ts';
import { KqueueSteps } from '../kqueue-steps.ts';
import type { Scenario } from './connections.ts';

/** A pair of connected sockets under the names `left` and `right`. */
function pairOn(arm: Arm, steps: KqueueSteps): readonly [left: number, right: number] {
  const [left, right] = arm.unixPair();
  steps.names.set(left, 'left').set(right, 'right');
  return [left, right];
}

function registration(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left, right] = pairOn(arm, steps);
  steps.change('DELETE of nothing', [left, 'READ', 'DELETE']);
  steps.change('ENABLE of nothing', [left, 'READ', 'ENABLE']);
  steps.change('ADD of a closed one', [999, 'READ', 'ADD']);
  steps.change('ADD', [left, 'READ', 'ADD']);
  steps.events('quiet');
  arm.send(right, 'abc');
  steps.events('readable');
  steps.events('still');
  steps.change('DISABLE', [left, 'READ', 'DISABLE']);
  steps.events('disabled');
  steps.change('ENABLE', [left, 'READ', 'ENABLE']);
  steps.events('enabled');
  steps.change('DELETE', [left, 'READ', 'DELETE']);
  steps.events('gone');
  steps.change('the first error ends the list', [999, 'READ', 'ADD'], [left, 'READ', 'ADD']);
  steps.change('so this is not there', [left, 'READ', 'DELETE']);
}

function edgesAndOnce(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left, right] = pairOn(arm, steps);
  steps.change('ADD ONESHOT', [left, 'READ', 'ADD', 'ONESHOT']);
  arm.send(right, 'a');
  steps.events('once');
  steps.events('not twice');
  steps.change('it is gone', [left, 'READ', 'DELETE']);
  steps.change('ADD CLEAR', [left, 'READ', 'ADD', 'CLEAR']);
  steps.events('edge');
  steps.events('no edge');
  arm.send(right, 'b');
  steps.events('another edge');
  steps.events('no edge');
}

function userEvents(arm: Arm): void {
  const steps = new KqueueSteps(arm, false);
  steps.trigger('trigger nothing', 77);
  steps.change('ADD CLEAR', [77, 'USER', 'ADD', 'CLEAR']);
  steps.events('quiet');
  steps.trigger('trigger', 77);
  steps.trigger('trigger again', 77);
  steps.events('one event');
  steps.events('cleared');
  steps.change('DELETE', [77, 'USER', 'DELETE']);
  steps.change('ADD', [77, 'USER', 'ADD']);
  steps.trigger('trigger', 77);
  steps.events('level');
  steps.events('still');
}

function receiptsThatFit(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left] = pairOn(arm, steps);
  steps.both(
    'two receipts',
    2,
    [left, 'READ', 'ADD', 'RECEIPT'],
    [left, 'WRITE', 'ADD', 'RECEIPT'],
  );
  steps.both('one error', 1, [999, 'WRITE', 'ADD']);
  steps.both('two errors', 2, [999, 'WRITE', 'ADD'], [999, 'READ', 'ADD']);
}

function endOfStream(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left, right] = pairOn(arm, steps);
  steps.change('ADD', [left, 'READ', 'ADD']);
  arm.send(right, 'abc');
  arm.shutdown(right, 'SHUT_WR');
  steps.events('bytes and an end');
  arm.note('recv', arm.recv(left));
  steps.events('an end');
  arm.note('recv', arm.recv(left));
}

/** The common behaviour of libkqueue and the BSDs: a poller may rely on it. */
export const commonKqueueScenarios: Readonly<Record<string, Scenario>> = {
  registration,
  'edges and one-shots': edgesAndOnce,
  'user events': userEvents,
  'receipts that fit': receiptsThatFit,
  'end of stream': endOfStream,
};

function closing(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left] = pairOn(arm, steps);
  steps.change('ADD', [left, 'READ', 'ADD']);
  arm.close(left);
  steps.events('closed');
  const [again, peer] = arm.unixPair();
  arm.requireReuse(again, left);
  // libkqueue mistakes it for the old one. Without EV_CLEAR it fails, with any errno.
  steps.change('ADD of the new one', [left, 'READ', 'ADD', 'CLEAR']);
  arm.send(peer, 'a');
  steps.events('its event');
  steps.change('DELETE', [left, 'READ', 'DELETE']);
  steps.change('ADD', [left, 'READ', 'ADD']);
  steps.events('now it is watched');
}

function closingWithDup(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left, right] = pairOn(arm, steps);
  steps.change('ADD', [left, 'READ', 'ADD']);
  const twin = arm.keep('dup', arm.sys.dup(left));
  arm.close(left);
  arm.send(right, 'a');
  steps.events('closed, its dup lives');
  steps.change('DELETE', [left, 'READ', 'DELETE']);
  steps.events('what is left of it');
  arm.close(twin);
  steps.events('the dup is closed');
}

function receiptsWithRoom(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left, right] = pairOn(arm, steps);
  steps.both('a receipt with room', 5, [left, 'READ', 'ADD', 'RECEIPT']);
  steps.both('an error with room', 5, [999, 'READ', 'ADD']);
  steps.change('a receipt without room', [left, 'WRITE', 'ADD', 'RECEIPT'], [right, 'READ', 'ADD']);
  steps.change('the second', [right, 'READ', 'DELETE']);
  steps.both('an error, and something is ready', 5, [999, 'READ', 'ADD']);
}

function addDisabled(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left, right] = pairOn(arm, steps);
  steps.change('ADD DISABLE', [left, 'READ', 'ADD', 'DISABLE']);
  arm.send(right, 'a');
  steps.events('disabled');
  steps.change('ENABLE', [left, 'READ', 'ENABLE']);
  steps.events('enabled');
}

function errorsOnce(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const { fd, address } = arm.listener();
  arm.close(fd);
  const fresh = arm.socket();
  steps.names.set(fresh, 'fresh');
  steps.change('ADD unconnected', [fresh, 'READ', 'ADD'], [fresh, 'WRITE', 'ADD']);
  steps.events('unconnected');
  steps.change('DELETE', [fresh, 'READ', 'DELETE'], [fresh, 'WRITE', 'DELETE']);
  arm.note('connect', arm.connect(fresh, address));
  steps.change('ADD', [fresh, 'READ', 'ADD'], [fresh, 'WRITE', 'ADD']);
  steps.events('refused');
  steps.events('and again');
  arm.note('SO_ERROR', arm.errorOf(fresh));
  const [client, server] = arm.tcpPair();
  steps.names.set(client, 'client');
  steps.change('DELETE', [fresh, 'READ', 'DELETE'], [fresh, 'WRITE', 'DELETE']);
  steps.change('ADD', [client, 'READ', 'ADD']);
  arm.send(client, 'never read');
  arm.send(server, 'abc');
  arm.close(server);
  steps.events('reset');
  steps.events('and again');
  arm.note('recv', arm.recv(client));
  arm.note('recv', arm.recv(client));
}

function writing(arm: Arm): void {
  const steps = new KqueueSteps(arm);
  const [left, right] = pairOn(arm, steps);
  steps.change('ADD', [left, 'READ', 'ADD'], [left, 'WRITE', 'ADD']);
  steps.events('idle');
  arm.send(right, 'abc');
  arm.shutdown(right, 'SHUT_WR');
  steps.events('bytes and an end');
  arm.recv(left);
  steps.events('an end');
  arm.shutdown(left, 'SHUT_WR');
  steps.events('both ends');
  const { fd, address } = arm.listener();
  steps.names.set(fd, 'listener');
  steps.change('DELETE', [left, 'READ', 'DELETE'], [left, 'WRITE', 'DELETE']);
  steps.change('ADD', [fd, 'READ', 'ADD']);
  arm.connect(arm.socket(), address);
  arm.connect(arm.socket(), address);
  steps.events('two connections');
  const [reader, writer] = arm.pipe();
  steps.names.set(reader, 'reader').set(writer, 'writer');
  steps.change('DELETE', [fd, 'READ', 'DELETE']);
  steps.change('ADD', [reader, 'READ', 'ADD']);
  arm.sys.write(writer, new Uint8Array(3), 0, 3);
  steps.events('a pipe');
  arm.close(writer);
  steps.events('and its end');
}

/** The differences between libkqueue and the BSDs, and among these. */
export const differingKqueueScenarios: Readonly<Record<string, Scenario>> = {
  close: closing,
  'close with a dup': closingWithDup,
  'receipts with room': receiptsWithRoom,
  'ADD with DISABLE': addDisabled,
  'errors of sockets': errorsOnce,
  writing,
};
