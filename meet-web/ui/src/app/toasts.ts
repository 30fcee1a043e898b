import { signal } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import type { Toast } from '../features/notices/Notices';

const SHOWN_MS = 5_000;
const URGENT_MS = 9_000;
const MAX_SHOWN = 3;

/** The short notices on the screen; each goes by itself. */
export class ToastList {
  readonly #list = signal<readonly Toast[]>([]);
  readonly list: ReadonlySignal<readonly Toast[]> = this.#list;
  #serial = 0;

  add(text: string, options: { code?: string; urgent?: boolean } = {}): void {
    const id = ++this.#serial;
    const others = this.#list.value.filter((t) => t.text !== text).slice(1 - MAX_SHOWN);
    this.#list.value = [...others, { id, text, ...options }];
    setTimeout(() => this.dismiss(id), options.urgent === true ? URGENT_MS : SHOWN_MS);
  }

  clear(): void {
    this.#list.value = [];
  }

  dismiss(id: number): void {
    this.#list.value = this.#list.value.filter((t) => t.id !== id);
  }
}
