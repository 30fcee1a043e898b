/** Runs asynchronous jobs one after the other, in the order they came. */
export class Serial {
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  /** Queues a job. A job that fails is reported and does not stop the next. */
  run(job: () => Promise<void>): Promise<void> {
    const next = this.#tail.then(async () => {
      if (!this.#closed) {
        await job();
      }
    });
    this.#tail = next.catch(() => undefined);
    return next;
  }

  /** Lets the running job end and drops the others. */
  close(): void {
    this.#closed = true;
  }
}
