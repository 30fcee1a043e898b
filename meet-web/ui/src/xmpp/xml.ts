/**
 * XML as plain values. The wire is read with the browser's own parser and then
 * copied into `XmlElement`, so the rest of the client neither touches DOM nodes
 * nor can be surprised by prefixes: an element knows its name and namespace.
 *
 * Writing is by hand because peers select by the literal `xmlns` attribute: each
 * element whose namespace differs from its parent's carries its own, and no
 * prefix is ever written.
 */
export interface XmlElement {
  readonly name: string;
  readonly ns: string;
  readonly attrs: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Text directly inside this element, without that of its children. */
  readonly text: string;
}

export type Attrs = Readonly<Record<string, string | number | boolean | undefined>>;
export type Child = XmlElement | string | undefined | false;

/** Thrown for input that is not one well-formed element. */
export class XmlError extends Error {
  override readonly name = 'XmlError';
}

/** Deeper stanzas than this do not occur; it bounds recursion on hostile input. */
const MAX_DEPTH = 40;

/** Builds an element in namespace `ns`. Undefined attributes and falsy children are left out. */
export function el(ns: string, name: string, attrs: Attrs = {}, ...children: Child[]): XmlElement {
  const kept: Record<string, string> = {};
  for (const [key, value] of Object.entries(attrs)) {
    if (value !== undefined) {
      kept[key] = String(value);
    }
  }
  const kids: XmlElement[] = [];
  let text = '';
  for (const child of children) {
    if (typeof child === 'string') {
      text += child;
    } else if (child) {
      kids.push(child);
    }
  }
  return { name, ns, attrs: kept, children: kids, text };
}

/** A copy of `element` with attributes replaced or added. */
export function withAttrs(element: XmlElement, attrs: Attrs): XmlElement {
  return el(element.ns, element.name, { ...element.attrs, ...attrs }, element.text, ...element.children);
}

/** A copy of `element` with children added at the end. */
export function withChildren(element: XmlElement, ...children: XmlElement[]): XmlElement {
  return { ...element, children: [...element.children, ...children] };
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

function isXmlChar(code: number): boolean {
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  return code === 0x9 || code === 0xa || code === 0xd || (code >= 0x20 && !surrogate && code !== 0xfffe && code !== 0xffff);
}

/** Escapes text for element content and attribute values; characters XML cannot hold are dropped. */
export function escapeXml(text: string): string {
  let out = '';
  for (const char of text) {
    if (isXmlChar(char.codePointAt(0) ?? 0)) {
      out += ESCAPES[char] ?? char;
    }
  }
  return out;
}

/** Serialises with `xmlns` on each element whose namespace is not its parent's. */
export function serialize(element: XmlElement, parentNs = ''): string {
  let out = '<' + element.name;
  if (element.ns !== parentNs) {
    out += ` xmlns="${escapeXml(element.ns)}"`;
  }
  for (const [key, value] of Object.entries(element.attrs)) {
    out += ` ${key}="${escapeXml(value)}"`;
  }
  if (element.children.length === 0 && element.text === '') {
    return out + '/>';
  }
  out += '>' + escapeXml(element.text);
  for (const child of element.children) {
    out += serialize(child, element.ns);
  }
  return out + `</${element.name}>`;
}

function fromDom(node: Element, depth: number): XmlElement {
  if (depth > MAX_DEPTH) {
    throw new XmlError('element nested too deeply');
  }
  const attrs: Record<string, string> = {};
  for (const attr of Array.from(node.attributes)) {
    if (attr.name !== 'xmlns' && !attr.name.startsWith('xmlns:')) {
      attrs[attr.name] = attr.value;
    }
  }
  const children: XmlElement[] = [];
  let text = '';
  for (const child of Array.from(node.childNodes)) {
    if (child.nodeType === 1) {
      children.push(fromDom(child as Element, depth + 1));
    } else if (child.nodeType === 3 || child.nodeType === 4) {
      text += child.nodeValue ?? '';
    }
  }
  return { name: node.localName, ns: node.namespaceURI ?? '', attrs, children, text };
}

/** Parses one element. */
export function parseXml(source: string): XmlElement {
  const doc = new DOMParser().parseFromString(source, 'text/xml');
  const root = doc.documentElement as Element | null;
  if (root === null || doc.getElementsByTagName('parsererror').length > 0) {
    throw new XmlError('not well-formed');
  }
  return fromDom(root, 0);
}

/** First child of that name, and namespace if given. */
export function child(element: XmlElement | undefined, name: string, ns?: string): XmlElement | undefined {
  return element?.children.find((c) => c.name === name && (ns === undefined || c.ns === ns));
}

/** All children of that name, and namespace if given. */
export function children(element: XmlElement | undefined, name: string, ns?: string): XmlElement[] {
  return element?.children.filter((c) => c.name === name && (ns === undefined || c.ns === ns)) ?? [];
}

/** Text of the first child of that name, or undefined when there is no such child. */
export function childText(element: XmlElement | undefined, name: string, ns?: string): string | undefined {
  return child(element, name, ns)?.text;
}
