export interface TextPart {
  readonly text: string;
  readonly href?: string;
}

const ADDRESS = /https?:\/\/[^\s<>"']+/g;

/** Cuts a text into plain parts and web addresses; a full stop behind an address is not part of it. */
export function linkify(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(/[.,;:!?)\]}]+$/, '');
    let href: string;
    try {
      href = new URL(address).href;
    } catch {
      continue;
    }
    if (match.index > end) {
      parts.push({ text: text.slice(end, match.index) });
    }
    parts.push({ text: address, href });
    end = match.index + address.length;
  }
  if (end < text.length) {
    parts.push({ text: text.slice(end) });
  }
  return parts;
}
