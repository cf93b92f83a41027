// Work that is replaced by newer work.

/** Runs one job at a time: a new job aborts the one before. Problems are reported, an abort is not a problem. */
export class Latest {
  constructor(report) {
    this.report = report;
    this.controller = null;
  }

  /** Run `job(signal)`. Whatever it asks the server for with `signal` ends when a newer job starts. */
  async run(job) {
    this.stop();
    const controller = (this.controller = new AbortController());
    try {
      return await job(controller.signal);
    } catch (problem) {
      if (!controller.signal.aborted) this.report(problem);
    } finally {
      if (this.controller === controller) this.controller = null;
    }
  }

  stop() {
    this.controller?.abort();
    this.controller = null;
  }
}

/** Resolve after some milliseconds, or reject when `signal` is aborted. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      {once: true}
    );
  });
}
