import { addressWords } from '#src/net/guards/address-ranges.js';

/** What counts as one sender: an IPv4 address, or the /64 of an IPv6 address, as a home has. */
export function networkOf(host: string): string {
  const [numeric = host] = host.split('%', 1);
  const words = addressWords(numeric);
  if (words === null) return host;
  return words.length === 1 ? numeric : `${words[0]} ${words[1]}`;
}
