/** Addresses. Only the parts the client compares are split off; nothing is prepared or folded. */

export function bareJid(jid: string): string {
  const slash = jid.indexOf('/');
  return slash < 0 ? jid : jid.slice(0, slash);
}

export function resourceOf(jid: string): string {
  const slash = jid.indexOf('/');
  return slash < 0 ? '' : jid.slice(slash + 1);
}

export function localOf(jid: string): string {
  const bare = bareJid(jid);
  const at = bare.indexOf('@');
  return at < 0 ? '' : bare.slice(0, at);
}

export function domainOf(jid: string): string {
  const bare = bareJid(jid);
  return bare.slice(bare.indexOf('@') + 1);
}

/**
 * The endpoint id belonging to a bound address: the first eight characters of the
 * local part when they are hex digits, else eight random ones.
 */
export function endpointIdFor(jid: string): string {
  const head = localOf(jid).slice(0, 8);
  return /^[0-9a-f]{8}$/.test(head) ? head : randomHex(8);
}

export function randomHex(digits: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(Math.ceil(digits / 2)));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('').slice(0, digits);
}
